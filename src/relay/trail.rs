//! Why a request went as it did: every decision, step by step, for `crs explain`.
//!
//! Steps name ids, counts, statuses and rules; never a secret and never a client's text. The last
//! requests are kept, older ones forgotten.

use std::{borrow::Cow, collections::VecDeque, fmt::Display, sync::Arc};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{
    domain::RequestId,
    schedule::{Considered, Selection},
};

/// Requests that are remembered; the oldest go first.
const REMEMBERED: usize = 2_000;
/// Steps of one request; further ones are dropped.
const STEPS: usize = 64;
/// Accounts named in one step.
const NAMED: usize = 40;

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Phase: `admit`, `choose`, `build`, `send`, `answer`, `settle`.
    pub phase: Cow<'static, str>,
    /// What was decided, and why.
    pub text: String,
}

/// The decisions about one request, in order. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Trail(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    steps: Vec<Step>,
    end: Option<End>,
}

/// A request that ended for reasons of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was not served and no vendor was called for it: somebody else may serve it.
    NotServed,
    /// A failure of ours.
    Fault,
}

/// A request and its decisions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// Id of the request, as answered in `X-Request-ID`.
    pub request_id: String,
    /// Arrival, epoch milliseconds.
    pub at_ms: i64,
    /// Method.
    pub method: String,
    /// Path.
    pub path: String,
    /// The decisions.
    pub steps: Vec<Step>,
    /// It was not served, for it needed something that is not served yet.
    #[serde(default)]
    pub not_served: bool,
}

struct Remembered {
    request_id: RequestId,
    at_ms: i64,
    method: http::Method,
    path: String,
    trail: Trail,
}

/// The trails of the last requests.
#[derive(Default)]
pub struct Trails(Mutex<VecDeque<Remembered>>);

impl Trail {
    /// Notes a decision.
    pub fn note(&self, phase: &'static str, text: impl Into<String>) {
        let steps = &mut self.0.lock().steps;
        if steps.len() < STEPS {
            steps.push(Step { phase: phase.into(), text: text.into() });
        }
    }

    /// The decisions so far.
    pub fn steps(&self) -> Vec<Step> {
        self.0.lock().steps.clone()
    }

    /// Notes that the request ended for a reason of our own. The first reason stays.
    pub(super) fn ends(&self, end: End) {
        self.0.lock().end.get_or_insert(end);
    }

    /// Whether, and how, the request ended for a reason of our own.
    pub fn end(&self) -> Option<End> {
        self.0.lock().end
    }

    /// Notes how an account was chosen, or that none was, with everything that was looked at.
    pub(super) fn chosen(
        &self,
        session: Option<&str>,
        considered: &[Considered],
        outcome: &Result<Selection, impl Display>,
    ) {
        let said = match outcome {
            Ok(selection) => format!(
                "{} account {} ({:?})",
                selection.kind().as_str(),
                selection.account.id,
                selection.via
            ),
            Err(error) => format!("no account: {error}"),
        };
        let session = session.map_or_else(
            || "no session".to_owned(),
            |hash| format!("session {}", hash.get(..8).unwrap_or(hash)),
        );
        self.note("choose", format!("{said}; {session}"));
        let looked_at = considered.iter().take(NAMED).map(|one| match &one.exclusion {
            Some(why) => format!("{} {}: left out, {why:?}", one.kind.as_str(), one.id),
            None => format!("{} {}: can serve", one.kind.as_str(), one.id),
        });
        for line in looked_at {
            self.note("choose", line);
        }
        if considered.len() > NAMED {
            self.note("choose", format!("{} more were looked at", considered.len() - NAMED));
        }
    }
}

impl Trails {
    /// Begins the trail of a request.
    pub(super) fn begin(
        &self,
        request_id: &RequestId,
        at_ms: i64,
        method: &http::Method,
        path: &str,
    ) -> Trail {
        let trail = Trail::default();
        let remembered = Remembered {
            request_id: request_id.clone(),
            at_ms,
            method: method.clone(),
            path: path.to_owned(),
            trail: trail.clone(),
        };
        let mut requests = self.0.lock();
        if requests.len() >= REMEMBERED {
            requests.pop_front();
        }
        requests.push_back(remembered);
        trail
    }

    /// What was decided about a request, while it is remembered.
    pub fn explain(&self, request_id: &str) -> Option<Explained> {
        let requests = self.0.lock();
        requests.iter().rev().find(|one| one.request_id.as_str() == request_id).map(explained)
    }

    /// The last request.
    pub fn last(&self) -> Option<Explained> {
        self.0.lock().back().map(explained)
    }
}

fn explained(one: &Remembered) -> Explained {
    Explained {
        request_id: one.request_id.as_str().to_owned(),
        at_ms: one.at_ms,
        method: one.method.to_string(),
        path: one.path.clone(),
        steps: one.trail.steps(),
        not_served: one.trail.end() == Some(End::NotServed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_requests_are_remembered_with_their_steps() {
        let trails = Trails::default();
        for n in 0..REMEMBERED + 5 {
            let id = RequestId::from(format!("r{n}"));
            let trail = trails.begin(&id, 7, &http::Method::POST, "/api/v1/messages");
            trail.note("admit", format!("key {n}"));
        }
        assert!(trails.explain("r4").is_none());
        let told = trails.explain("r5").unwrap();
        assert_eq!(told.steps, [Step { phase: "admit".into(), text: "key 5".into() }]);
        assert_eq!(trails.last().unwrap().request_id, format!("r{}", REMEMBERED + 4));
        let long = Trail::default();
        (0..200).for_each(|n| long.note("send", n.to_string()));
        assert_eq!(long.steps().len(), STEPS);
    }
}
