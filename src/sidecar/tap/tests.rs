use std::{os::unix::fs::PermissionsExt, path::Path};

use bytes::Bytes;
use compat::store::Reply;
use tokio::io::AsyncWriteExt;

use super::*;

struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("crs-tap-{}", uuid::Uuid::new_v4().simple())))
    }

    fn socket(&self) -> PathBuf {
        self.0.join("tap.sock")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn frame(kind: u8, request: u32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(rest.len() + 5).unwrap().to_be_bytes().to_vec();
    bytes.push(kind);
    bytes.extend(request.to_be_bytes());
    bytes.extend(rest);
    bytes
}

fn numbered(number: u32, rest: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], rest].concat()
}

async fn listening(room: usize) -> (Arc<Tap>, Place, CancellationToken, JoinSet<()>) {
    let place = Place::new();
    let tap = Tap::new(place.socket(), TapSettings::default(), room);
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let (listener, until) = (Arc::clone(&tap), stop.clone());
    tasks.spawn(async move { listener.listen(until).await });
    while !place.socket().exists() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (tap, place, stop, tasks)
}

async fn settings_of(stream: &mut UnixStream) -> serde_json::Value {
    let length = stream.read_u32().await.unwrap() as usize;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.unwrap();
    assert_eq!(payload[0], b'S');
    serde_json::from_slice(&payload[1..]).unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

#[tokio::test]
async fn a_trace_holds_what_node_did_for_the_request() {
    let (tap, place, stop, mut tasks) = listening(1 << 20).await;
    let mode = std::fs::metadata(place.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut stream = UnixStream::connect(place.socket()).await.unwrap();
    let settings = settings_of(&mut stream).await;
    assert_eq!(settings["enabled"], true);
    assert_eq!(settings["maxBuffered"], 32 << 20);

    let expected = tap.expect("t1".to_owned());
    let mut said = Vec::new();
    said.extend(frame(b'B', 9, br#"{"id":"nobody","ms":1}"#));
    said.extend(frame(b'B', 3, br#"{"id":"t1","ms":1000.5,"method":"POST","url":"/x"}"#));
    let command = [&1001.0_f64.to_be_bytes()[..], b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"].concat();
    said.extend(frame(b'R', 3, &numbered(1, &command)));
    said.extend(frame(b'R', 9, &numbered(1, &command)));
    said.extend(frame(b'r', 3, &numbered(1, b"$1\r\nv\r\n")));
    said.extend(frame(
        b'U',
        3,
        &numbered(
            1,
            br#"{"method":"POST","url":"https://v.test/m","headers":[["Host","v.test"]]}"#,
        ),
    ));
    said.extend(frame(b'u', 3, &numbered(1, b"{\"a\"")));
    said.extend(frame(b'u', 3, &numbered(1, b":1}")));
    said.extend(frame(b'V', 3, &numbered(1, b"")));
    said.extend(frame(b'A', 3, &numbered(1, br#"{"status":200,"headers":[]}"#)));
    said.extend(frame(b'a', 3, &numbered(1, b"data")));
    said.extend(frame(b'E', 3, &numbered(1, br#"{"ok":true}"#)));
    said.extend(frame(b'C', 3, br#"{"status":200,"complete":true,"ms":1010}"#));
    said.extend(frame(b'Q', 3, br#"{"ms":1011}"#));
    for part in said.chunks(7) {
        stream.write_all(part).await.unwrap();
    }
    let trace = expected.trace(soon()).await;
    assert_eq!(trace.incomplete, None);
    assert_eq!(trace.began_ms, 1000.5);
    assert_eq!(trace.commands.len(), 1);
    assert_eq!(trace.commands[0].words, [Bytes::from("GET"), Bytes::from("k")]);
    assert_eq!(trace.commands[0].reply, Some(Reply::Data(Bytes::from("v"))));
    let exchange = &trace.exchanges[0];
    assert_eq!(exchange.request.url, "https://v.test/m");
    assert_eq!(exchange.request_bytes(), "{\"a\":1}");
    assert_eq!(exchange.response_bytes(), "data");
    assert!(exchange.end.as_ref().unwrap().ok && exchange.ended_ms >= exchange.answered_ms);
    assert!(trace.closed.unwrap().complete);
    assert_eq!(tap.kept.load(Ordering::Relaxed), 0);

    tap.set(TapSettings { enabled: false, ..TapSettings::default() });
    assert_eq!(settings_of(&mut stream).await["enabled"], false);
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
    assert!(!place.socket().exists());
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let (tap, place, stop, mut tasks) = listening(300).await;
    let mut stream = UnixStream::connect(place.socket()).await.unwrap();
    settings_of(&mut stream).await;
    // More than there is room for.
    let expected = tap.expect("big".to_owned());
    let mut said = frame(b'B', 1, br#"{"id":"big"}"#);
    said.extend(frame(b'r', 1, &numbered(1, &[b'x'; 400])));
    said.extend(frame(b'C', 1, br#"{"status":200,"complete":true}"#));
    said.extend(frame(b'Q', 1, b"{}"));
    stream.write_all(&said).await.unwrap();
    assert_eq!(expected.trace(soon()).await.incomplete.as_deref(), Some("too large"));
    // Dropped by the tap itself.
    let expected = tap.expect("spoilt".to_owned());
    let mut said = frame(b'B', 2, br#"{"id":"spoilt"}"#);
    said.extend(frame(b'X', 2, br#"{"why":"overflow"}"#));
    said.extend(frame(b'C', 2, br#"{"status":200,"complete":true}"#));
    stream.write_all(&said).await.unwrap();
    assert_eq!(expected.trace(soon()).await.incomplete.as_deref(), Some("overflow"));
    // The service dies, or another talks nonsense.
    let expected = tap.expect("lost".to_owned());
    stream.write_all(&frame(b'B', 3, br#"{"id":"lost"}"#)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    stream.write_all(b"\0\0\0\0").await.unwrap();
    let deadline = Instant::now() + Duration::from_millis(300);
    assert_eq!(expected.trace(deadline).await.incomplete.as_deref(), Some("the tap has left"));
    // Nobody ever tells anything.
    let expected = tap.expect("silent".to_owned());
    let deadline = Instant::now() + Duration::from_millis(50);
    let trace = expected.trace(deadline).await;
    assert_eq!(trace.incomplete.as_deref(), Some("the trace has no end"));
    assert_eq!((tap.kept.load(Ordering::Relaxed), tap.expected.lock().len()), (0, 0));
    stop.cancel();
    while tasks.join_next().await.is_some() {}
}

async fn connects(socket: &Path) -> bool {
    for _ in 0..500 {
        if UnixStream::connect(socket).await.is_ok() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

#[tokio::test]
async fn a_name_that_was_taken_away_is_made_anew() {
    let (_tap, place, stop, mut tasks) = listening(300).await;
    std::fs::remove_file(place.socket()).unwrap();
    assert!(connects(&place.socket()).await);
    // Another's in its place is not removed with ours.
    std::fs::remove_file(place.socket()).unwrap();
    std::fs::write(place.socket(), "another's").unwrap();
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    assert_eq!(std::fs::read(place.socket()).unwrap(), b"another's");
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let place = Place::new();
    std::fs::create_dir_all(&place.0).unwrap();
    std::fs::write(place.socket(), "PORT=3000").unwrap();
    let tap = Tap::new(place.socket(), TapSettings::default(), 300);
    let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
    let until = stop.clone();
    tasks.spawn(async move { tap.listen(until).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(std::fs::read(place.socket()).unwrap(), b"PORT=3000");
    std::fs::remove_file(place.socket()).unwrap();
    assert!(connects(&place.socket()).await, "once it is out of the way");
    // One that a process left behind is replaced.
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    drop(std::os::unix::net::UnixListener::bind(place.socket()).unwrap());
    let tap = Tap::new(place.socket(), TapSettings::default(), 300);
    let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
    let until = stop.clone();
    tasks.spawn(async move { tap.listen(until).await });
    assert!(connects(&place.socket()).await);
    stop.cancel();
    while tasks.join_next().await.is_some() {}
}
