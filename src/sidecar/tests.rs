//! Tests of the seams: observers that misbehave, and requests handed on after all.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Extension, Router, http::Response, routing::any};
use bytes::Bytes;
use parking_lot::Mutex;
use rstest::rstest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    forward::{End, Forwarder, Observer, RequestHead, ResponseHead, Trace},
    gateway::Gateway,
    routing::{Answer, BodyStart, Route, Routing},
};
use crate::{
    api::{
        middleware::{Arrival, Cors, Front, FrontSettings, Unserved},
        server::{self, Body, Limits, Shutdown},
    },
    config::{LegacyUrl, SidecarConfig},
};

const ANSWER: &str = "HTTP/1.1 200 Sure\r\nx-Node: 1\r\nTransfer-Encoding: chunked\r\n\r\n\
                      3;e\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n";

/// What a stand-in for Node was sent, all of it.
type Seen = Arc<Mutex<Vec<u8>>>;

/// Everything of one test.
struct Place {
    address: SocketAddr,
    seen: Seen,
    _tasks: JoinSet<()>,
}

async fn node(tasks: &mut JoinSet<()>, seen: Seen) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                seen.lock().extend_from_slice(&buffer[..n]);
                if seen.lock().ends_with(b"\r\n\r\n") || seen.lock().ends_with(b"}") {
                    stream.write_all(ANSWER.as_bytes()).await.unwrap();
                }
            }
        }
    });
    address
}

async fn start(routing: Arc<dyn Routing>, node_is_up: bool) -> Place {
    let (mut tasks, seen) = (JoinSet::new(), Seen::default());
    let mut node = node(&mut tasks, Arc::clone(&seen)).await;
    if !node_is_up {
        let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
        node = unused.local_addr().unwrap();
    }
    let unserved = |arrival: Extension<Arrival>| async move {
        let mut response = Response::new(Body::from(format!("own {}", arrival.original_url)));
        if arrival.original_url.contains("unserved") {
            *response.status_mut() = axum::http::StatusCode::SERVICE_UNAVAILABLE;
            response.extensions_mut().insert(Unserved);
        }
        response
    };
    let settings = FrontSettings {
        cors: Cors::BuiltIn,
        request_max_mib: None,
        development: false,
        trust_proxy: false,
        browser_rewrite: |_| false,
        now: Arc::new(|| 0),
    };
    let front = Front::new(settings, Router::new().fallback(any(unserved)));
    let config = SidecarConfig {
        legacy_url: Some(LegacyUrl { host: "127.0.0.1".into(), port: node.port() }),
        connect_timeout: Duration::from_secs(5),
        head_timeout: Duration::from_secs(5),
        tap_socket: "unused".into(),
        shadow_room: 0,
        shadow_duty_percent: 100,
        shadow_publish: Duration::from_secs(5),
        reuse_port: false,
    };
    let forwarder = Arc::new(Forwarder::new(&config, false).unwrap());
    let gateway = Gateway::new(front, forwarder, routing, false);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits { max_connections: 10, drain: Duration::from_secs(1) };
    tasks.spawn(server::run(listener, gateway, Shutdown::default(), limits));
    Place { address, seen, _tasks: tasks }
}

