//! Token refresh among many requests and beside another service on the same Redis.

use std::{sync::atomic::Ordering, time::Duration};

use compat::{crypto::Service, pool::Kind, testing::TestRedis};
use serde_json::{Value, json};

use super::bench::{NOW_MS, Room, rules};
use crate::{accounts::AccountError, domain::HeaderList};

fn tokens(access: &str, refresh: &str) -> (u16, String) {
    let answer = json!({"access_token": access, "refresh_token": refresh, "expires_in": 28_800});
    (200, answer.to_string())
}

async fn token(room: &Room) -> Result<String, AccountError> {
    let (entry, snapshot) = room.account(Kind::Official).await;
    let ready = room.accounts.official_ready(&entry, &snapshot, None).await?;
    Ok(ready.account.access_token.expose().to_owned())
}

#[tokio::test]
async fn a_hundred_requests_cause_one_refresh() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    room.official(&[("expiresAt", "1"), ("status", "error"), ("errorMessage", "x")]).await;
    room.vendor.answers.lock().push_back(Ok(tokens("new-access", "new-refresh")));
    room.vendor.pause_ms.store(100, Ordering::SeqCst);
    let (entry, snapshot) = room.account(Kind::Official).await;
    let all = (0..100).map(|_| room.accounts.official_ready(&entry, &snapshot, None));
    for ready in futures_util::future::join_all(all).await {
        assert_eq!(ready.unwrap().account.access_token.expose(), "new-access");
    }
    assert_eq!(room.vendor.count.load(Ordering::SeqCst), 1);
    assert_eq!(room.opened(&room.field("accessToken").await), "new-access");
    assert_eq!(room.opened(&room.field("refreshToken").await), "new-refresh");
    assert_eq!(room.field("expiresAt").await, (NOW_MS + 28_800_000).to_string());
    assert_eq!(room.field("status").await, "active");
    assert_eq!(room.field("errorMessage").await, "");
    let lock = room.redis(&["EXISTS", "token_refresh_lock:claude:a"]).await;
    assert_eq!(lock.int().unwrap(), 0, "the lock is given back");
    assert_eq!(room.field("lastUsedAt").await, "", "the refreshing request notes no use");
}

#[tokio::test]
async fn the_request_looks_like_the_legacy_services() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    let proxy = r#"{"type":"http","host":"proxy","port":8080,"username":"u","password":"p"}"#;
    room.official(&[("expiresAt", "1"), ("scopes", "user:profile"), ("proxy", proxy)]).await;
    let profile = json!({"account": {"email": "e@x", "has_claude_pro": true}}).to_string();
    room.vendor.answers.lock().extend([Ok(tokens("new", "next")), Ok((200, profile))]);
    token(&room).await.unwrap();
    let asked = std::mem::take(&mut *room.vendor.asked.lock());
    let names =
        |headers: &HeaderList| headers.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(asked[0].url, "https://platform.claude.com/v1/oauth/token");
    assert_eq!(
        names(&asked[0].headers),
        [
            "Accept",
            "Content-Type",
            "User-Agent",
            "Accept-Language",
            "Referer",
            "Origin",
            "Content-Length",
            "Accept-Encoding",
            "Host",
            "Connection"
        ]
    );
    assert_eq!(
        asked[0].body,
        r#"{"grant_type":"refresh_token","refresh_token":"old-refresh","client_id":"9d1c250a-e61b-44d9-88ed-5944d1962f5e"}"#
    );
    assert_eq!(asked[0].proxy.as_ref().map(|proxy| proxy.port), Some(8080));
    assert_eq!(asked[1].url, "https://api.anthropic.com/api/oauth/profile");
    assert_eq!(asked[1].headers.get("authorization"), Some("Bearer new"));
    let plan: Value = serde_json::from_str(&room.field("subscriptionInfo").await).unwrap();
    assert_eq!(plan["accountType"], "claude_pro");
    assert_eq!(room.opened(&room.field("email").await), "e@x");
}

#[tokio::test]
async fn a_lock_held_by_another_process_is_waited_for() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    room.official(&[("expiresAt", "1")]).await;
    room.redis(&["SET", "token_refresh_lock:claude:a", "theirs", "EX", "60"]).await;
    // The other one leaves nothing: after two seconds the stored token is used as it is.
    assert_eq!(token(&room).await.unwrap(), "old-access");
    assert_eq!(room.field("status").await, "active", "that is no failure");
    // The other one finishes meanwhile: its token is used at once.
    let rotated = room.vault.encrypt(Service::Claude, "theirs");
    let end = (NOW_MS + 3_600_000).to_string();
    let other = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        room.redis(&["HSET", "claude:account:a", "accessToken", &rotated, "expiresAt", &end]).await;
    };
    let (_, token) = tokio::join!(other, token(&room));
    assert_eq!(token.unwrap(), "theirs");
    assert_eq!(room.vendor.count.load(Ordering::SeqCst), 0);
    let owner = room.redis(&["GET", "token_refresh_lock:claude:a"]).await.text().unwrap();
    assert_eq!(owner.as_deref(), Some("theirs"), "a foreign lock is left alone");
}

