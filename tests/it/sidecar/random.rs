//! A thousand random exchanges over kept connections, compared byte for byte both ways.

use std::{sync::Arc, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tokio::time::sleep;

use super::{
    ADDED, Sidecar, Wire,
    node::{Node, Plan, Step},
    text,
};

const CLIENTS: u64 = 20;
const EACH: u64 = 50;
const METHODS: [(&str, bool); 5] =
    [("GET", false), ("HEAD", false), ("POST", true), ("PUT", true), ("DELETE", false)];

/// One exchange, made up.
struct Made {
    request_lines: String,
    request_body: Vec<u8>,
    answer: Vec<u8>,
    target: String,
    method: &'static str,
}

fn spelled(rng: &mut StdRng, name: &str) -> String {
    let mut upper = || rng.random_bool(0.5);
    name.chars().map(|c| if upper() { c.to_ascii_uppercase() } else { c }).collect()
}

/// Headers of any kind, some of them twice.
fn lines(rng: &mut StdRng) -> String {
    let names = ["x-request-id", "etag", "set-cookie", "x-a", "www-authenticate", "date", "server"];
    let values = ["", "1", "a, b; c=\"d\"", "\u{e9}\u{fc}", "  spaced\tout ", "W/\"x\""];
    (0..rng.random_range(0..12))
        .map(|_| {
            let name = *names.choose(rng).unwrap();
            let name = spelled(rng, name);
            let gap = ["", " ", "\t ", "   "].choose(rng).unwrap();
            format!("{name}:{gap}{}\r\n", values.choose(rng).unwrap())
        })
        .collect()
}

fn payload(rng: &mut StdRng) -> Vec<u8> {
    let size = match rng.random_range(0..10) {
        0 => 0,
        1..=6 => rng.random_range(1..300),
        7..=8 => rng.random_range(300..20_000),
        _ => rng.random_range(20_000..150_000),
    };
    let mut bytes = vec![0; size];
    rng.fill(&mut bytes[..]);
    bytes
}

/// A body in its framing, with the line that announces it.
fn framed(rng: &mut StdRng, payload: &[u8]) -> (String, Vec<u8>) {
    if rng.random_bool(0.5) {
        let name = spelled(rng, "content-length");
        return (format!("{name}: {}\r\n", payload.len()), payload.to_vec());
    }
    let mut body = Vec::new();
    let mut rest = payload;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rng.random_range(1..=rest.len().min(20_000)));
        let extension = ["", ";x", ";a=\"b\""].choose(rng).unwrap();
        let size = if rng.random_bool(0.5) {
            format!("{:x}", chunk.len())
        } else {
            format!("{:04X}", chunk.len())
        };
        body.extend_from_slice(format!("{size}{extension}\r\n").as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
        rest = after;
    }
    body.extend_from_slice(b"0\r\n");
    for n in 0..rng.random_range(0..3) {
        body.extend_from_slice(format!("{}: {n}\r\n", spelled(rng, "x-trailer")).as_bytes());
    }
    body.extend_from_slice(b"\r\n");
    (format!("{}: chunked\r\n", spelled(rng, "transfer-encoding")), body)
}

fn made(rng: &mut StdRng, path: Option<&str>) -> Made {
    let (method, has_body) = match path {
        Some(_) => ("POST", true),
        None => *METHODS.choose(rng).unwrap(),
    };
    let mut request_lines = format!("hOst: h\r\n{}", lines(rng));
    let mut request_body = Vec::new();
    if has_body {
        let content = payload(rng);
        let (line, body) = framed(rng, &content);
        request_lines.push_str(&line);
        request_body = body;
    }
    let status = *[200, 201, 204, 304, 400, 429, 500, 529].choose(rng).unwrap();
    let reason = ["OK", "", "Some Other Reason", "\u{dc}ber"].choose(rng).unwrap();
    let mut answer = format!("HTTP/1.1 {status} {reason}\r\n{}", lines(rng)).into_bytes();
    if method == "HEAD" || matches!(status, 204 | 304) {
        answer.extend_from_slice(b"\r\n");
    } else {
        let content = payload(rng);
        let (line, body) = framed(rng, &content);
        answer.extend_from_slice(line.as_bytes());
        answer.extend_from_slice(b"\r\n");
        answer.extend_from_slice(&body);
    }
    let path = match path {
        Some(path) => path.to_owned(),
        None => format!("/{}", "x/".repeat(rng.random_range(0..9))),
    };
    let target = format!("{path}?{}", rng.random::<u32>());
    Made { request_lines, request_body, answer, target, method }
}

/// The same bytes in pieces, some after a pause.
fn pieces(rng: &mut StdRng, bytes: &[u8]) -> Vec<(Duration, Vec<u8>)> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let most = rest.len().min(if rng.random_bool(0.8) { 60_000 } else { 40 });
        let (piece, after) = rest.split_at(rng.random_range(1..=most));
        let pause = if rng.random_bool(0.2) { rng.random_range(0..3) } else { 0 };
        pieces.push((Duration::from_millis(pause), piece.to_vec()));
        // Many small pieces are one large one, or the test takes too long.
        rest = after;
        if pieces.len() > 20 {
            pieces.push((Duration::ZERO, rest.to_vec()));
            break;
        }
    }
    pieces
}

/// One exchange by way of `crs`; with a path, it is a POST to that path.
pub async fn exchange(
    node: &Node,
    wire: &mut Wire,
    rng: &mut StdRng,
    name: &str,
    path: Option<&str>,
) {
    let made = made(rng, path);
    let steps = pieces(rng, &made.answer)
        .into_iter()
        .flat_map(|(pause, piece)| [Step::Wait(pause), Step::Send(piece)])
        .filter(|step| !matches!(step, Step::Wait(Duration::ZERO)))
        .collect();
    node.plan(name, Plan::steps(steps));
    let lines = format!("{}X-Plan: {name}\r\n", made.request_lines);
    let mut request =
        format!("{} {} HTTP/1.1\r\n{lines}\r\n", made.method, made.target).into_bytes();
    request.extend_from_slice(&made.request_body);
    for (pause, piece) in pieces(rng, &request) {
        if !pause.is_zero() {
            sleep(pause).await;
        }
        wire.send(piece).await;
    }
    wire.expect(&made.answer).await;
    let seen = node.find(name).unwrap();
    let head = format!("{} {} HTTP/1.1\r\n{lines}{ADDED}\r\n", made.method, made.target);
    assert_eq!(without_trace(&text(&seen.head)), head, "{name}");
    assert!(seen.body == made.request_body, "{name}: the request's body");
}

/// Without the line that is for Node's tap.
fn without_trace(head: &str) -> String {
    head.split_inclusive("\r\n").filter(|line| !line.starts_with("x-crs-trace: ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_random_exchanges() {
    let seed: u64 =
        std::env::var("CRS_TEST_SEED").map_or_else(|_| rand::random(), |s| s.parse().unwrap());
    eprintln!("CRS_TEST_SEED={seed}");
    let side = Arc::new(Sidecar::start(&[]).await);
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let side = Arc::clone(&side);
        clients.spawn(async move {
            let mut rng = StdRng::seed_from_u64(seed ^ (client << 32));
            let mut wire = side.connect().await;
            for n in 0..EACH {
                exchange(&side.node, &mut wire, &mut rng, &format!("{client}-{n}"), None).await;
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    assert!(side.node.connections() <= CLIENTS as usize + 2, "{}", side.node.connections());
}
