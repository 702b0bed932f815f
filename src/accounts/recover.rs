//! Periodic recovery: states whose time is over are lifted even when no request looks at the account.
//! A stopped account is not looked at by selection, so without this it would never return
//! (contract/anthropic.md §10).

use std::sync::Arc;

use compat::{
    account_state::{Family, Moment, Phase, console, official, openai},
    clock::iso,
    lock::{self, Lock},
    pool::{self, Entry, Kind, Need, Patch, Snapshot},
    store::{Cmd, Reply, StoreError, accepted},
};

use super::Accounts;

/// Commands in one pipeline.
const STEP: usize = 200;

/// An account that came back by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// ChatGPT, official or console.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// What had kept it.
    pub from: Kept,
    /// The session window that follows a five-hour stop: start and end, ISO.
    pub window: Option<(String, String)>,
}

/// What kept an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// A rate limit.
    Limit,
    /// A five-hour stop.
    FiveHours,
    /// A daily quota.
    Quota,
}

impl Recovered {
    fn of(entry: &Entry, from: Kept) -> Self {
        let name = entry.get("name").to_owned();
        Self { kind: entry.kind, id: entry.id.to_string(), name, from, window: None }
    }
}

impl Accounts {
    /// One round, at start and every five minutes: limits, quotas and five-hour stops that are over;
    /// tokens of waiting accounts that would run out. Returns the accounts that came back.
    ///
    /// # Errors
    /// When accounts cannot be read.
    pub async fn recover(&self) -> Result<Vec<Recovered>, StoreError> {
        let mut recovered = self.recover_openai().await?;
        let needs = [Need::List(Kind::Official), Need::List(Kind::Console)];
        let snapshot = self.claude_accounts(&needs).await?;
        let mut cmds: Vec<Cmd> = snapshot.upkeep(Kind::Official).to_vec();
        cmds.extend(snapshot.upkeep(Kind::Console).iter().cloned());
        for entry in snapshot.list(Kind::Official) {
            if official::recovers(&entry, self.now_ms()) {
                tracing::info!(account = %entry.id, "limit is over");
                cmds.extend(self.patch(&entry, &official::lift_limit(&entry)));
                recovered.push(Recovered::of(&entry, Kept::Limit));
            }
            for family in [Family::Opus, Family::Sonnet, Family::Haiku, Family::Fable] {
                let end = compat::js::date_ms(entry.get(family.limit_end_field()));
                // An end that is no date is left for the next choice, as in the legacy service.
                if end.is_some()
                    && official::family_limit(&entry, family, self.now_ms()) == Phase::Elapsed
                {
                    cmds.extend(self.patch(&entry, &official::lift_family_limit(&entry, family)));
                }
            }
        }
        for entry in snapshot.list(Kind::Console) {
            cmds.extend(self.recover_console(&entry, &mut recovered));
        }
        self.apply(cmds).await?;
        for entry in stopped(&snapshot) {
            recovered.extend(self.recover_five_hours(&entry).await);
        }
        for entry in snapshot.list(Kind::Official) {
            let entry = self.current(&entry);
            if official::refresh_ahead(&entry, self.now_ms())
                && let Err(error) = self.refresh_now(&entry).await
            {
                tracing::warn!(%error, account = %entry.id, "token was not refreshed ahead");
            }
        }
        recovered.sort_by_key(|account| (place(account.kind), account.from));
        Ok(recovered)
    }

    /// Hourly: accounts in error get another chance after a day. Returns how many.
    ///
    /// # Errors
    /// When accounts cannot be read.
    pub async fn retry_errors(&self) -> Result<usize, StoreError> {
        let mut retried = 0;
        let snapshot = self.claude_accounts(&[Need::List(Kind::Official)]).await?;
        let mut cmds = snapshot.upkeep(Kind::Official).to_vec();
        for entry in snapshot.list(Kind::Official) {
            if let Some(patch) = official::retry_errors(&entry, self.now_ms()) {
                tracing::info!(account = %entry.id, "account in error is tried again");
                retried += 1;
                cmds.extend(self.patch(&entry, &patch));
                if entry.status() == "temp_error" {
                    cmds.push(
                        Cmd::new("DEL").arg(format!("claude_account:{}:5xx_errors", entry.id)),
                    );
                }
            }
        }
        self.apply(cmds).await?;
        Ok(retried)
    }

