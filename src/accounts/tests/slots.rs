//! Slots of console accounts.

use std::sync::Arc;

use compat::{
    pool::{Entry, Kind},
    testing::TestRedis,
};

use super::bench::{NOW_MS, Room, rules};
use crate::accounts::SlotError;

const KEY: &str = "concurrency:console_account:a";

async fn console(room: &Room, slots: &str) -> Arc<Entry> {
    room.redis(&["HSET", "claude_console_account:a", "id", "a", "maxConcurrentTasks", slots]).await;
    room.redis(&["SADD", "claude_console_account:index", "a"]).await;
    room.account(Kind::Console).await.0
}

#[tokio::test]
async fn slots_are_counted_and_given_back() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    let entry = console(&room, "2").await;
    let first = room.accounts.acquire_slot(&entry).await.unwrap().unwrap();
    let second = room.accounts.acquire_slot(&entry).await.unwrap().unwrap();
    assert!(matches!(room.accounts.acquire_slot(&entry).await, Err(SlotError::Full)));
    room.writes.flush().await;
    assert_eq!(
        room.redis(&["ZCARD", KEY]).await.int().unwrap(),
        2,
        "the third left nothing behind"
    );
    drop(first);
    room.writes.flush().await;
    let third = room.accounts.acquire_slot(&entry).await.unwrap().unwrap();
    drop((second, third));
    room.accounts.drain().await;
    assert_eq!(room.redis(&["EXISTS", KEY]).await.int().unwrap(), 0);
}

#[tokio::test]
async fn leases_of_others_count_until_they_end() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    let entry = console(&room, "1").await;
    let later = (NOW_MS + 1000).to_string();
    room.redis(&["ZADD", KEY, &later, "theirs"]).await;
    assert!(matches!(room.accounts.acquire_slot(&entry).await, Err(SlotError::Full)));
    room.clock.advance_ms(1000);
    let slot = room.accounts.acquire_slot(&entry).await.unwrap();
    assert!(slot.is_some());
    let end = room.redis(&["ZRANGE", KEY, "0", "-1", "WITHSCORES"]).await.texts().unwrap();
    assert_eq!(end[1], (NOW_MS + 1000 + 600_000).to_string(), "leases last ten minutes");
}

#[tokio::test]
async fn unlimited_accounts_need_no_slot() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    let entry = console(&room, "0").await;
    assert!(room.accounts.acquire_slot(&entry).await.unwrap().is_none());
}
