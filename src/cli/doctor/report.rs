//! The outcome of an audit.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{
    beside::Beside,
    check::{Check, Severity},
    settings::SettingsReport,
};

/// Everything an audit found.
#[derive(Debug, Default)]
pub struct DoctorReport {
    /// `redis_version` of the server.
    pub redis_version: String,
    /// Keys looked at.
    pub keys: u64,
    /// Of them, keys of crs itself.
    pub own_keys: u64,
    /// Of them, keys of no known pattern.
    pub unknown_keys: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Number of keys by area of the catalogue.
    pub areas: BTreeMap<&'static str, u64>,
    /// Stored secrets by kind of account.
    pub secrets: BTreeMap<&'static str, SecretCount>,
    /// What is wrong, worst first.
    pub findings: Vec<Finding>,
    /// What `config/config.js` says.
    pub settings: SettingsReport,
    /// The Node service behind a sidecar, when there is one.
    pub beside: Option<Beside>,
}

/// How the stored secrets of one kind of account read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecretCount {
    /// Decrypted.
    pub readable: u64,
    /// Stored in the clear.
    pub unencrypted: u64,
    /// Neither.
    pub unreadable: u64,
}

/// One thing that is wrong, however often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check.
    pub check: Check,
    /// What it is about: a pattern, a field, an index.
    pub subject: String,
    /// How often.
    pub count: u64,
    /// Some of the places, with secret parts cut.
    pub examples: Vec<String>,
}

impl DoctorReport {
    /// Takes in what else was found.
    pub(super) fn add(&mut self, findings: Findings) {
        self.findings.extend(findings.into_sorted());
        self.findings.sort_by_key(|finding| (finding.check.severity(), finding.check));
    }

    /// Number of findings of a weight.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.check.severity() == severity).count()
    }

    /// Whether there is nothing to mend. Notes do not count.
    pub fn is_clean(&self) -> bool {
        self.count(Severity::Error) + self.count(Severity::Warning) == 0
    }

    /// The report for machines.
    pub fn to_json(&self) -> Value {
        let secrets = self.secrets.iter().map(|(kind, count)| {
            let counts = json!({
                "readable": count.readable,
                "unencrypted": count.unencrypted,
                "unreadable": count.unreadable,
            });
            ((*kind).to_owned(), counts)
        });
        json!({
            "clean": self.is_clean(),
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "notes": self.count(Severity::Note),
            "redisVersion": self.redis_version,
            "keys": self.keys,
            "ownKeys": self.own_keys,
            "unknownKeys": self.unknown_keys,
            "milliseconds": u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
            "areas": self.areas,
            "secrets": secrets.collect::<serde_json::Map<_, _>>(),
            "findings": self.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
            "settings": self.settings.to_json(),
            "beside": self.beside.as_ref().map(Beside::to_json),
        })
    }
}

impl Finding {
    fn to_json(&self) -> Value {
        json!({
            "severity": self.check.severity().as_str(),
            "check": self.check.as_str(),
            "subject": self.subject,
            "count": self.count,
            "examples": self.examples,
            "meaning": self.check.meaning(),
            "remedy": self.check.remedy(),
        })
    }
}

/// Gathers findings; the same check on the same subject becomes one.
#[derive(Debug)]
pub(super) struct Findings {
    by: BTreeMap<(Severity, Check, String), (u64, Vec<String>)>,
    examples: usize,
}

impl Findings {
    /// Keeps up to `examples` places per finding.
    pub(super) fn new(examples: usize) -> Self {
        Self { by: BTreeMap::new(), examples }
    }

    pub(super) fn add(&mut self, check: Check, subject: impl Into<String>, place: impl AsRef<str>) {
        let (count, places) = self.by.entry((check.severity(), check, subject.into())).or_default();
        *count += 1;
        if places.len() < self.examples {
            places.push(place.as_ref().chars().take(160).collect());
        }
    }

    pub(super) fn into_sorted(self) -> Vec<Finding> {
        let finding =
            |((_, check, subject), (count, examples))| Finding { check, subject, count, examples };
        self.by.into_iter().map(finding).collect()
    }
}