    /// Limits of ChatGPT accounts that are over. One whose token the vendor has refused meanwhile loses its
    /// limit, but does not come back. Providers' accounts are looked at by selection alone.
    async fn recover_openai(&self) -> Result<Vec<Recovered>, StoreError> {
        let pool = self.0.ports.pools.of(pool::Family::OpenAi);
        let snapshot = pool.snapshot(&[Need::List(Kind::OpenAi)]).await?;
        let mut cmds: Vec<Cmd> = snapshot.upkeep(Kind::OpenAi).to_vec();
        let mut recovered = Vec::new();
        for entry in snapshot.list(Kind::OpenAi) {
            let now_ms = self.now_ms();
            if openai::limit(&entry, now_ms) == Phase::Elapsed {
                tracing::info!(account = %entry.id, "limit is over");
                let lift = openai::lift_limit(&entry, now_ms);
                cmds.extend(self.patch(&entry, &lift));
                if entry.patched(&lift).schedulable() {
                    recovered.push(Recovered::of(&entry, Kept::Limit));
                }
            }
        }
        self.apply(cmds).await?;
        Ok(recovered)
    }

    fn recover_console(&self, entry: &Arc<Entry>, recovered: &mut Vec<Recovered>) -> Vec<Cmd> {
        let now_ms = self.now_ms();
        let mut entry = entry.clone();
        let mut cmds = Vec::new();
        let mut write = |entry: &mut Arc<Entry>, patch: &Patch| {
            cmds.extend(self.patch(entry, patch));
            *entry = Arc::new(entry.patched(patch));
        };
        if entry.status() == "rate_limited" {
            let phase = console::limit(&entry, now_ms);
            if phase == Phase::Elapsed {
                recovered.push(Recovered::of(&entry, Kept::Limit));
                let lift = console::lift_limit(&entry);
                write(&mut entry, &lift);
            }
            // The legacy job then sets a status that its own update ignores; the time stays.
            if phase != Phase::On {
                write(&mut entry, &Patch::new().set("updatedAt", iso(now_ms)));
            }
        }
        let moment = Moment { now_ms, calendar: self.0.ports.calendar };
        let listed = entry.status() == "quota_exceeded" || !entry.get("quotaStoppedAt").is_empty();
        if listed && console::quota(&entry, moment) == Phase::Elapsed {
            recovered.push(Recovered::of(&entry, Kept::Quota));
            let reset = console::reset_quota(&entry, moment);
            write(&mut entry, &reset);
        }
        cmds
    }

    /// Writes at once, so that nobody is told of what Redis did not take. What it refuses for one account
    /// leaves the others alone.
    async fn apply(&self, cmds: Vec<Cmd>) -> Result<(), StoreError> {
        for cmds in cmds.chunks(STEP) {
            let replies = self.0.ports.store.run(cmds.iter().cloned().collect()).await?;
            accepted(&replies)?;
            for reply in replies {
                if let Reply::Error(error) = reply {
                    tracing::warn!(error, "redis refused to change the state of an account");
                }
            }
        }
        Ok(())
    }

    async fn claude_accounts(&self, needs: &[Need]) -> Result<Arc<Snapshot>, StoreError> {
        self.0.ports.pools.of(pool::Family::Claude).snapshot(needs).await
    }

    /// Under the legacy service's lock, from a record read under it.
    async fn recover_five_hours(&self, entry: &Arc<Entry>) -> Option<Recovered> {
        let value = format!("{}_{}", self.now_ms(), uuid::Uuid::new_v4().simple());
        let lock = Lock::account_recovery(&entry.id, value);
        let taken = self.run(lock.acquire()).await.and_then(lock::taken);
        if !matches!(taken, Ok(true)) {
            return None;
        }
        let mut recovered = None;
        if let Ok(entry) = self.read(entry).await
            && official::five_hour_stopped(&entry)
            && let Some(patch) =
                official::five_hour_recovery(&entry, self.now_ms(), &self.0.rules.zone)
        {
            tracing::info!(account = %entry.id, "five-hour stop is over");
            let cmds = self.patch(&entry, &patch);
            let written = self.0.ports.store.run(cmds.into_iter().collect()).await;
            match written.and_then(|replies| accepted(&replies)) {
                Ok(()) => {
                    let entry = entry.patched(&patch);
                    let window = ["sessionWindowStart", "sessionWindowEnd"];
                    let [start, end] = window.map(|field| entry.get(field).to_owned());
                    let window = Some((start, end));
                    recovered =
                        Some(Recovered { window, ..Recovered::of(&entry, Kept::FiveHours) });
                }
                Err(error) => {
                    tracing::warn!(%error, account = %entry.id, "five-hour stop was not lifted");
                }
            }
        }
        if let Err(error) = self.run(lock.release()).await {
            tracing::warn!(%error, account = %entry.id, "recovery lock was not released");
        }
        recovered
    }
}

/// The order in which kinds are told of.
fn place(kind: Kind) -> usize {
    match kind {
        Kind::OpenAi => 0,
        Kind::Official => 1,
        _ => 2,
    }
}

fn stopped(snapshot: &Snapshot) -> Vec<Arc<Entry>> {
    let mut accounts = snapshot.list(Kind::Official);
    accounts.retain(|entry| official::five_hour_stopped(entry));
    accounts
}