#[tokio::test]
async fn a_token_rotated_by_another_process_is_not_refreshed_again() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    room.official(&[("expiresAt", "1")]).await;
    let (entry, snapshot) = room.account(Kind::Official).await;
    let rotated = room.vault.encrypt(Service::Claude, "theirs");
    let end = (NOW_MS + 3_600_000).to_string();
    room.redis(&["HSET", "claude:account:a", "accessToken", &rotated, "expiresAt", &end]).await;
    let ready = room.accounts.official_ready(&entry, &snapshot, None).await.unwrap();
    assert_eq!(ready.account.access_token.expose(), "theirs");
    assert_eq!(room.vendor.count.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_stale_whole_record_write_does_not_undo_a_rotation() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    room.official(&[("expiresAt", "1"), ("description", "as it was")]).await;
    // What the legacy service does around each request: read all, then write all.
    let before = room.redis(&["HGETALL", "claude:account:a"]).await.texts().unwrap();
    room.vendor.answers.lock().push_back(Ok(tokens("new-access", "new-refresh")));
    assert_eq!(token(&room).await.unwrap(), "new-access");
    let mut stale = vec!["HSET", "claude:account:a"];
    stale.extend(before.iter().map(String::as_str));
    room.redis(&stale).await;
    assert_eq!(room.opened(&room.field("refreshToken").await), "old-refresh");
    room.accounts.drain().await;
    assert_eq!(room.opened(&room.field("refreshToken").await), "new-refresh");
    assert_eq!(room.opened(&room.field("accessToken").await), "new-access");
    assert_eq!(room.field("description").await, "as it was");
}

#[tokio::test]
async fn a_client_that_leaves_does_not_break_the_exchange_off() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    room.official(&[("expiresAt", "1")]).await;
    room.vendor.answers.lock().push_back(Ok(tokens("new-access", "new-refresh")));
    room.vendor.pause_ms.store(200, Ordering::SeqCst);
    let left = tokio::time::timeout(Duration::from_millis(50), token(&room)).await;
    assert!(left.is_err());
    room.accounts.drain().await;
    assert_eq!(room.opened(&room.field("refreshToken").await), "new-refresh");
}

#[tokio::test]
async fn an_answer_without_refresh_token_keeps_the_stored_one() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    room.official(&[("expiresAt", "1")]).await;
    let answer = json!({"access_token": "new", "expires_in": 60}).to_string();
    room.vendor.answers.lock().push_back(Ok((200, answer)));
    assert_eq!(token(&room).await.unwrap(), "new");
    assert_eq!(room.opened(&room.field("refreshToken").await), "old-refresh");
}

#[tokio::test]
async fn failures_are_noted_and_the_stored_token_still_serves() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    room.official(&[("expiresAt", "1")]).await;
    room.vendor.answers.lock().push_back(Ok((400, "{}".into())));
    assert_eq!(token(&room).await.unwrap(), "old-access");
    assert_eq!(room.field("status").await, "error");
    assert_eq!(room.field("errorMessage").await, "Request failed with status code 400");
    let heard = room.heard.0.lock().iter().map(|anomaly| anomaly.code).collect::<Vec<_>>();
    assert_eq!(heard, ["CLAUDE_OAUTH_ERROR"]);
    // Without a token left the client hears the same text.
    room.redis(&["HSET", "claude:account:a", "accessToken", "", "refreshToken", ""]).await;
    let error = token(&room).await.unwrap_err();
    assert_eq!(error.to_string(), "No refresh token available - manual token update required");
}

#[tokio::test]
async fn a_deleted_account_is_not_brought_back() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    room.official(&[("expiresAt", "1")]).await;
    let (entry, snapshot) = room.account(Kind::Official).await;
    room.redis(&["DEL", "claude:account:a"]).await;
    assert!(
        room.accounts.official_ready(&entry, &snapshot, None).await.is_ok(),
        "the token serves once more"
    );
    room.accounts.drain().await;
    assert_eq!(room.redis(&["EXISTS", "claude:account:a"]).await.int().unwrap(), 0);
}
