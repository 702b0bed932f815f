//! Official accounts (contract/anthropic.md §4.3, §4.4, §4.7).

use std::sync::Arc;

use compat::{
    account_state::{Family, Phase, official},
    number,
    pool::Entry,
    store::Cmd,
};

use super::{unstick, unstick_oldest};
use crate::{
    accounts::{
        Accounts, error_message,
        events::{CLAUDE, Event, OAUTH},
        messages,
    },
    domain::HeaderList,
};

/// Header with the state of the session window.
const WINDOW_STATUS: &str = "anthropic-ratelimit-unified-5h-status";
/// Counters of failures live this long after the last one.
const COUNTER_SECONDS: i64 = 300;

/// An answer of `api.anthropic.com`, complete: a stream has ended, an error body was read.
#[derive(Clone, Copy, Debug)]
pub struct OfficialReply<'a> {
    /// Its status. After retries the last one; except that a stream's answer before the retry with
    /// random tool names is settled too.
    pub status: u16,
    /// Its headers.
    pub headers: &'a HeaderList,
    /// Its body, when the status is not 200 or 201.
    pub error_body: &'a [u8],
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// The stream held an error event about the account's rate limit.
    pub limit_in_stream: bool,
    /// Model of the request.
    pub model: Option<&'a str>,
    /// The conversation.
    pub session_hash: Option<&'a str>,
    /// Whether the key is bound to this very account.
    pub dedicated: bool,
    /// A background helper of Claude Code (`x-app: cli-bg` and its texts): its limits do not count
    /// against the account.
    pub background_helper: bool,
    /// The client's headers, if it passed the Claude Code test of its route.
    pub claude_code_headers: Option<&'a HeaderList>,
}

/// What of a success changes the account.
struct Success {
    /// State of the session window.
    window: Option<String>,
    /// Headers of a Claude Code client.
    claude_code_headers: Option<HeaderList>,
}

/// What the client gets in place of the vendor's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientView {
    /// The vendor's answer.
    AsIs,
    /// 403 `upstream_rate_limited` ([`messages::account_limited`]).
    AccountLimited {
        /// Unix seconds.
        reset_s: i64,
    },
    /// 403 `opus_weekly_limit` ([`messages::opus_limited`]).
    OpusLimited {
        /// Unix seconds, if the vendor told.
        reset_s: Option<i64>,
    },
}

impl Accounts {
    /// Carries an answer over to the account's state. A success is carried over apart from the request,
    /// which need not wait for it. Not to be called for a client that left: nothing is known of the
    /// answer then, and nothing changes.
    pub async fn settle_official(
        &self,
        entry: &Arc<Entry>,
        reply: &OfficialReply<'_>,
    ) -> ClientView {
        let succeeded = reply.status == 200 || reply.status == 201 && !reply.stream;
        if succeeded && !reply.limit_in_stream {
            let success = Success {
                window: reply.headers.get(WINDOW_STATUS).map(str::to_owned),
                claude_code_headers: reply.claude_code_headers.cloned(),
            };
            let (accounts, entry) = (self.clone(), entry.clone());
            // Bounded by the requests that end; tracked, so that shutdown waits for it.
            self.0.tasks.spawn(async move { accounts.official_success(&entry, success).await });
            return ClientView::AsIs;
        }
        let entry = self.fresh(entry).await;
        let (cmds, view) = if succeeded {
            let (mut cmds, entry) = self.official_window(entry, reply.headers.get(WINDOW_STATUS));
            cmds.extend(self.limit_in_stream(&entry, reply));
            (cmds, ClientView::AsIs)
        } else {
            self.official_failure(&entry, reply)
        };
        self.write_now(cmds).await;
        view
    }

    /// A plain (not streamed) exchange ran into a timeout. Streams and other network failures leave no
    /// trace on the account.
    pub async fn settle_official_timeout(&self, entry: &Arc<Entry>) {
        let entry = self.fresh(entry).await;
        let cmds = self.server_error(&entry, 504, None);
        self.write_now(cmds).await;
    }

    async fn official_success(&self, entry: &Arc<Entry>, success: Success) {
        let entry = self.fresh(entry).await;
        let (mut cmds, entry) = self.official_window(entry, success.window.as_deref());
        cmds.push(Cmd::new("DEL").arg(counter(&entry, "401")).arg(counter(&entry, "5xx")));
        if official::limit(&entry, self.now_ms()) != Phase::Off {
            cmds.extend(self.patch(&entry, &official::lift_limit(&entry)));
        }
        self.0.ports.writes.send(cmds).await;
        if let Some(headers) = &success.claude_code_headers {
            self.capture_headers(&entry.id, headers).await;
        }
    }

    /// Notes the state of the session window; returns the account as it then is.
    fn official_window(&self, entry: Arc<Entry>, status: Option<&str>) -> (Vec<Cmd>, Arc<Entry>) {
        let warnings = self.0.rules.warnings_per_window;
        let change = status
            .and_then(|status| official::window_status(&entry, status, self.now_ms(), warnings));
        let Some(change) = change else { return (Vec::new(), entry) };
        if change.notable {
            let reason = official::FIVE_HOUR_REASON;
            let event = Event::new(CLAUDE, "warning", "CLAUDE_5H_LIMIT_WARNING", reason);
            self.report(&entry, event);
        }
        (self.patch(&entry, &change.patch), Arc::new(entry.patched(&change.patch)))
    }

