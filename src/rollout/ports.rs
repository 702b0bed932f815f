//! What the rollout asks of others, and how it raises an alarm.

use compat::record::ApiKey;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{OwnedRoute, Plan};

/// One condition for a step forward.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GateResult {
    /// Which, e.g. `hold`, `observations`.
    pub name: String,
    /// Whether it is green.
    pub passed: bool,
    /// What was found and what is asked for.
    pub detail: String,
}

impl GateResult {
    /// A gate.
    pub fn new(name: &str, passed: bool, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), passed, detail: detail.into() }
    }
}

/// What speaks for a step forward; the evaluation of the shadow runs.
pub trait Evidence: Send + Sync + 'static {
    /// The gates for a step from `from` to `to`, none of them the rollout's own (hold, pause,
    /// cool-down). No gate at all counts as red.
    fn gates<'a>(&'a self, from: &'a Plan, to: &'a Plan) -> BoxFuture<'a, Vec<GateResult>>;
}

/// There is no evidence here: one red gate that says so.
#[derive(Clone, Copy, Debug)]
pub struct NoEvidence(pub &'static str);

impl Evidence for NoEvidence {
    fn gates<'a>(&'a self, _: &'a Plan, _: &'a Plan) -> BoxFuture<'a, Vec<GateResult>> {
        Box::pin(async { vec![GateResult::new("evidence", false, self.0)] })
    }
}

/// Declares requests not to be for crs, before anything is done for them: it would have to use an
/// account of a kind that it cannot use yet. Asked on the request path; must answer from memory.
pub trait Fitness: Send + Sync + 'static {
    /// Why crs must not serve requests of this key on this route; `None` when it may.
    fn unfit(&self, route: &OwnedRoute, key: &ApiKey) -> Option<&'static str>;
}

/// State of the process that guards watch besides what the meter counts.
pub trait Vitals: Send + Sync + 'static {
    /// Usage that is not yet written to Redis.
    fn journal_backlog(&self) -> u64;
    /// Redis calls that failed since the start.
    fn redis_failures(&self) -> u64;
}

/// Tells why requests went as they did.
pub trait Explainer: Send + Sync + 'static {
    /// The decisions about a request, while they are remembered.
    fn explain(&self, request_id: &str) -> Option<Value>;
}

/// What happened to the rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// A guard took it back to `shadow`.
    GuardTripped,
    /// This instance does not follow the shared record any more: override file, signal, control socket.
    KillSwitch,
    /// It follows the record again.
    KillSwitchEnded,
    /// Phase or share went back.
    RolledBack,
    /// Phase or share went on.
    Advanced,
    /// No step forward from now on.
    Paused,
    /// Steps forward are possible again.
    Resumed,
}

impl NoticeKind {
    /// Whether something went wrong, so that somebody should look.
    pub fn is_alarm(self) -> bool {
        matches!(self, Self::GuardTripped | Self::KillSwitch)
    }

    /// `guard_tripped` …
    pub fn name(self) -> &'static str {
        match self {
            Self::GuardTripped => "guard_tripped",
            Self::KillSwitch => "kill_switch",
            Self::KillSwitchEnded => "kill_switch_ended",
            Self::RolledBack => "rolled_back",
            Self::Advanced => "advanced",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
        }
    }
}

/// Something an operator must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// What happened.
    pub kind: NoticeKind,
    /// One line.
    pub title: String,
    /// The whole story.
    pub text: String,
    /// ISO 8601.
    pub at: String,
}

/// Takes notices to wherever operators look. Must not block.
pub trait Alarm: Send + Sync + 'static {
    /// Tells one.
    fn raise(&self, notice: Notice);
}

/// Tells the log only.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogAlarm;

impl Alarm for LogAlarm {
    fn raise(&self, notice: Notice) {
        if notice.kind.is_alarm() {
            tracing::error!(text = notice.text, "{}", notice.title);
        } else {
            tracing::info!(text = notice.text, "{}", notice.title);
        }
    }
}
