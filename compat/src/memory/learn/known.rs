//! What is known of one key as it was before the trace wrote to it.

use bytes::Bytes;

use crate::memory::base::{Facts, Loaded};

/// Grows with each reply; what was learned first stays.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// All of it.
    whole: Option<Loaded>,
    facts: Facts,
    /// The trace changed something of it.
    written: bool,
    /// The trace replaced or deleted it, or did something unknown: later reads say nothing.
    closed: bool,
}

impl Known {
    /// Whether the whole value may still be learned.
    pub(super) fn untouched(&self) -> bool {
        !self.closed && !self.written && self.whole.is_none()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The whole value as it was, if nothing was written yet.
    pub(super) fn whole(&mut self, loaded: Loaded) {
        if self.untouched() {
            self.whole = Some(loaded);
        }
    }

    pub(super) fn written(&mut self) {
        self.written = true;
    }

    pub(super) fn close(&mut self) {
        self.written = true;
        self.closed = true;
    }

    pub(super) fn ttl(&mut self, ttl_ms: Option<i64>) {
        if !self.closed && !self.written && self.facts.ttl_ms.is_none() {
            self.facts.ttl_ms = Some(ttl_ms);
        }
    }

    pub(super) fn exists(&mut self) {
        if self.untouched() {
            self.facts.exists = true;
        }
    }

    /// A field as it was; the first word counts.
    pub(super) fn field(&mut self, field: &Bytes, value: Option<Bytes>) {
        if !self.closed && !self.facts.fields.contains_key(field) {
            self.facts.fields.insert(field.clone(), value);
        }
    }

    pub(super) fn member(&mut self, member: &Bytes, is: bool) {
        if !self.closed && !self.facts.members.contains_key(member) {
            self.facts.members.insert(member.clone(), is);
        }
    }

    pub(super) fn score(&mut self, member: &Bytes, score: Option<f64>) {
        if !self.closed && !self.facts.scores.contains_key(member) {
            self.facts.scores.insert(member.clone(), score);
        }
    }

    pub(super) fn into_loaded(self, absent_if_blind: bool) -> Loaded {
        let empty = self.facts == Facts::default();
        let parts = !self.facts.fields.is_empty()
            || !self.facts.members.is_empty()
            || !self.facts.scores.is_empty();
        match self.whole {
            // What is known whole is not changed by parts of it, but a lifetime may be added.
            Some(Loaded::Value { value, ttl_ms }) => {
                Loaded::Value { value, ttl_ms: self.facts.ttl_ms.unwrap_or(ttl_ms) }
            }
            Some(other) => other,
            None if self.closed && !parts => Loaded::Absent,
            None if self.written && absent_if_blind => self.facts.alone(),
            None if empty => Loaded::Unknown,
            None => Loaded::Partial(self.facts),
        }
    }
}
