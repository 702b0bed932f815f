//! Events on their way to Redis: in memory while there is room, else on disk alone, always in order.

use std::collections::VecDeque;

use super::{
    UsageEvent,
    journal::{Files, Journal},
};

/// Numbered events and the journal behind them.
pub(super) struct Queue {
    journal: Journal,
    waiting: VecDeque<(u64, UsageEvent)>,
    room: usize,
    /// Events after this number are on disk alone; none of them is in `waiting`.
    spilled_after: Option<u64>,
    /// How many events are on disk alone; a guess (one) for those left by an earlier life.
    spilled: u64,
    last_saved: u64,
    newest: u64,
    recovered: u64,
    unsaved: u64,
    lost: u64,
    disk_problem: Option<String>,
}

/// The oldest events.
pub(super) enum Taken {
    /// Here they are.
    Events(Vec<(u64, UsageEvent)>),
    /// They are in these files.
    OnDisk(Files),
}

impl Queue {
    pub(super) fn new(journal: Journal, room: usize) -> Self {
        let left = journal.has_entries();
        let recovered = if left { journal.last_in_files() } else { 0 };
        Self {
            last_saved: recovered,
            newest: recovered,
            recovered,
            spilled_after: left.then_some(journal.applied()),
            spilled: u64::from(left),
            journal,
            waiting: VecDeque::new(),
            room,
            unsaved: 0,
            lost: 0,
            disk_problem: None,
        }
    }

    /// Numbers an event, writes it to the journal and keeps it. Returns its number.
    pub(super) fn append(&mut self, event: UsageEvent, payload: &[u8]) -> u64 {
        let number = self.journal.next_number();
        let written = self.journal.write(number, payload);
        let saved = written.is_ok();
        if saved {
            self.last_saved = number;
        }
        self.note_disk(written.err());
        let kept = self.spilled_after.is_none() && self.waiting.len() < self.room;
        if kept {
            self.waiting.push_back((number, event));
        } else if saved {
            self.spilled_after.get_or_insert(number - 1);
            self.spilled += 1;
        }
        match (kept, saved) {
            (true, false) => self.unsaved += 1,
            (false, false) => {
                self.lost += 1;
                tracing::error!("usage event lost: neither memory nor disk has room");
                return self.newest;
            }
            _ => {}
        }
        self.newest = number;
        number
    }

    /// Takes the oldest events from memory, or says where on disk they are.
    pub(super) fn take(&mut self, limit: usize) -> Taken {
        if !self.waiting.is_empty() {
            let count = limit.min(self.waiting.len());
            return Taken::Events(self.waiting.drain(..count).collect());
        }
        match self.spilled_after {
            Some(after) => Taken::OnDisk(self.journal.files_after(after)),
            None => Taken::Events(Vec::new()),
        }
    }

    /// Entries on disk up to `last` were read; `None`: nothing more could be.
    pub(super) fn read_until(&mut self, last: Option<u64>, count: usize) {
        let more = last.filter(|last| *last < self.last_saved);
        self.spilled_after = more;
        self.spilled = match more {
            Some(_) => self.spilled.saturating_sub(count as u64).max(1),
            None => 0,
        };
    }

    /// Entries up to `number` are in Redis.
    pub(super) fn mark_applied(&mut self, number: u64) {
        self.journal.mark_applied(number);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.spilled_after.is_none()
    }

    /// Number of the newest event that will reach Redis; 0 when there never was one.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Number of the last entry that an earlier life left.
    pub(super) fn recovered(&self) -> u64 {
        self.recovered
    }

    pub(super) fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }

    pub(super) fn backlog(&self) -> u64 {
        self.waiting.len() as u64 + self.spilled
    }

    pub(super) fn unsaved(&self) -> u64 {
        self.unsaved
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    pub(super) fn disk_problem(&self) -> Option<&str> {
        self.disk_problem.as_deref()
    }

    /// Tells a problem once when it begins and once when it ends.
    fn note_disk(&mut self, error: Option<std::io::Error>) {
        match (&self.disk_problem, error) {
            (None, Some(error)) => {
                tracing::error!(%error, "usage journal cannot be written; usage is in memory only");
                self.disk_problem = Some(error.to_string());
            }
            (Some(_), None) => {
                tracing::info!("usage journal can be written again");
                self.disk_problem = None;
            }
            _ => {}
        }
    }
}
