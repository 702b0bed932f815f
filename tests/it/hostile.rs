//! Bytes that no honest client sends.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::place::{Crs, Home, PATIENCE, Place};

/// Sends bytes and reads all that comes back until the service closes.
async fn raw(crs: &Crs, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", crs.port)).await.unwrap();
    // It may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "hangs after {}", String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(key: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\nx-api-key: {key}\r\n\
         User-Agent: claude-cli/2.0.14 (external, cli)\r\nContent-Type: application/json\r\n{more}\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn sized(key: &str, body: &[u8]) -> Vec<u8> {
    post(key, &format!("Content-Length: {}\r\n", body.len()), body)
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_are_refused_and_counted_nowhere() {
    let place = Place::usual().await;
    let home = Home::new(&place, place.redis_addr().port(), &[]);
    let crs = home.start().await;
    let key = place.run().plain_key("main");
    let good = br#"{"model":"claude-sonnet-4-20250514","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    let length = good.len();
    let both = format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n");
    let twice = format!("Content-Length: {length}\r\nContent-Length: 3\r\n");
    let smuggled = b"0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    let bare_cr = format!("X-A: b\rX-C: d\r\nContent-Length: {length}\r\n");
    let folded = format!("X-A: b\r\n folded\r\nContent-Length: {length}\r\n");
    let nul = format!("X-A: b\0c\r\nContent-Length: {length}\r\n");
    let huge = format!("X-Big: {}\r\nContent-Length: {length}\r\n", "a".repeat(100_000));
    let cases = [
        ("broken JSON", sized(&key, br#"{"model": "#)),
        ("invalid UTF-8 between values", sized(&key, b"{\"model\": \xff\xfe}")),
        ("deep nesting, never closed", sized(&key, "[".repeat(200_000).as_bytes())),
        ("both framings", post(&key, &both, smuggled)),
        ("two lengths", post(&key, &twice, good)),
        ("negative length", post(&key, "Content-Length: -1\r\n", good)),
        ("unknown transfer coding", post(&key, "Transfer-Encoding: xchunked\r\n", good)),
        ("bare CR in a header", post(&key, &bare_cr, good)),
        ("folded header", post(&key, &folded, good)),
        ("NUL in a header", post(&key, &nul, good)),
        ("huge head", post(&key, &huge, good)),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
    ];
    let mut accepted = Vec::new();
    for (name, bytes) in &cases {
        let answer = raw(&crs, bytes).await;
        let first = answer.lines().next().unwrap_or_default();
        // A close with bytes unread resets the connection, which may overtake the refusal.
        let lost = answer.is_empty() && *name == "huge head";
        let refused = lost || first.starts_with("HTTP/1.1 4");
        if !refused || answer.matches("HTTP/1.1 ").count() > 1 {
            accepted.push(format!("{name}: {answer}"));
        }
        assert!(crs.health().await.contains_key("status"), "alive after {name}");
    }
    assert!(accepted.is_empty(), "{accepted:#?}");
    place.books("main", 0).await;
    crs.serve(&place, json!({})).await;
    place.books("main", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_but_proper_nesting_is_survived() {
    let place = Place::usual().await;
    let home = Home::new(&place, place.redis_addr().port(), &[]);
    let crs = home.start().await;
    let key = place.run().plain_key("main");
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let body = format!(
        r#"{{"model":"claude-sonnet-4-20250514","max_tokens":9,"messages":[{{"role":"user","content":{open}{close}}}]}}"#
    );
    let answer = raw(&crs, &sized(&key, body.as_bytes())).await;
    let served = answer.starts_with("HTTP/1.1 200 ");
    assert!(served || answer.starts_with("HTTP/1.1 4"), "{answer}");
    place.books("main", i64::from(served)).await;
    crs.serve(&place, json!({})).await;
    place.books("main", i64::from(served) + 1).await;
}
