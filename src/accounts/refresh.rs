//! Token refresh: one at a time per account in this process, and under the legacy service's lock
//! against others.
//!
//! A refresh token is good for one use. The exchange therefore runs apart from the request that needs
//! it, so that a client who leaves cannot break it off half-way, and its result is written before
//! anything else. Unlike the legacy service, the record is read again once the lock is held: if another
//! process has rotated the token in between, its result is used instead of an outdated refresh token.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use compat::{
    account_state::{official, openai as chatgpt},
    clock::iso,
    cooldown,
    crypto::Service,
    lock::{self, Lock},
    number,
    pool::{Entry, Kind, Patch},
    store::{Cmd, Reply, StoreError},
};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;
use thiserror::Error;

use super::{
    Accounts,
    events::{Event, OAUTH, OPENAI},
    oauth, proxy,
    ready::expires_soon,
};
use crate::{
    domain::Secret,
    upstream::{SendError, SendErrorKind, UpstreamRequest},
};

/// How long another process's refresh is waited for.
const OTHERS_WAIT: Duration = Duration::from_secs(2);
const OTHERS_POLL: Duration = Duration::from_millis(200);
/// An answer longer than this is no token answer.
const ANSWER_MAX: usize = 1 << 20;
/// Pauses before further tries to store rotated tokens, which must not be lost.
const WRITE_RETRIES: [u64; 6] = [50, 200, 500, 1000, 2000, 4000];

/// Why a token could not be refreshed. `Display` is what the legacy service stores as `errorMessage`.
#[derive(Clone, Debug, Error)]
pub enum RefreshError {
    /// The record is gone.
    #[error("Account not found")]
    NotFound,
    /// A setup token, or one entered by hand without refresh token.
    #[error("No refresh token available - manual token update required")]
    NoRefreshToken,
    /// An account that was stored without a refresh token.
    #[error("No refresh token available")]
    NoneStored,
    /// Another process holds the lock and left no token behind.
    #[error("Token refresh in progress by another process")]
    InProgress,
    /// The vendor refused or could not be reached; the text is the HTTP library's.
    #[error("{0}")]
    Upstream(String),
    /// The same with what an administrator is told besides.
    #[error("{0}")]
    Refused(Arc<Refused>),
    /// Redis failed.
    #[error("{0}")]
    Store(String),
}

/// How a vendor refused a refresh token, or why it could not be reached.
#[derive(Clone, Debug, Error)]
#[error("{text}")]
pub struct Refused {
    /// In the legacy service's words.
    pub text: String,
    /// Status of the answer.
    pub status: Option<u16>,
    /// The answer itself.
    pub details: Option<serde_json::Value>,
    /// Code of a fault below HTTP.
    pub code: Option<&'static str>,
}

impl From<StoreError> for RefreshError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

type Outcome = Result<Secret, RefreshError>;

/// Refreshes in flight, by account.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<(Kind, Arc<str>), Shared<BoxFuture<'static, Outcome>>>>);

/// When a token is exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// When the stored one has run out, or is about to.
    Stale,
    /// Even if it is still good.
    Now,
}

impl Accounts {
    /// The access token after a refresh; callers at the same time share one.
    pub(super) async fn refreshed_token(&self, entry: &Arc<Entry>, when: When) -> Outcome {
        let account = (entry.kind, entry.id.clone());
        let flight = {
            let mut flights = self.0.flights.0.lock();
            match flights.get(&account) {
                Some(flight) => flight.clone(),
                None => {
                    let (accounts, entry, key) = (self.clone(), entry.clone(), account.clone());
                    // A task of its own: it must end even if every client has left. Tracked, so that
                    // shutdown waits for it.
                    let task = self.0.tasks.spawn(async move {
                        let outcome = accounts.refresh(&entry, when).await;
                        accounts.0.flights.0.lock().remove(&key);
                        outcome
                    });
                    let flight = async move {
                        task.await.unwrap_or_else(|_| {
                            Err(RefreshError::Store("token refresh was broken off".into()))
                        })
                    };
                    let flight = flight.boxed().shared();
                    flights.insert(account, flight.clone());
                    flight
                }
            }
        };
        flight.await
    }

