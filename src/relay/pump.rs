//! Moves an upstream body to the client while a tap watches.
//!
//! The pump never rebuilds bytes and never waits for the tap. When the client leaves, it keeps
//! reading up to a cap so that the final usage frame is not lost.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::Relay;
use crate::upstream::SendError;

/// Chunks in flight to a slow client; when full, reading from the vendor pauses.
pub const CLIENT_QUEUE: usize = 16;

/// Watches a stream and may replace chunks on their way (only to restore tool names).
pub trait Tap: Send {
    /// Sees one upstream chunk; returns what the client gets, or `None` to hold it back.
    fn chunk(&mut self, chunk: Bytes) -> Option<Bytes>;
    /// Called when the vendor's stream is complete; returns what is left for the client.
    fn finish(&mut self) -> Option<Bytes>;
    /// Whether everything that accounting needs has been seen.
    fn is_settled(&self) -> bool;
    /// Whether nothing after the last chunk can be read: the stream ends there.
    fn is_broken(&self) -> bool {
        false
    }
}

/// How long a stream may be read on after its client left.
#[derive(Clone, Copy, Debug)]
pub struct AfterClient {
    /// Longest time.
    pub time: Duration,
    /// Most bytes.
    pub bytes: usize,
}

/// How a stream ended.
#[derive(Debug)]
pub enum End {
    /// The vendor's stream was complete, or could not be read on, and everything was handed on.
    Complete,
    /// The vendor's stream broke.
    Cut(SendError),
    /// The client left; the stream may still have been read to its usage frame.
    ClientGone,
    /// The service stops and the drain deadline is over.
    Shutdown,
}

/// One stream from vendor to client.
pub struct Pump {
    /// Vendor's body.
    pub body: BoxStream<'static, Result<Bytes, SendError>>,
    /// Towards the client.
    pub client: mpsc::Sender<Bytes>,
    /// Cancelled when streams must end now.
    pub shutdown: CancellationToken,
    /// Cap for reading on without a client.
    pub after_client: AfterClient,
}

impl Relay {
    /// A stream from this body to whoever reads the channel, under the settings of this service.
    pub(super) fn pump(
        &self,
        body: BoxStream<'static, Result<Bytes, SendError>>,
    ) -> (Pump, mpsc::Receiver<Bytes>) {
        let (client, receiver) = mpsc::channel(CLIENT_QUEUE);
        let (shutdown, after_client) = (self.cut_streams.clone(), self.settings.after_client);
        (Pump { body, client, shutdown, after_client }, receiver)
    }
}

impl Pump {
    /// Runs until the stream ends one way or another. The client channel stays open, so that the
    /// caller can settle before the client sees the end.
    pub async fn run(&mut self, tap: &mut dyn Tap) -> End {
        loop {
            let next = tokio::select! {
                biased;
                () = self.client.closed() => return self.read_on(tap).await,
                () = self.shutdown.cancelled() => return End::Shutdown,
                next = self.body.next() => next,
            };
            match next {
                Some(Ok(chunk)) => {
                    if let Some(out) = tap.chunk(chunk)
                        && self.client.send(out).await.is_err()
                    {
                        return self.read_on(tap).await;
                    }
                    if tap.is_broken() {
                        return End::Complete;
                    }
                }
                Some(Err(error)) => return End::Cut(error),
                None => {
                    if let Some(rest) = tap.finish() {
                        // A client that is gone by now has lost nothing that counts.
                        let _ = self.client.send(rest).await;
                    }
                    return End::Complete;
                }
            }
        }
    }

    /// Reads to the end for nobody: of a stream whose client left before it began.
    pub async fn drain(&mut self) {
        loop {
            let next = tokio::select! {
                () = self.shutdown.cancelled() => return,
                next = self.body.next() => next,
            };
            let Some(Ok(_)) = next else { return };
        }
    }

    async fn read_on(&mut self, tap: &mut dyn Tap) -> End {
        let deadline = Instant::now() + self.after_client.time;
        let mut left = self.after_client.bytes;
        while !tap.is_settled() {
            let next = tokio::select! {
                next = self.body.next() => next,
                () = tokio::time::sleep_until(deadline) => break,
                () = self.shutdown.cancelled() => break,
            };
            let Some(Ok(chunk)) = next else { break };
            if chunk.len() > left {
                break;
            }
            left -= chunk.len();
            tap.chunk(chunk);
        }
        End::ClientGone
    }
}

#[cfg(test)]
mod tests {

    use futures_util::stream;

    use super::*;
    use crate::upstream::SendErrorKind;

    #[derive(Default)]
    struct Seen {
        bytes: Vec<u8>,
        settle_on: Option<u8>,
    }

    impl Tap for Seen {
        fn chunk(&mut self, chunk: Bytes) -> Option<Bytes> {
            self.bytes.extend_from_slice(&chunk);
            Some(chunk)
        }

        fn finish(&mut self) -> Option<Bytes> {
            None
        }

        fn is_settled(&self) -> bool {
            self.settle_on.is_some_and(|mark| self.bytes.contains(&mark))
        }
    }

    fn pump(items: Vec<Result<Bytes, SendError>>, hang: bool) -> (Pump, mpsc::Receiver<Bytes>) {
        let (client, receiver) = mpsc::channel(CLIENT_QUEUE);
        let body = stream::iter(items);
        let body = if hang { body.chain(stream::pending()).boxed() } else { body.boxed() };
        let after_client = AfterClient { time: Duration::from_millis(50), bytes: 100 };
        (Pump { body, client, shutdown: CancellationToken::new(), after_client }, receiver)
    }

    #[tokio::test]
    async fn forwards_chunks_as_they_are() {
        let (mut pump, mut receiver) = pump(vec![Ok("ab".into()), Ok("c".into())], false);
        let mut tap = Seen::default();
        assert!(matches!(pump.run(&mut tap).await, End::Complete));
        drop(pump);
        assert_eq!(receiver.recv().await.unwrap(), "ab");
        assert_eq!(receiver.recv().await.unwrap(), "c");
        assert!(receiver.recv().await.is_none());
    }

    #[tokio::test]
    async fn reads_on_to_the_usage_frame_after_the_client_left() {
        let (mut pump, receiver) = pump(vec![Ok("a".into()), Ok("b".into()), Ok("U".into())], true);
        drop(receiver);
        let mut tap = Seen { settle_on: Some(b'U'), ..Seen::default() };
        assert!(matches!(pump.run(&mut tap).await, End::ClientGone));
        assert_eq!(tap.bytes, b"abU");
    }

    #[tokio::test]
    async fn gives_up_reading_on_at_the_cap() {
        let (mut pump, receiver) = pump(vec![Ok(Bytes::from(vec![b'x'; 101]))], true);
        drop(receiver);
        let mut tap = Seen { settle_on: Some(b'U'), ..Seen::default() };
        assert!(matches!(pump.run(&mut tap).await, End::ClientGone));
        assert!(tap.bytes.is_empty());
    }

    #[tokio::test]
    async fn reports_a_cut() {
        let cut = SendError::new(SendErrorKind::Reset, "read ECONNRESET");
        let (mut pump, _receiver) = pump(vec![Ok("a".into()), Err(cut)], false);
        let mut tap = Seen::default();
        assert!(matches!(pump.run(&mut tap).await, End::Cut(_)));
    }
}