async fn exchange(place: &Place, request: &str) -> String {
    let mut stream = TcpStream::connect(place.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    let mut buffer = vec![0; 4096];
    loop {
        let n = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        seen.extend_from_slice(&buffer[..n]);
        if n == 0 || seen.ends_with(b"0\r\n\r\n") || seen.ends_with(b"T: 1\r\n\r\n") {
            return String::from_utf8(seen).unwrap();
        }
    }
}

/// Writes down what it is told, and panics at a given call.
struct Recorder {
    told: Arc<Mutex<Vec<String>>>,
    panics_at: usize,
}

impl Recorder {
    fn tell(&self, what: String) {
        let mut told = self.told.lock();
        let now = told.len();
        told.push(what);
        drop(told);
        assert!(now != self.panics_at, "on purpose");
    }
}

impl Observer for Recorder {
    fn on_request_head(&mut self, head: &RequestHead) {
        self.tell(format!("> {} {}", head.method(), head.target()));
    }

    fn on_request_chunk(&mut self, chunk: Bytes) {
        self.tell(format!("> {chunk:?}"));
    }

    fn on_request_end(&mut self) {
        self.tell("> whole".to_owned());
    }

    fn on_response_head(&mut self, head: &ResponseHead) {
        self.tell(format!("< {}", head.status()));
    }

    fn on_response_chunk(&mut self, chunk: Bytes) {
        self.tell(format!("< {chunk:?}"));
    }

    fn on_end(&mut self, end: End) {
        self.tell(format!("{end:?}"));
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        assert!(self.panics_at != 100, "on purpose");
    }
}

struct Traced {
    told: Arc<Mutex<Vec<String>>>,
    panics_at: usize,
}

impl Routing for Traced {
    fn decide(&self, _: &RequestHead, _: IpAddr) -> Answer {
        Answer::Now({
            let observer = Recorder { told: Arc::clone(&self.told), panics_at: self.panics_at };
            let trace = Trace { id: Some("id-1".to_owned()), observer: Some(Box::new(observer)) };
            Route::Legacy { trace: Some(trace) }
        })
    }

    fn phase(&self) -> String {
        "shadow".to_owned()
    }
}

const TOLD: [&str; 8] = [
    "> POST /t?q",
    "> b\"ab\"",
    "> b\"cd}\"",
    "> whole",
    "< 200",
    "< b\"abc\"",
    "< b\"de\"",
    "Complete",
];

#[rstest]
#[tokio::test]
async fn an_observer_sees_payload_and_cannot_touch_it(
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 100, 1000)] panics_at: usize,
) {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let routing = Arc::new(Traced { told: Arc::clone(&told), panics_at });
    let place = start(routing, true).await;
    let lines = "Host: h\r\nX-Crs-Trace: forged\r\nContent-Length: 5\r\n";
    let mut stream = TcpStream::connect(place.address).await.unwrap();
    stream.write_all(format!("POST /t?q HTTP/1.1\r\n{lines}\r\nab").as_bytes()).await.unwrap();
    while !place.seen.lock().ends_with(b"ab") {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stream.write_all(b"cd}").await.unwrap();
    let mut answer = vec![0; ANSWER.len()];
    tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(String::from_utf8(answer).unwrap(), ANSWER);
    // The connection goes on, whatever the observer did.
    stream.write_all(b"GET /again HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let mut answer = vec![0; ANSWER.len()];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8(answer).unwrap(), ANSWER);
    let seen = String::from_utf8(place.seen.lock().clone()).unwrap();
    assert!(seen.contains("x-crs-trace: id-1\r\n") && !seen.contains("forged"), "{seen}");
    let told = told.lock();
    let expected = TOLD.get(..=panics_at).unwrap_or(&TOLD);
    assert_eq!(&told[..expected.len()], expected);
    assert!(told.get(expected.len()).is_none_or(|next| next == "> GET /again"), "{told:?}");
}

struct Own;

impl Routing for Own {
    fn decide(&self, _: &RequestHead, _: IpAddr) -> Answer {
        Answer::Now(Route::Own)
    }

    fn phase(&self) -> String {
        "primary".to_owned()
    }
}

fn post(path: &str) -> String {
    let body = r#"{ "a":1 }"#;
    format!(
        "POST {path} HTTP/1.1\r\nhOst: h\r\nX-Odd: 1\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n9\r\n{body}\r\n0\r\n\r\n"
    )
}

#[tokio::test]
async fn what_was_not_served_goes_to_node_with_its_body() {
    let place = start(Arc::new(Own), true).await;
    let answer = exchange(&place, &post("/served")).await;
    assert!(answer.contains("own /served") && place.seen.lock().is_empty(), "{answer}");
    let answer = exchange(&place, &post("/unserved?x=%20")).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("X-Node: 1"), "{answer}");
    assert!(body.contains("abc") && body.contains("de") && body.ends_with("0\r\n\r\n"), "{body}");
    let seen = String::from_utf8(place.seen.lock().clone()).unwrap();
    let expected = "POST /unserved?x=%20 HTTP/1.1\r\nhOst: h\r\nX-Odd: 1\r\n\
                    Content-Type: application/json\r\nConnection: close\r\n\
                    X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n\
                    Content-Length: 9\r\n\r\n{ \"a\":1 }";
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn without_node_the_own_refusal_stands() {
    let place = start(Arc::new(Own), false).await;
    let answer = exchange(&place, &post("/unserved")).await;
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    assert!(answer.contains("own /unserved"), "{answer}");
}

/// Goes to the own front if the body says so.
struct BySay;

struct Say(Vec<u8>);

impl Routing for BySay {
    fn decide(&self, head: &RequestHead, _: IpAddr) -> Answer {
        match head.method() {
            "POST" => Answer::AfterBody(Box::new(Say(Vec::new()))),
            _ => Answer::Now(Route::Legacy { trace: None }),
        }
    }

    fn phase(&self) -> String {
        "canary".to_owned()
    }
}

impl BodyStart for Say {
    fn look(&mut self, piece: &[u8]) -> bool {
        self.0.extend_from_slice(piece);
        self.0.len() >= 3
    }

    fn decide(self: Box<Self>) -> Answer {
        let own = self.0.starts_with(b"own");
        Answer::Now(if own { Route::Own } else { Route::Legacy { trace: None } })
    }
}

/// Writes a request in pieces, as far apart as a slow client's; the whole answer.
async fn in_pieces(place: &Place, pieces: &[&str], pause: Duration) -> String {
    let mut stream = TcpStream::connect(place.address).await.unwrap();
    for piece in pieces {
        stream.write_all(piece.as_bytes()).await.unwrap();
        tokio::time::sleep(pause).await;
    }
    let mut answer = Vec::new();
    let reading = async {
        while !(answer.ends_with(b"T: 1\r\n\r\n") || answer.windows(5).any(|w| w == b"own /")) {
            let n = stream.read_buf(&mut answer).await.unwrap();
            assert!(n > 0, "{answer:?}");
        }
    };
    tokio::time::timeout(Duration::from_secs(8), reading).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn what_a_body_begins_with_may_decide() {
    let place = start(Arc::new(BySay), true).await;
    let few = Duration::from_millis(20);
    let head = "POST /t HTTP/1.1\r\nhOst: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let own = [head, "2\r\now\r", "\n1\r\nn\r\n0\r\n\r\n"];
    assert!(in_pieces(&place, &own, few).await.contains("own /t"));
    assert!(place.seen.lock().is_empty());
    let nodes = [head, "1\r\no\r\n", "3;x\r\ntto\r\n", "0\r\n\r\n"];
    assert!(in_pieces(&place, &nodes, few).await.contains("x-Node: 1"));
    let seen = String::from_utf8(std::mem::take(&mut *place.seen.lock())).unwrap();
    let (_, body) = seen.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "1\r\no\r\n3;x\r\ntto\r\n0\r\n\r\n", "as the client sent it");
    // A body that ends before it says anything, on a connection that goes on.
    let short = "POST /s HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n";
    let (first, second) = ([short, "o", "}"].concat(), "GET /n HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut stream = TcpStream::connect(place.address).await.unwrap();
    for request in [&*first, second] {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; ANSWER.len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 Sure"));
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_keeps_nobody_waiting() {
    let place = start(Arc::new(BySay), true).await;
    let head = "POST /t HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
    let began = tokio::time::Instant::now();
    let mut stream = TcpStream::connect(place.address).await.unwrap();
    stream.write_all(format!("{head}o").as_bytes()).await.unwrap();
    while !place.seen.lock().ends_with(b"\r\n\r\no") {
        assert!(began.elapsed() < Duration::from_secs(8), "Node has not got it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