    async fn refresh(&self, entry: &Arc<Entry>, when: When) -> Outcome {
        let outcome = match self.read(entry).await {
            // Another process was faster.
            Ok(now) if when == When::Stale && !stale(&now, self.now_ms()) => {
                Ok(self.decrypt(&now, "accessToken"))
            }
            Ok(now) => self.exchange_under_lock(&now).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &outcome {
            self.failed(entry, error).await;
        }
        outcome
    }

    /// A refresh that an administrator asks for: the token is exchanged even if it is still good.
    pub(super) async fn refresh_now(&self, entry: &Arc<Entry>) -> Outcome {
        self.refresh(entry, When::Now).await
    }

    async fn exchange_under_lock(&self, before: &Entry) -> Outcome {
        if self.decrypt(before, "refreshToken").is_empty() {
            return Err(match before.kind {
                Kind::OpenAi => RefreshError::NoneStored,
                _ => RefreshError::NoRefreshToken,
            });
        }
        let platform = if before.kind == Kind::OpenAi { "openai" } else { "claude" };
        let lock = Lock::token_refresh(platform, &before.id, uuid::Uuid::new_v4().to_string());
        // A lock that cannot be asked for counts as held, as in the legacy service.
        let held = match self.run(lock.acquire()).await {
            Ok(reply) => lock::taken(reply).unwrap_or(false),
            Err(_) => false,
        };
        if !held {
            return self.wait_for_other(before).await;
        }
        let outcome = self.exchange(before).await;
        if let Err(error) = self.run(lock.release()).await {
            tracing::warn!(%error, account = %before.id, "token refresh lock was not released");
        }
        outcome
    }

    /// Another process is refreshing: take what it leaves. After two seconds a Claude token is taken
    /// whatever it is, a ChatGPT token only while it is good.
    async fn wait_for_other(&self, before: &Entry) -> Outcome {
        let mut waited = Duration::ZERO;
        loop {
            tokio::time::sleep(OTHERS_POLL).await;
            waited += OTHERS_POLL;
            let now = self.read(before).await?;
            let rotated = now.get("accessToken") != before.get("accessToken");
            let stale = stale(&now, self.now_ms());
            if rotated && !stale || waited >= OTHERS_WAIT {
                if stale && now.kind == Kind::OpenAi {
                    return Err(RefreshError::InProgress);
                }
                let token = self.decrypt(&now, "accessToken");
                return if token.is_empty() { Err(RefreshError::InProgress) } else { Ok(token) };
            }
        }
    }

    async fn exchange(&self, before: &Entry) -> Outcome {
        let entry = self.read(before).await?;
        if entry.get("accessToken") != before.get("accessToken") && !stale(&entry, self.now_ms()) {
            return Ok(self.decrypt(&entry, "accessToken"));
        }
        let refresh_token = self.decrypt(&entry, "refreshToken");
        match entry.kind {
            Kind::OpenAi => self.openai_exchange(&entry, &refresh_token).await,
            _ => self.claude_exchange(&entry, &refresh_token).await,
        }
    }

    async fn claude_exchange(&self, entry: &Entry, refresh_token: &Secret) -> Outcome {
        let proxy = proxy::of(entry);
        let (status, body) = self
            .ask(oauth::token_request(refresh_token, proxy.clone()))
            .await
            .map_err(|error| RefreshError::Upstream(error.message))?;
        match status {
            200 => {}
            201..=299 => {
                let text = format!("Token refresh failed with status: {status}");
                return Err(RefreshError::Upstream(text));
            }
            _ => {
                let text = format!("Request failed with status code {status}");
                return Err(RefreshError::Upstream(text));
            }
        }
        let tokens = oauth::read_tokens(&body)
            .ok_or_else(|| RefreshError::Upstream("Token refresh gave no access token".into()))?;
        let now_ms = self.now_ms();
        #[expect(clippy::cast_precision_loss, reason = "epoch milliseconds")]
        let expires_at = number::js(now_ms as f64 + tokens.expires_in * 1000.0);
        let seal = |secret: &Secret| self.0.ports.vault.encrypt(Service::Claude, secret.expose());
        let mut patch = Patch::new()
            .set("accessToken", seal(&tokens.access_token))
            .set("expiresAt", expires_at)
            .set("lastRefreshAt", iso(now_ms))
            .set("status", "active")
            .set("errorMessage", "");
        // The legacy service empties the stored refresh token when the answer has none, which locks
        // the account out at the next refresh; the old one stays valid and is kept.
        if let Some(rotated) = &tokens.refresh_token {
            patch = patch.set("refreshToken", seal(rotated));
        }
        if let Some(plan) = tokens.plan {
            patch = patch.set("subscriptionInfo", plan);
        }
        self.store_rotation(entry, &patch).await;
        self.guard_rotation(entry, &patch);
        if entry.get("scopes").contains("user:profile") {
            self.fetch_profile(entry, &tokens.access_token, proxy).await;
        }
        Ok(tokens.access_token)
    }

    /// Writes rotated tokens; the old ones are worthless, so this is tried for as long as makes sense.
    pub(super) async fn store_rotation(&self, entry: &Entry, patch: &Patch) {
        let cmds = self.patch(entry, patch);
        let mut pauses = WRITE_RETRIES.iter();
        loop {
            let written = self.0.ports.store.run(cmds.iter().cloned().collect()).await;
            match (written, pauses.next()) {
                (Ok(_), _) => break,
                (Err(error), Some(pause)) => {
                    tracing::warn!(%error, account = %entry.id, "rotated tokens are not stored yet");
                    tokio::time::sleep(Duration::from_millis(*pause)).await;
                }
                (Err(error), None) => {
                    tracing::error!(%error, account = %entry.id, "rotated tokens could not be stored");
                    break;
                }
            }
        }
    }

    async fn fetch_profile(
        &self,
        entry: &Entry,
        token: &Secret,
        proxy: Option<crate::domain::ProxyConfig>,
    ) {
        if let Err(error) = self.profile(entry, token, proxy).await {
            tracing::warn!(error, account = %entry.id, "profile could not be fetched");
        }
    }

    /// Asks for the account's profile and stores what it says of the plan; gives the plan.
    ///
    /// # Errors
    /// Why there is none, in the words of the legacy service's HTTP library.
    pub(super) async fn profile(
        &self,
        entry: &Entry,
        token: &Secret,
        proxy: Option<crate::domain::ProxyConfig>,
    ) -> Result<String, String> {
        let asked = self.ask(oauth::profile_request(token, proxy)).await;
        let (status, body) = asked.map_err(|error| error.message)?;
        if !(200..300).contains(&status) {
            return Err(format!("Request failed with status code {status}"));
        }
        let now = iso(self.now_ms());
        let profile = (status == 200).then(|| oauth::read_profile(&body, &now)).flatten();
        let profile =
            profile.ok_or_else(|| format!("Failed to fetch profile with status: {status}"))?;
        let mut patch =
            Patch::new().set("subscriptionInfo", profile.plan.clone()).set("profileUpdatedAt", now);
        if let Some(email) = &profile.email {
            patch = patch.set("email", self.0.ports.vault.encrypt(Service::Claude, email));
        }
        let cmds = self.patch(entry, &patch);
        let stored = self.0.ports.store.run(cmds.into_iter().collect()).await;
        stored.map_err(|error| error.to_string())?;
        Ok(profile.plan)
    }

    async fn failed(&self, entry: &Arc<Entry>, error: &RefreshError) {
        let entry = self.read(entry).await.map_or_else(|_| entry.clone(), Arc::new);
        let message = error.to_string();
        let reason = format!("Token refresh failed: {message}");
        if entry.kind == Kind::OpenAi {
            // Nothing is said of it in the record.
            let code = "OPENAI_TOKEN_REFRESH_FAILED";
            return self.report(&entry, Event::new(OPENAI, "error", code, reason));
        }
        let cmds = if official::unprotected(&entry) {
            let kind = "token_refresh_failed";
            cooldown::history(
                Kind::Official.as_str(),
                &entry.id,
                0,
                kind,
                Some(&message),
                self.now_ms(),
            )
        } else {
            self.patch(&entry, &official::refresh_failed(&message))
        };
        if let Err(error) = self.0.ports.store.run(cmds.into_iter().collect()).await {
            tracing::warn!(%error, account = %entry.id, "failed refresh could not be noted");
        }
        self.report(&entry, Event::new(OAUTH, "error", "CLAUDE_OAUTH_ERROR", reason));
    }

    /// The record as it stands in Redis.
    pub(super) async fn read(&self, entry: &Entry) -> Result<Entry, RefreshError> {
        let key = entry.kind.record_key(&entry.id);
        let fields = self.run(Cmd::new("HGETALL").arg(key)).await?.map()?;
        if fields.is_empty() {
            return Err(RefreshError::NotFound);
        }
        Ok(Entry { fields, ..entry.clone() })
    }

    pub(super) async fn run(&self, cmd: Cmd) -> Result<Reply, StoreError> {
        let mut replies = self.0.ports.store.run(cmd.into()).await?;
        replies.pop().ok_or_else(|| StoreError::Shape("no reply".into()))
    }

    /// The access token that is stored, good or not.
    pub(super) fn stored_token(&self, entry: &Entry) -> Secret {
        self.decrypt(entry, "accessToken")
    }

    /// A stored secret in the clear; empty for kinds whose secrets have another form.
    pub(super) fn decrypt(&self, entry: &Entry, field: &str) -> Secret {
        let open = |service| self.0.ports.vault.decrypt(service, entry.get(field)).text;
        Secret::from(entry.kind.service().map(open).unwrap_or_default())
    }

    pub(super) async fn ask(&self, request: UpstreamRequest) -> Result<(u16, Bytes), SendError> {
        let limit = request.idle_timeout;
        let mut answer = self.0.ports.sender.send(request).await.map_err(|e| timed(e, limit))?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.body.next().await {
            body.extend_from_slice(&chunk.map_err(|e| timed(e, limit))?);
            if body.len() > ANSWER_MAX {
                let text = "maxContentLength size exceeded";
                return Err(SendError::new(SendErrorKind::Protocol, text));
            }
        }
        Ok((answer.status, body.into()))
    }
}

/// Whether the access token has to be exchanged before it is used.
fn stale(entry: &Entry, now_ms: i64) -> bool {
    match entry.kind {
        Kind::OpenAi => chatgpt::token_expired(entry, now_ms),
        _ => expires_soon(entry, now_ms),
    }
}

/// The HTTP library of the legacy service names its own limit.
pub(super) fn timed(error: SendError, limit: Duration) -> SendError {
    match error.kind {
        SendErrorKind::IdleTimeout => {
            let text = format!("timeout of {}ms exceeded", limit.as_millis());
            SendError::new(SendErrorKind::IdleTimeout, text)
        }
        _ => error,
    }
}
