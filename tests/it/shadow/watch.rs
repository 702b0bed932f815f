//! In phase `shadow`, `crs` touches nothing: every command that it sends to Redis is watched, and what
//! leads to vendors from it leads to a door where somebody counts.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use serde_json::json;
use shadow::Source;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::Stage;
use crate::{
    harness::{
        redis::{Redis, Reply, command},
        world::HOSTS,
    },
    place::Place,
};

/// Keys that are `crs`'s own.
const OWN: &str = "crs:rs:";
/// Commands that run others, which Redis does not call writing.
const SCRIPTS: [&str; 6] = ["EVAL", "EVALSHA", "FCALL", "EVAL_RO", "EVALSHA_RO", "FCALL_RO"];

type Commands = Arc<Mutex<Vec<Vec<Vec<u8>>>>>;

/// Carries bytes to Redis and back, and keeps every command.
async fn watched(server: std::net::SocketAddr) -> (u16, Commands) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let commands = Commands::default();
    let kept = Arc::clone(&commands);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let redis = TcpStream::connect(server).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_redis, mut to_redis) = redis.into_split();
                let replies = tokio::io::copy(&mut from_redis, &mut to_client);
                let requests = async {
                    let (mut unread, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
                    while let Ok(n @ 1..) = from_client.read(&mut piece).await {
                        unread.extend_from_slice(&piece[..n]);
                        while let Some((words, length)) = parse(&unread) {
                            unread.drain(..length);
                            kept.lock().push(words);
                        }
                        to_redis.write_all(&piece[..n]).await.unwrap();
                    }
                };
                tokio::select! { _ = replies => {} () = requests => {} }
            });
        }
    });
    (port, commands)
}

/// The first command in the bytes and its length, once all of it is there.
fn parse(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, usize)> {
    let mut at = 0;
    let number = |sign: u8, at: &mut usize| -> Option<usize> {
        let end = bytes[*at..].windows(2).position(|two| two == b"\r\n")? + *at;
        assert_eq!(bytes[*at], sign, "clients send arrays of bulk strings");
        let number = std::str::from_utf8(&bytes[*at + 1..end]).unwrap().parse().unwrap();
        *at = end + 2;
        Some(number)
    };
    let count = number(b'*', &mut at)?;
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let length = number(b'$', &mut at)?;
        words.push(bytes.get(at..at + length)?.to_vec());
        at += length + 2;
    }
    (at <= bytes.len()).then_some((words, at))
}

/// A listener that nobody should connect to, and how many did.
async fn forbidden() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&visits);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    (port, visits)
}

/// What Redis says of a command: whether it may write, and its keys.
async fn judged(redis: &mut Redis, words: &[Vec<u8>]) -> (bool, Vec<String>) {
    let name = String::from_utf8_lossy(&words[0]).to_uppercase();
    let info = redis.call(command(["COMMAND", "INFO", &name])).await.unwrap().list();
    let flags = info.into_iter().next().unwrap().list().into_iter().nth(2).unwrap().list();
    let writes = flags.into_iter().any(|flag| flag.text() == "write");
    let mut ask = command(["COMMAND", "GETKEYS"]);
    ask.extend_from_slice(words);
    let keys = match redis.pipeline(vec![ask]).await.unwrap().remove(0) {
        Reply::List(keys) => keys.into_iter().map(Reply::text).collect(),
        _ => Vec::new(),
    };
    (writes || SCRIPTS.contains(&name.as_str()), keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn shadow_only_reads_and_calls_nobody() {
    let seed = json!({
        "keys": {
            "main": { "concurrencyLimit": "1000" },
            // Its account's token ran out: Node gets a new one, and crs must not.
            "late": { "claudeAccountId": "${acc:late}" }
        },
        "accounts": {
            "a": {}, "b": {},
            "late": { "accountType": "dedicated", "expiresAt": "${ms:-3600}" }
        }
    });
    let place = Place::seeded(seed).await;
    let (redis_port, commands) = watched(place.redis_addr()).await;
    let (vendor_port, visits) = forbidden().await;
    let map = HOSTS.map(|host| format!("{host}=http://127.0.0.1:{vendor_port}")).join(",");
    place.script(json!([
        { "host": "platform.claude.com", "json": {
            "access_token": "sk-ant-oat01-new", "refresh_token": "sk-ant-ort01-new",
            "expires_in": 28800, "token_type": "Bearer"
        } },
        { "host": "api.anthropic.com", "repeat": true }
    ]));
    let stage = Stage::on(place, redis_port, &[("UPSTREAM_HOST_MAP", &map)]).await;
    let requests = [
        json!({ "key": "late" }),
        json!({ "key": "late", "stream": true }),
        json!({}),
        json!({ "stream": true }),
        json!({ "key": "unknown" }),
        json!({ "body": { "messages": [] } }),
    ];
    for request in &requests {
        stage.send(request.clone()).await;
    }
    let sent = requests.len() as u64;
    let tally = stage.compared(sent).await;
    // Second runs did all of it, or the watch would prove nothing.
    assert_eq!(tally.sources[&Source::Tap], sent);
    assert!(tally.mismatches().is_empty(), "{}", stage.shown());
    let received = stage.place.outside.standin.received();
    let asked = |host: &str| received.iter().filter(|r| r.head.get("host") == Some(host)).count();
    assert_eq!((asked("platform.claude.com"), asked("api.anthropic.com")), (1, 4));
    assert_eq!(visits.load(Ordering::SeqCst), 0, "crs called a vendor");
    let mut redis = stage.place.redis().await;
    let (mut read, mut wrote) = (0, 0);
    let commands = commands.lock().clone();
    for words in commands {
        let (writes, keys) = judged(&mut redis, &words).await;
        if writes {
            let name = String::from_utf8_lossy(&words[0]);
            let own = keys.iter().all(|key| key.starts_with(OWN));
            assert!(own && !keys.is_empty(), "{name} {keys:?}");
            wrote += 1;
        } else if keys.iter().any(|key| key.starts_with("claude:account:")) {
            read += 1;
        }
    }
    // The watch saw both kinds, or it would prove nothing.
    assert!(read > 0 && wrote > 0, "{read} {wrote}");
}
