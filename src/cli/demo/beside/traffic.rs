//! The requests of act two: what they are, how they must be answered, and sending many of them.

use std::collections::BTreeMap;

use anyhow::Context;
use futures_util::{StreamExt, stream};

use super::{
    super::{
        client::{Answer, Ask, claude_code_body},
        upstream::Cue,
    },
    people::{KEYS, People},
};

/// Model of most requests, and of the others.
const MODEL: &str = "claude-sonnet-4-20250514";
const OTHER_MODEL: &str = "claude-3-5-haiku-20241022";
/// Requests at a time.
const AT_ONCE: usize = 8;
/// Bytes of a long prompt.
const LONG: usize = 60_000;

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Stream,
    Json,
    /// A stream with a long prompt.
    Long,
    OtherModel,
    CountTokens,
    /// The vendor's 429, as JSON or in a stream.
    RateLimited(bool),
    /// The vendor's 400.
    Refused(bool),
    /// A stream that the vendor holds.
    Held,
    UnknownKey,
    KeyOff,
    /// Without messages.
    Empty,
    /// A path that crs does not own.
    NotOwned,
    /// A message that Node is told to get wrong.
    Wrong(&'static str),
}

use Kind::{
    CountTokens, Empty, Held, Json, KeyOff, Long, NotOwned, OtherModel, RateLimited, Refused,
    Stream, UnknownKey, Wrong,
};

/// Twenty requests as they may come in a minute.
const MIX: [Kind; 20] = [
    Stream,
    Json,
    CountTokens,
    Stream,
    UnknownKey,
    Json,
    Stream,
    RateLimited(false),
    Json,
    Stream,
    NotOwned,
    Long,
    Json,
    Stream,
    Refused(false),
    OtherModel,
    KeyOff,
    Stream,
    Json,
    Empty,
];

impl Kind {
    /// Whether a vendor is asked for a message.
    fn is_message(self) -> bool {
        self.is_served() || matches!(self, RateLimited(_) | Refused(_))
    }

    /// Whether it is served and booked.
    fn is_served(self) -> bool {
        matches!(self, Stream | Json | Long | OtherModel | Held | Wrong(_))
    }

    fn is_stream(self) -> bool {
        match self {
            Stream | Long | Held | RateLimited(true) | Refused(true) => true,
            Wrong(fault) => fault.starts_with("event"),
            _ => false,
        }
    }

    /// What the client gets. Node's streams begin before the vendor has answered.
    fn status(self) -> u16 {
        match self {
            RateLimited(false) => 429,
            Refused(false) | Empty => 400,
            UnknownKey | KeyOff => 401,
            NotOwned => 404,
            _ => 200,
        }
    }

    fn model(self) -> &'static str {
        if self == OtherModel { OTHER_MODEL } else { MODEL }
    }

    /// What it is called among others.
    fn label(self) -> &'static str {
        match self {
            Json | OtherModel => "JSON",
            Stream | Long | Held => "streamed",
            CountTokens => "token counts",
            RateLimited(_) => "limited by the vendor",
            Refused(_) => "refused by the vendor",
            UnknownKey | KeyOff => "with a bad key",
            Empty => "without messages",
            NotOwned => "not for crs",
            Wrong(_) => "that Node gets wrong",
        }
    }
}

/// One request to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub kind: Kind,
    /// Number of its key.
    pub key: usize,
    /// Number of its client's session.
    pub session: usize,
}

/// Mixed traffic of all kinds.
pub(super) fn mixed(count: usize) -> Vec<Turn> {
    let turns = (0..count).map(|n| {
        let streamed = (n / MIX.len()).is_multiple_of(2);
        let kind = match MIX[n % MIX.len()] {
            RateLimited(_) => RateLimited(streamed),
            Refused(_) => Refused(streamed),
            kind => kind,
        };
        turn(kind, n)
    });
    turns.collect()
}

/// Messages, JSON and streamed, of every key equally often.
pub(super) fn messages(count: usize) -> Vec<Turn> {
    let kind = |n: usize| if (n / KEYS).is_multiple_of(2) { Stream } else { Json };
    (0..count).map(|n| turn(kind(n), n)).collect()
}

/// Requests of one kind.
pub(super) fn of_kind(kind: Kind, count: usize) -> Vec<Turn> {
    (0..count).map(|n| turn(kind, n)).collect()
}

fn turn(kind: Kind, n: usize) -> Turn {
    Turn { kind, key: (n + n / KEYS) % KEYS, session: n % 3 }
}

