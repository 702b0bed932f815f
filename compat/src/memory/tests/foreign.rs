//! Commands of the legacy service.

use super::{super::Foreign, *};

fn foreign(text: &str, reply: Reply) -> Foreign {
    Foreign { args: words(text), reply: Some(reply) }
}

#[tokio::test]
async fn transactions_take_effect_at_exec() {
    let memory = empty();
    let mut replies = Vec::new();
    for text in
        ["multi", "incr n", "hset h f 1", "exec", "get n", "MULTI", "INCR n", "DISCARD", "EXEC"]
    {
        replies.push(memory.command(&words(text)).await.unwrap());
    }
    let array = Reply::Array(vec![Reply::Int(1), Reply::Int(1)]);
    assert_eq!(replies[..5], [data("OK"), data("QUEUED"), data("QUEUED"), array, data("1")]);
    assert_eq!(replies[8], Reply::Error("ERR EXEC without MULTI".into()));
    for text in ["MULTI", "INCR", "INCR n"] {
        memory.command(&words(text)).await.unwrap();
    }
    let aborted = memory.command(&words("EXEC")).await.unwrap();
    assert!(matches!(aborted, Reply::Error(message) if message.starts_with("EXECABORT")));
    assert_eq!(memory.command(&words("GET n")).await.unwrap(), data("1"));
}

#[tokio::test]
async fn scripts_by_text_and_hash() {
    let memory = empty();
    let source = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
    let eval: Vec<Vec<u8>> =
        ["eval", source, "1", "n", "3"].map(|word| word.as_bytes().to_vec()).into();
    assert_eq!(memory.command(&eval).await.unwrap(), Reply::Int(3));
    let hash = "b18c0e1c4eb4d1d3e8f1a7b3f8f9f2b1b8e5e0a1";
    let load: Vec<Vec<u8>> = ["SCRIPT", "LOAD", source].map(|word| word.as_bytes().to_vec()).into();
    let Reply::Data(known) = memory.command(&load).await.unwrap() else { panic!("no hash") };
    let known = String::from_utf8(known.to_vec()).unwrap();
    assert_eq!(
        memory.command(&words(&format!("EVALSHA {known} 1 n 4"))).await.unwrap(),
        Reply::Int(7)
    );
    assert!(memory.unsupported().is_empty());
    let unknown = memory.command(&words(&format!("EVALSHA {hash} 0"))).await.unwrap();
    assert!(matches!(unknown, Reply::Error(message) if message.starts_with("NOSCRIPT")));
    assert_eq!(memory.unsupported().len(), 1, "a real server may have known it");
}

#[tokio::test]
async fn what_is_not_known_is_noted() {
    let memory = empty();
    let reply = memory.command(&words("PFADD k a")).await.unwrap();
    assert_eq!(
        reply,
        Reply::Error("ERR unknown command 'PFADD', with args beginning with: 'k' 'a' ".into())
    );
    let script: Vec<Vec<u8>> = ["EVAL", "return redis.pcall('GEOADD', 'k')", "0"]
        .map(|word| word.as_bytes().to_vec())
        .into();
    memory.command(&script).await.unwrap();
    let names: Vec<String> = memory.unsupported().into_keys().collect();
    assert_eq!(names, ["GEOADD", "PFADD"]);
}

#[tokio::test]
async fn other_replies_than_were_seen_are_divergences() {
    let memory = empty();
    let commands = [
        foreign("GET a", Reply::Nil),
        foreign("INCR a", Reply::Int(8)),
        foreign("SADD s x y", Reply::Int(2)),
        foreign("SMEMBERS s", list(&["y", "x"])),
        foreign("EXPIRE s 100", Reply::Int(1)),
        foreign("TTL s", Reply::Int(99)),
        Foreign { args: words("HSET h f v"), reply: None },
        foreign("XADD e * data d", data("1-1")),
        foreign(
            "LPUSH s x",
            Reply::Error(
                "WRONGTYPE Operation against a key holding the wrong kind of value".into(),
            ),
        ),
    ];
    let replies = memory.replay(&commands).await.unwrap();
    assert_eq!(replies.len(), commands.len());
    let divergences = memory.divergences();
    assert_eq!(divergences.len(), 1, "{divergences:?}");
    assert_eq!((divergences[0].at, &*divergences[0].command), (1, "INCR a"));
    assert_eq!((&divergences[0].expected, &divergences[0].got), (&Reply::Int(8), &Reply::Int(1)));
}
