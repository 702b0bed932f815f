//! Signals with open streams.

use rustix::process::Signal;
use serde_json::json;
use tokio::net::TcpStream;

use crate::{
    place::{Home, Place, until},
    vendor::{DELTA, START, STOP, Vendor},
};

/// Signals while a stream is open: the port closes, the stream finishes, its usage is written, the end is 0.
async fn finishes_after(signals: &[Signal]) {
    let place = Place::usual().await;
    let rest = [DELTA, STOP].concat();
    let vendor = Vendor::start(START.into(), Some(rest.clone().into())).await;
    let map = [("UPSTREAM_HOST_MAP", vendor.host_map.as_str())];
    let home = Home::new(&place, place.redis_addr().port(), &map);
    let mut crs = home.start().await;
    let port = crs.port;
    let request = json!({ "stream": true });
    let (answer, ()) = tokio::join!(crs.send(&place, request), async {
        until("the stream", async || place.slots("main").await == 1).await;
        for signal in signals {
            crs.signal(*signal);
        }
        let closed = async || TcpStream::connect(("127.0.0.1", port)).await.is_err();
        until("the port to close", closed).await;
        vendor.open();
    });
    assert_eq!((answer.status, answer.ended), (200, "complete"));
    assert_eq!(String::from_utf8_lossy(&answer.body), [START, &rest].concat());
    assert_eq!(crs.ended().await.code(), Some(0));
    assert_eq!(place.counted("main").await.0, 1, "written before the process ends");
    place.books("main", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_finishes_and_its_usage_is_written() {
    finishes_after(&[Signal::TERM]).await;
}

/// What turns log files over comes first, and a shell that closes twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_closing_terminal_lets_open_streams_finish() {
    finishes_after(&[Signal::USR1, Signal::HUP, Signal::HUP]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_stream_is_ended_when_the_drain_time_is_over() {
    let place = Place::usual().await;
    let sent = [START, DELTA].concat();
    let vendor = Vendor::start(sent.clone().into(), None).await;
    let env = [("UPSTREAM_HOST_MAP", vendor.host_map.as_str()), ("CRS_DRAIN_TIMEOUT_SECONDS", "1")];
    let home = Home::new(&place, place.redis_addr().port(), &env);
    let mut crs = home.start().await;
    let (answer, ()) = tokio::join!(crs.send(&place, json!({ "stream": true })), async {
        until("the stream", async || place.slots("main").await == 1).await;
        crs.terminate();
    });
    assert_eq!((answer.status, answer.ended), (200, "complete"));
    let body = String::from_utf8_lossy(&answer.body);
    let rest = body.strip_prefix(sent.as_str());
    assert!(rest.is_some_and(|rest| rest.starts_with("event: error\ndata: {")), "{body}");
    assert_eq!(crs.ended().await.code(), Some(0));
    place.books("main", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_clients_of_openai_accounts_are_told_in_their_dialect() {
    for kind in ["openai", "responses"] {
        let limit = json!({ "main": { "concurrencyLimit": "5" } });
        let seed = json!({ "keys": limit, "accounts": { "o": { "type": kind } } });
        let place = Place::seeded(seed).await;
        let begun = r#"data: {"type":"response.output_text.delta","delta":"a"}"#;
        let sent = format!("{begun}\n\n{}", &begun[..30]);
        let vendor = Vendor::start(sent.into(), None).await;
        let env =
            [("UPSTREAM_HOST_MAP", vendor.host_map.as_str()), ("CRS_DRAIN_TIMEOUT_SECONDS", "1")];
        let home = Home::new(&place, place.redis_addr().port(), &env);
        let mut crs = home.start().await;
        let path = "/openai/v1/chat/completions";
        let request = json!({ "path": path, "stream": true, "body": { "model": "gpt-5" } });
        let (answer, ()) = tokio::join!(crs.send(&place, request), async {
            until("the stream", async || place.slots("main").await == 1).await;
            crs.terminate();
        });
        assert_eq!((answer.status, answer.ended), (200, "complete"));
        let body = String::from_utf8_lossy(&answer.body);
        let events: Vec<&str> = body.split_terminator("\n\n").collect();
        let [first, .., told, done] = events.as_slice() else { panic!("{body}") };
        assert!(first.contains(r#""content":"a""#), "{body}");
        let error = r#"data: {"error":{"message":"The service is restarting, please retry""#;
        assert!(told.starts_with(error), "{body}");
        assert_eq!(*done, "data: [DONE]");
        assert_eq!(crs.ended().await.code(), Some(0));
    }
}