/// What was asked for and answered so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    /// Messages that were served, by number of the key ([`KEYS`]: the clumsy one) and model.
    pub served: BTreeMap<(usize, &'static str), u64>,
    /// Messages that a vendor must have been asked for.
    pub asked: u64,
    /// Requests on routes that crs owns.
    pub owned: u64,
}

/// What a lot of requests were and how they were answered, for people.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    kinds: BTreeMap<&'static str, u64>,
    statuses: BTreeMap<u16, u64>,
}

impl Books {
    /// Sends them all, some at once, and books the answers.
    ///
    /// # Errors
    /// When one is not answered as it must be.
    pub(super) async fn send(
        &mut self,
        base: &str,
        people: &People,
        turns: &[Turn],
        summary: &mut Summary,
    ) -> anyhow::Result<()> {
        let sent = stream::iter(turns).map(|turn| async move {
            let answer = turn.send(base, people).await;
            (*turn, answer)
        });
        let mut sent = std::pin::pin!(sent.buffer_unordered(AT_ONCE));
        while let Some((turn, answer)) = sent.next().await {
            answer?;
            self.note(turn);
            *summary.kinds.entry(turn.kind.label()).or_default() += 1;
            *summary.statuses.entry(turn.kind.status()).or_default() += 1;
        }
        Ok(())
    }

    /// Books an answer that is as it must be.
    pub(super) fn note(&mut self, turn: Turn) {
        let Turn { kind, key, .. } = turn;
        self.asked += u64::from(kind.is_message());
        self.owned += u64::from(kind != NotOwned);
        if kind.is_served() {
            let key = if matches!(kind, Wrong(_)) { KEYS } else { key };
            *self.served.entry((key, kind.model())).or_default() += 1;
        }
    }

    /// Messages that were served in all.
    pub(super) fn served(&self) -> u64 {
        self.served.values().sum()
    }
}

impl Summary {
    /// How many of each kind.
    pub(super) fn kinds(&self) -> Vec<String> {
        self.kinds.iter().map(|(label, count)| format!("{count} {label}")).collect()
    }

    /// How many were answered with each status.
    pub(super) fn statuses(&self) -> Vec<String> {
        self.statuses.iter().map(|(status, count)| format!("{count} x {status}")).collect()
    }
}

impl Turn {
    /// Sends it and looks at the answer.
    ///
    /// # Errors
    /// When that is not as it must be.
    pub(super) async fn send(&self, base: &str, people: &People) -> anyhow::Result<Answer> {
        let told = || format!("a request ({})", self.kind.label());
        let answer = self.ask(people).send(base).await.with_context(told)?;
        let expected = self.kind.status();
        anyhow::ensure!(
            answer.status == expected,
            "{} was answered {} instead of {expected}: {}",
            told(),
            answer.status,
            answer.body
        );
        if self.kind.is_served() {
            let whole = if self.kind.is_stream() { "event: message_stop" } else { "\"usage\"" };
            let broken = answer.body.contains("event: error") || !answer.body.contains(whole);
            anyhow::ensure!(!broken, "{} has no proper end: {}", told(), answer.body);
        }
        Ok(answer)
    }

    fn ask(&self, people: &People) -> Ask {
        let key = match self.kind {
            UnknownKey => format!("cr_{}", "0".repeat(64)),
            KeyOff => people.off.secret.clone(),
            Wrong(_) => people.clumsy.secret.clone(),
            _ => people.keys[self.key].secret.clone(),
        };
        let cue = match self.kind {
            RateLimited(_) => Some(Cue::RateLimit),
            Refused(_) => Some(Cue::Refuse),
            Held => Some(Cue::Hold),
            _ => None,
        };
        let mut text = "Say hello to the people of the demo.".to_owned();
        if self.kind == Long {
            text.push_str(&" And so on.".repeat(LONG / 11));
        }
        if let Some(cue) = cue {
            text.push(' ');
            text.push_str(cue.words());
        }
        let session = format!("{:08x}-0000-4000-8000-{:012x}", self.key, self.session);
        let mut body = claude_code_body(self.kind.model(), &session, &text, self.kind.is_stream());
        if self.kind == Empty {
            body["messages"] = serde_json::json!([]);
        }
        let mut ask = Ask { claude_code: true, ..Ask::message(Some(&key), body) };
        match self.kind {
            CountTokens => ask.path.push_str("/count_tokens"),
            NotOwned => ask.path = "/api/nothing".to_owned(),
            Wrong(fault) => ask.headers.push(("x-standin-fault", fault.to_owned())),
            _ => {}
        }
        ask
    }
}