    /// A running stream reported that the account's limit was exceeded.
    fn limit_in_stream(&self, entry: &Arc<Entry>, reply: &OfficialReply<'_>) -> Vec<Cmd> {
        match (reset(reply), reply.model.and_then(Family::of)) {
            (Some(reset_s), Some(family)) => {
                self.patch(entry, &official::family_limited(family, reset_s, self.now_ms()))
            }
            (Some(reset_s), None) if !reply.background_helper => {
                self.account_limited(entry, reply, reset_s)
            }
            _ => Vec::new(),
        }
    }

    fn official_failure(
        &self,
        entry: &Arc<Entry>,
        reply: &OfficialReply<'_>,
    ) -> (Vec<Cmd>, ClientView) {
        let session = reply.session_hash;
        let cmds = match reply.status {
            401 => {
                let mut cmds = count(counter(entry, "401"));
                cmds.extend(self.cool_down(entry, 401, None));
                cmds.extend(unstick(session));
                cmds
            }
            400 | 403 if organization_disabled(reply) => self.blocked(entry, session),
            // The legacy service means to do this for streams too, but trips over a variable.
            403 => {
                let mut cmds = self.cool_down(entry, 403, None);
                cmds.extend(unstick(session));
                cmds
            }
            429 => return self.limited(entry, reply),
            529 => self.cool_down(entry, 529, None),
            status @ 500..600 => self.server_error(entry, status, session),
            _ => Vec::new(),
        };
        (cmds, ClientView::AsIs)
    }

    fn limited(&self, entry: &Arc<Entry>, reply: &OfficialReply<'_>) -> (Vec<Cmd>, ClientView) {
        let message = error_message(reply.error_body).to_lowercase();
        if message.contains("extra usage") {
            return (Vec::new(), ClientView::AsIs);
        }
        let reset_s = reset(reply);
        let family = reply.model.and_then(Family::of);
        let opus = reply.dedicated && family == Some(Family::Opus);
        match (family, reset_s) {
            (Some(family), Some(reset_s)) => {
                let patch = official::family_limited(family, reset_s, self.now_ms());
                let view = if opus {
                    ClientView::OpusLimited { reset_s: Some(reset_s) }
                } else {
                    ClientView::AsIs
                };
                (self.patch(entry, &patch), view)
            }
            // Only streams rewrite this without a time.
            (Some(_), None) if opus && reply.stream => {
                (Vec::new(), ClientView::OpusLimited { reset_s: None })
            }
            (None, Some(reset_s)) if reset_s != 0 => {
                let cmds = if reply.background_helper {
                    Vec::new()
                } else {
                    self.account_limited(entry, reply, reset_s)
                };
                let rewritten = reply.dedicated && !(reply.stream && reply.background_helper);
                let view = if rewritten {
                    ClientView::AccountLimited { reset_s }
                } else {
                    ClientView::AsIs
                };
                (cmds, view)
            }
            // Without a reset time it is hardly a limit of the account.
            _ => (Vec::new(), ClientView::AsIs),
        }
    }

    fn account_limited(
        &self,
        entry: &Arc<Entry>,
        reply: &OfficialReply<'_>,
        reset_s: i64,
    ) -> Vec<Cmd> {
        let mut cmds = if official::unprotected(entry) || reset_s == 0 {
            self.history(entry, 429, "rate_limit")
        } else {
            let until = messages::zoned(Some(reset_s.saturating_mul(1000)), self.0.ports.calendar);
            let reason = format!("Account rate limited (429 error). Reset at: {until}");
            self.report(entry, Event::new(OAUTH, "error", "CLAUDE_OAUTH_RATE_LIMITED", reason));
            let mut cmds = self.patch(entry, &official::limited(reset_s, self.now_ms()));
            cmds.extend(unstick_oldest(reply.session_hash));
            cmds
        };
        cmds.extend(unstick(reply.session_hash));
        cmds.extend(self.cool_down(entry, 429, self.hint(reply.headers)));
        cmds
    }

    fn blocked(&self, entry: &Arc<Entry>, session_hash: Option<&str>) -> Vec<Cmd> {
        let mut cmds = if official::unprotected(entry) {
            self.history(entry, 403, "blocked")
        } else {
            let reason = official::BLOCKED_MESSAGE;
            self.report(entry, Event::new(OAUTH, "blocked", "CLAUDE_OAUTH_BLOCKED", reason));
            let mut cmds = self.patch(entry, &official::blocked(self.now_ms()));
            cmds.extend(unstick_oldest(session_hash));
            cmds
        };
        cmds.extend(unstick(session_hash));
        cmds
    }

    fn server_error(
        &self,
        entry: &Arc<Entry>,
        status: u16,
        session_hash: Option<&str>,
    ) -> Vec<Cmd> {
        let mut cmds = count(counter(entry, "5xx"));
        cmds.extend(self.cool_down(entry, status, None));
        cmds.extend(unstick(session_hash));
        cmds
    }
}

/// `anthropic-ratelimit-unified-reset`, Unix seconds.
fn reset(reply: &OfficialReply<'_>) -> Option<i64> {
    number::parse_int(reply.headers.get("anthropic-ratelimit-unified-reset")?)
}

fn organization_disabled(reply: &OfficialReply<'_>) -> bool {
    let message = error_message(reply.error_body).to_lowercase();
    ["this organization has been disabled", "oauth authentication is currently not allowed"]
        .iter()
        .any(|text| message.contains(text))
}

fn counter(entry: &Entry, class: &str) -> String {
    format!("claude_account:{}:{class}_errors", entry.id)
}

fn count(key: String) -> Vec<Cmd> {
    vec![Cmd::new("INCR").arg(&key), Cmd::new("EXPIRE").arg(key).arg(COUNTER_SECONDS)]
}
