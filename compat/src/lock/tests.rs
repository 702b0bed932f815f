use super::*;
use crate::{
    session_binding,
    store::{RedisStore, Store},
    testing::TestRedis,
    user_message::{self, Turn},
};

async fn one(store: &RedisStore, cmd: Cmd) -> Reply {
    store.run(cmd.into()).await.unwrap().remove(0)
}

#[tokio::test]
async fn only_the_owner_releases() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    let (ours, theirs) =
        (Lock::token_refresh("claude", "a", "1"), Lock::token_refresh("claude", "a", "2"));
    assert!(taken(one(&store, ours.acquire()).await).unwrap());
    assert!(!taken(one(&store, theirs.acquire()).await).unwrap());
    assert_eq!(one(&store, theirs.release()).await, Reply::Int(0));
    let ttl = store.words(&["TTL", "token_refresh_lock:claude:a"]).await.unwrap().int().unwrap();
    assert!((59..=60).contains(&ttl));
    assert_eq!(one(&store, ours.release()).await, Reply::Int(1));
    assert!(taken(one(&store, theirs.acquire()).await).unwrap());
}

#[tokio::test]
async fn user_messages_take_turns_with_a_pause() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    let turn = async |who: &str, pause| {
        user_message::turn(one(&store, user_message::acquire("a", who, 120_000, pause)).await)
            .unwrap()
    };
    assert_eq!(turn("1", 200).await, Turn::Taken);
    assert_eq!(turn("2", 200).await, Turn::Held);
    assert_eq!(one(&store, user_message::release("a", "2")).await, Reply::Int(0));
    assert_eq!(one(&store, user_message::release("a", "1")).await, Reply::Int(1));
    assert!(matches!(turn("2", 60_000).await, Turn::Pause(1..=60_000)));
    assert_eq!(turn("2", 0).await, Turn::Taken);
    assert_eq!(store.words(&["TTL", "user_msg_queue_last:a"]).await.unwrap(), Reply::Int(60));
    let last =
        store.words(&["GET", "user_msg_queue_last:a"]).await.unwrap().text().unwrap().unwrap();
    assert!(last.parse::<i64>().unwrap() > 1_700_000_000_000, "{last}");
}

#[tokio::test]
async fn bindings_keep_their_creation_and_unknown_fields() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    let made = session_binding::Binding::new("acc", "claude-official", "2026-01-01T00:00:00.000Z");
    one(&store, session_binding::set("s", &made, session_binding::ttl_s(0.5))).await;
    let stored =
        store.words(&["GET", "original_session_binding:s"]).await.unwrap().text().unwrap().unwrap();
    assert_eq!(
        stored,
        r#"{"accountId":"acc","accountType":"claude-official","createdAt":"2026-01-01T00:00:00.000Z","lastUsedAt":"2026-01-01T00:00:00.000Z"}"#
    );
    let read =
        session_binding::binding(one(&store, session_binding::get("s")).await).unwrap().unwrap();
    one(&store, session_binding::touch("s", &read, "2026-01-02T00:00:00.000Z", 86_400)).await;
    let read =
        session_binding::binding(one(&store, session_binding::get("s")).await).unwrap().unwrap();
    assert_eq!((read.account_id(), read.account_type()), ("acc", "claude-official"));
    assert_eq!(
        store.words(&["TTL", "original_session_binding:s"]).await.unwrap(),
        Reply::Int(86_400)
    );
}
