//! Accounts of the OpenAI family: tokens among many requests and beside the legacy service, and sums that
//! several writers add to.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use compat::{
    clock::iso,
    crypto::Service,
    pool::{Entry, Family, Kind, Need},
    testing::TestRedis,
};
use serde_json::json;

use super::bench::{NOW_MS, Room, rules};

const HOUR_MS: i64 = 3_600_000;

impl Room {
    /// Stores a ChatGPT account `a` whose token has run out, with these fields over the usual ones.
    async fn chatgpt(&self, fields: &[(&str, &str)]) -> Arc<Entry> {
        let seal = |text: &str| self.vault.encrypt(Service::OpenAi, text);
        let (access, refresh) = (seal("old-access"), seal("old-refresh"));
        let (id_token, past) = (seal("old-id"), iso(NOW_MS - 1));
        let mut words = vec!["HSET", "openai:account:a", "id", "a", "name", "Ann", "isActive"];
        words.extend(["true", "status", "active", "accessToken", &access]);
        words.extend(["refreshToken", &refresh, "idToken", &id_token, "expiresAt", &past]);
        words.extend(fields.iter().flat_map(|(field, text)| [*field, *text]));
        self.redis(&words).await;
        self.redis(&["SADD", "openai:account:index", "a"]).await;
        self.entry(Kind::OpenAi).await
    }

    async fn entry(&self, kind: Kind) -> Arc<Entry> {
        let needs = [Need::List(kind)];
        let snapshot = self.pools.of(Family::OpenAi).snapshot(&needs).await.unwrap();
        snapshot.get(kind, "a").unwrap()
    }

    async fn stored(&self, field: &str) -> String {
        let reply = self.redis(&["HGET", "openai:account:a", field]).await;
        reply.text().unwrap().unwrap_or_default()
    }

    async fn unsealed(&self, field: &str) -> String {
        self.vault.decrypt(Service::OpenAi, &self.stored(field).await).text
    }
}

#[tokio::test]
async fn a_hundred_requests_cause_one_refresh() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    let entry = room.chatgpt(&[("accountId", "acc"), ("lastRefresh", "x")]).await;
    let answer = json!({ "access_token": "new", "refresh_token": "next", "expires_in": 7200 });
    room.vendor.answers.lock().push_back(Ok((200, answer.to_string())));
    room.vendor.pause_ms.store(100, Ordering::SeqCst);
    let all = (0..100).map(|_| room.accounts.openai_ready(&entry));
    for ready in futures_util::future::join_all(all).await {
        let ready = ready.unwrap();
        assert_eq!(ready.access_token.expose(), "new");
        assert_eq!(ready.account_header, "acc");
    }
    assert_eq!(room.vendor.count.load(Ordering::SeqCst), 1);
    let asked = std::mem::take(&mut *room.vendor.asked.lock());
    let form = String::from_utf8(asked[0].body.to_vec()).unwrap();
    assert_eq!(
        form,
        "grant_type=refresh_token&client_id=app_EMoamEEZ73f0CkXaXp7hrann\
         &refresh_token=old-refresh&scope=openid+profile+email"
    );
    assert_eq!(room.unsealed("accessToken").await, "new");
    assert_eq!(room.unsealed("refreshToken").await, "next");
    assert_eq!(room.unsealed("idToken").await, "old-id");
    assert_eq!(room.stored("expiresAt").await, iso(NOW_MS + 2 * HOUR_MS));
    assert_eq!(room.stored("lastRefresh").await, "x", "as the legacy service leaves it");
    let lock = room.redis(&["EXISTS", "token_refresh_lock:openai:a"]).await;
    assert_eq!(lock.int().unwrap(), 0, "the lock is given back");
}

#[tokio::test]
async fn what_another_process_leaves_is_used_while_it_is_good() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    let entry = room.chatgpt(&[]).await;
    room.redis(&["SET", "token_refresh_lock:openai:a", "other", "EX", "60"]).await;
    let theirs = room.vault.encrypt(Service::OpenAi, "theirs");
    let future = iso(NOW_MS + HOUR_MS);
    let (ready, ()) = tokio::join!(room.accounts.openai_ready(&entry), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let words = ["HSET", "openai:account:a", "accessToken", &theirs, "expiresAt", &future];
        room.redis(&words).await;
    });
    assert_eq!(ready.unwrap().access_token.expose(), "theirs");
    assert_eq!(room.vendor.count.load(Ordering::SeqCst), 0);

    let room = Room::over(&redis, rules());
    let entry = room.chatgpt(&[]).await;
    let error = room.accounts.openai_ready(&entry).await.unwrap_err();
    let expected = "Token expired and refresh failed: Token refresh in progress by another process";
    assert_eq!(error.to_string(), expected);
    let heard: Vec<_> = room.heard.0.lock().iter().map(|anomaly| anomaly.code).collect();
    assert_eq!(heard, ["OPENAI_TOKEN_REFRESH_FAILED"]);
}

#[tokio::test]
async fn an_answer_without_a_token_changes_nothing() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    let entry = room.chatgpt(&[]).await;
    let before = room.redis(&["HGETALL", "openai:account:a"]).await;
    room.vendor.answers.lock().push_back(Ok((200, r#"{"expires_in":7200}"#.to_owned())));
    assert!(room.accounts.openai_ready(&entry).await.is_err());
    let after = room.redis(&["HGETALL", "openai:account:a"]).await;
    assert_eq!(before.map().unwrap(), after.map().unwrap());
}

#[tokio::test]
async fn sums_of_a_provider_lose_nothing() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    let key = room.vault.encrypt(Service::OpenAiResponses, "secret");
    let words = ["HSET", "openai_responses_account:a", "id", "a", "apiKey", &key];
    room.redis(&[&words[..], &["dailyQuota", "100", "isActive", "true"][..]].concat()).await;
    room.redis(&["SADD", "openai_responses_account:index", "a"]).await;
    let entry = room.entry(Kind::OpenAiResponses).await;
    assert_eq!(room.accounts.responses_ready(&entry).unwrap().api_key.expose(), "secret");
    (0..6).for_each(|_| room.accounts.responses_used(&entry, 5.0, 0.25));
    room.accounts.drain().await;
    let fields = room.redis(&["HGETALL", "openai_responses_account:a"]).await.map().unwrap();
    assert_eq!(fields["totalUsedTokens"], "30");
    assert_eq!(fields["dailyUsage"], "1.5");
    room.redis(&["DEL", "openai_responses_account:a"]).await;
    room.accounts.responses_used(&entry, 5.0, 0.25);
    room.accounts.drain().await;
    let left = room.redis(&["EXISTS", "openai_responses_account:a"]).await;
    assert_eq!(left.int().unwrap(), 0, "a record that is gone is not brought back");
}
