//! The answer's way to the client.

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
};
use tokio_util::sync::CancellationToken;

use super::{
    exchange::Outcome,
    failure::{Failure, FailureKind},
    framing::BodyTrack,
    head::{HeadError, RequestHead, ResponseHead, head_end},
    rewrite,
    shared::{READ, Shared},
    upload::write_both,
};

/// How the answer's side ended.
pub(super) enum Downloaded {
    Complete { node_keeps: bool, client_keeps: bool },
    Other(Outcome),
}

/// The answer's way.
pub(super) struct Download<'a> {
    pub shared: &'a Shared<'a>,
    pub head: &'a RequestHead,
    pub stop: &'a CancellationToken,
}

impl Download<'_> {
    pub async fn run(&self, from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>) -> Downloaded {
        let mut buffer = BytesMut::with_capacity(READ);
        let answer = match self.final_head(from, to, &mut buffer).await {
            Ok(answer) => answer,
            Err(outcome) => return Downloaded::Other(outcome),
        };
        let shared = self.shared;
        shared.answered();
        let stats = &shared.forwarder.stats;
        stats.answered(answer.status(), shared.began.elapsed());
        shared.observed.lock().tell(|observer| observer.on_response_head(&answer));
        let mut node_keeps = answer.keeps() && self.head.keeps();
        let mut client_keeps = node_keeps;
        let mut head_out = answer.raw().clone();
        if client_keeps && self.stop.is_cancelled() {
            client_keeps = false;
            head_out = rewrite::closing(&answer);
        }
        let mut track = BodyTrack::new(answer.framing());
        let mut part = self.part(&mut buffer, &mut track);
        if answer.status() == 101 {
            let sent = to.write_all(&head_out).await;
            let rest = buffer.split().freeze();
            return Downloaded::Other(match sent {
                Ok(()) => Outcome::Upgraded(rest),
                Err(_) => Outcome::ClientLeft,
            });
        }
        stats.down.increment(head_out.len() as u64);
        let mut written = match &part {
            Ok(part) => write_both(to, &head_out, part).await,
            Err(_) => to.write_all(&head_out).await,
        };
        loop {
            let Ok(sent) = &part else { return Downloaded::Other(Outcome::Cut { reset: true }) };
            if written.is_err() {
                return Downloaded::Other(Outcome::ClientLeft);
            }
            stats.down.increment(sent.len() as u64);
            if track.is_done() {
                // More than the answer means that we did not understand each other.
                node_keeps &= buffer.is_empty();
                return Downloaded::Complete { node_keeps, client_keeps };
            }
            drop(part);
            buffer.reserve(READ);
            match from.read_buf(&mut buffer).await {
                Ok(0) if track.ends_with_connection() => {
                    return Downloaded::Complete { node_keeps: false, client_keeps: false };
                }
                Ok(0) => return Downloaded::Other(Outcome::Cut { reset: false }),
                Err(_) => return Downloaded::Other(Outcome::Cut { reset: true }),
                Ok(_) => {}
            }
            part = self.part(&mut buffer, &mut track);
            written = match &part {
                Ok(part) => to.write_all(part).await,
                Err(_) => Ok(()),
            };
        }
    }

    /// The next piece of the body.
    fn part(&self, buffer: &mut BytesMut, track: &mut BodyTrack) -> Result<Bytes, Failure> {
        let mut observed = self.shared.observed.lock();
        let mut places = Vec::new();
        let on = observed.is_on();
        let used = track
            .advance(buffer, |range| {
                if on {
                    places.push(range);
                }
            })
            .map_err(|_| FailureKind::Cut)?;
        let part = buffer.split_to(used).freeze();
        for place in places {
            observed.tell(|observer| observer.on_response_chunk(part.slice(place)));
        }
        Ok(part)
    }

    /// Passes 1xx on and gives the head that counts.
    async fn final_head(
        &self,
        from: &mut ReadHalf<'_>,
        to: &mut WriteHalf<'_>,
        buffer: &mut BytesMut,
    ) -> Result<ResponseHead, Outcome> {
        loop {
            match head_end(buffer) {
                Ok(Some(end)) => {
                    let raw = buffer.split_to(end).freeze();
                    let answer = ResponseHead::parse(raw, self.head.method())
                        .map_err(|_: HeadError| bad_answer())?;
                    if matches!(answer.status(), 101 | 200..) {
                        return Ok(answer);
                    }
                    if to.write_all(answer.raw()).await.is_err() {
                        return Err(Outcome::ClientLeft);
                    }
                    continue;
                }
                Ok(None) => {}
                Err(_) => return Err(bad_answer()),
            }
            buffer.reserve(READ);
            match from.read_buf(buffer).await {
                Ok(0) if buffer.is_empty() => {
                    return Err(Outcome::Failed(FailureKind::Closed.into()));
                }
                Ok(0) => return Err(bad_answer()),
                Ok(_) => {}
                Err(cause) => {
                    let kind = FailureKind::Closed;
                    return Err(Outcome::Failed(Failure { kind, cause: Some(cause) }));
                }
            }
        }
    }
}

fn bad_answer() -> Outcome {
    Outcome::Failed(FailureKind::BadAnswer.into())
}
