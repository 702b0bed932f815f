//! What commands print: text for people, or one JSON value for machines.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::domain::Declined;

/// The terminal of a command.
#[derive(Clone, Debug)]
pub struct Output {
    json: bool,
    /// Whether the one result for machines was printed.
    told: Arc<AtomicBool>,
    /// Where results go when this command is a part of another.
    kept: Option<Arc<Mutex<Vec<Value>>>>,
}

impl Output {
    /// Text, or JSON when `json`.
    pub fn new(json: bool) -> Self {
        Self { json, told: Arc::default(), kept: None }
    }

    /// The same for a command that is a part of this one: its results are kept, not printed.
    #[must_use]
    pub fn of_part(&self) -> Self {
        Self { kept: Some(Arc::default()), ..Self::new(self.json) }
    }

    /// The last result that was kept; null without one.
    pub fn last_kept(&self) -> Value {
        self.kept.as_ref().and_then(|kept| kept.lock().last().cloned()).unwrap_or_default()
    }

    /// Whether machines read along.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person watches (for progress bars and colours).
    pub fn is_terminal(&self) -> bool {
        !self.json && io::stdout().is_terminal()
    }

    /// A line for people; nothing in JSON.
    pub fn line(&self, text: &str) {
        if !self.json {
            write_line(text);
        }
    }

    /// The result for machines; nothing in text.
    pub fn value(&self, value: &Value) {
        if let Some(kept) = &self.kept {
            kept.lock().push(value.clone());
        } else if self.json {
            self.told.store(true, Ordering::Relaxed);
            write_line(&format!("{value:#}"));
        }
    }

    /// A failure, with its causes, on standard error; in JSON an object with `error`, unless the result
    /// that tells of it was printed before.
    pub fn error(&self, error: &anyhow::Error) {
        let text = format!("{error:#}");
        let told = self.json && self.told.load(Ordering::Relaxed);
        if self.kept.is_some() || self.json && !told {
            self.value(&json!({ "error": text }));
        }
        if !self.json || told {
            let _ = writeln!(io::stderr(), "crs: {text}");
        }
    }
}

/// What stopped a command that carries out an administrator's operation.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The operation was not done, for a reason that the admin API words.
    Declined(Declined),
    /// Anything else: input that cannot be read, say.
    Error(anyhow::Error),
}

impl From<Declined> for Stopped {
    fn from(declined: Declined) -> Self {
        Self::Declined(declined)
    }
}

impl From<anyhow::Error> for Stopped {
    fn from(error: anyhow::Error) -> Self {
        Self::Error(error)
    }
}

impl Output {
    /// Ends such a command: shows its answer, or what declined it (exit code 1).
    pub(super) fn finish(
        &self,
        done: Result<Value, Stopped>,
        show: impl FnOnce(&Value, &Self),
    ) -> anyhow::Result<u8> {
        match done {
            Ok(answer) => {
                show(&answer, self);
                self.value(&answer);
                Ok(0)
            }
            Err(Stopped::Declined(declined)) => {
                if self.json {
                    self.value(&Value::Object(declined.body));
                } else {
                    self.error(&anyhow::anyhow!("{declined}"));
                }
                Ok(1)
            }
            Err(Stopped::Error(error)) => Err(error),
        }
    }
}

/// Messages of the admin API that are not English, for people at a terminal.
const MESSAGES: [(&str, &str); 5] = [
    ("API Key 已成功恢复", "API key restored successfully"),
    ("API Key 已彻底删除", "API key deleted for good"),
    ("批量编辑完成", "Keys changed"),
    ("标签创建成功", "Tag created"),
    ("分组删除成功", "Group deleted"),
];

/// What an answer of the admin API says in so many words.
pub(super) fn message(answer: &Value) -> String {
    if let Some(freed) = answer.get("unboundKeys") {
        return format!("Deleted; {freed} API keys were bound to it and use the shared pool now");
    }
    if let Some(details) = answer.get("details") {
        return format!("{} of {} deleted for good", details["successCount"], details["total"]);
    }
    let text = answer.get("message").and_then(Value::as_str).unwrap_or("Done");
    let known = MESSAGES.iter().find(|(theirs, _)| *theirs == text);
    known.map_or(text, |(_, ours)| ours).to_owned()
}

fn write_line(text: &str) {
    // A reader that has gone (`crs status | head`) is no failure.
    let _ = writeln!(io::stdout(), "{text}");
}
