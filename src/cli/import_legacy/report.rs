//! What was found, taken and left, for people and machines.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::Output;

/// What became of a thing that an installation may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The installation has none.
    Absent,
    /// The same is here already.
    Current,
    /// Ours is newer and stays.
    Newer,
    /// Taken.
    Taken,
    /// Taken; what was here is kept in this file.
    Replaced(Option<PathBuf>),
    /// Something else is here and stays.
    Differs,
    /// It cannot be used, for this reason.
    Unusable(String),
}

/// What differs between two `.env` files about one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: String,
    /// `added`, `changed` or `removed`, seen from here.
    pub(super) change: &'static str,
}

/// One thing.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) what: &'static str,
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
    pub(super) state: State,
    /// What the operator should know besides.
    pub(super) note: Option<String>,
    /// Settings that differ; of settings only.
    pub(super) settings: Vec<Setting>,
}

/// The whole run.
pub(super) struct Report {
    pub(super) folder: PathBuf,
    pub(super) version: Option<String>,
    pub(super) dry_run: bool,
    pub(super) items: Vec<Item>,
    pub(super) left: Vec<String>,
}

impl Report {
    /// Whether nothing waits for a decision.
    pub(super) fn is_done(&self) -> bool {
        let waits = |item: &Item| matches!(item.state, State::Differs | State::Unusable(_));
        !self.items.iter().any(waits)
    }

    pub(super) fn show(&self, output: &Output) {
        let version = self.version.as_deref().unwrap_or("unknown version");
        output.line(&format!("Node service in {} ({version})", self.folder.display()));
        for item in &self.items {
            output.line(&format!("  {:<20} {}", item.what, item.told(self.dry_run)));
            for setting in &item.settings {
                output.line(&format!("  {:<20}   {} {}", "", setting.change, setting.name));
            }
            if let Some(note) = &item.note {
                output.line(&format!("  {:<20}   {note}", ""));
            }
        }
        if !self.left.is_empty() {
            output.line(&format!("  not taken            {}", self.left.join(", ")));
        }
        if !self.is_done() {
            output.line("Look at what differs; --force takes it and keeps what is here beside it.");
        } else if self.dry_run {
            output.line("Nothing was written.");
        } else {
            output.line("Next: `crs doctor`.");
        }
        output.value(&json!({
            "success": self.is_done(),
            "folder": self.folder,
            "version": self.version,
            "dryRun": self.dry_run,
            "items": self.items.iter().map(Item::value).collect::<Vec<_>>(),
            "left": self.left,
        }));
    }
}

impl Item {
    fn told(&self, dry_run: bool) -> String {
        let (from, to) = (self.from.display(), self.to.display());
        let would = if dry_run { "would be " } else { "" };
        match &self.state {
            State::Absent => format!("not there ({from})"),
            State::Current => format!("here already: {to}"),
            State::Newer => format!("{to} is newer and stays"),
            State::Taken => format!("{would}copied to {to}"),
            State::Replaced(None) => format!("{would}copied over {to}"),
            State::Replaced(Some(kept)) => {
                format!("copied over {to}, which is kept as {}", kept.display())
            }
            State::Differs => format!("differs: {to} stays as it is"),
            State::Unusable(why) => format!("cannot be used: {why}"),
        }
    }

    fn value(&self) -> Value {
        let (state, more) = match &self.state {
            State::Absent => ("absent", None),
            State::Current => ("current", None),
            State::Newer => ("newer", None),
            State::Taken => ("taken", None),
            State::Replaced(kept) => ("replaced", kept.as_ref().map(|kept| ("kept", json!(kept)))),
            State::Differs => ("differs", None),
            State::Unusable(why) => ("unusable", Some(("reason", json!(why)))),
        };
        let mut value =
            json!({ "what": self.what, "from": self.from, "to": self.to, "state": state });
        if let Some((name, more)) = more {
            value[name] = more;
        }
        if let Some(note) = &self.note {
            value["note"] = note.as_str().into();
        }
        if !self.settings.is_empty() {
            let each = |own: &Setting| json!({ "name": own.name, "change": own.change });
            value["settings"] = self.settings.iter().map(each).collect();
        }
        value
    }
}
