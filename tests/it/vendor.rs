//! A vendor that sends exact bytes and then waits, goes on or breaks off.

use std::sync::Arc;

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use crate::harness::http::{Framing, Reader};

/// Events up to the text; their usage is complete with [`DELTA`].
pub const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-20250514\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":11,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
/// The event with the output tokens.
pub const DELTA: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":7}}\n\n";
/// The last event.
pub const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// One scripted answer for every request.
pub struct Vendor {
    /// Value of `UPSTREAM_HOST_MAP`.
    pub host_map: String,
    gate: Arc<Semaphore>,
}

impl Vendor {
    /// Answers each request with `first`; then, once the gate is open, with `second` and the proper
    /// end, or without `second` by breaking off.
    pub async fn start(first: Vec<u8>, second: Option<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let gate = Arc::new(Semaphore::new(0));
        let script = Arc::new((first, second));
        tokio::spawn({
            let gate = Arc::clone(&gate);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (script, gate) = (Arc::clone(&script), Arc::clone(&gate));
                    tokio::spawn(async move {
                        // A caller that leaves is part of the tests.
                        let _ = answer(stream, &script, &gate).await;
                    });
                }
            }
        });
        let hosts =
            ["api.anthropic.com", "chatgpt.com", "responses.example.test", "unit.openai.azure.com"];
        let host_map = hosts.map(|host| format!("{host}=http://127.0.0.1:{port}")).join(",");
        Self { host_map, gate }
    }

    /// Lets all answers go on.
    pub fn open(&self) {
        self.gate.add_permits(1000);
    }
}

async fn answer(
    mut stream: TcpStream,
    (first, second): &(Vec<u8>, Option<Vec<u8>>),
    gate: &Semaphore,
) -> anyhow::Result<()> {
    let (read, mut write) = stream.split();
    let mut reader = Reader::new(read);
    let Some(head) = reader.head().await? else { return Ok(()) };
    reader.body(Framing::of_request(&head)).await?;
    write
        .write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
        .await?;
    write.write_all(&chunk(first)).await?;
    gate.acquire().await?.forget();
    if let Some(second) = second {
        write.write_all(&chunk(second)).await?;
        write.write_all(b"0\r\n\r\n").await?;
        reader.closed().await;
    }
    Ok(())
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
