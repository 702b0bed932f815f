//! What is taken, one thing at a time, and by which rule.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use anyhow::bail;
use sha2::{Digest, Sha256};

use super::{
    installation::Installation,
    literal,
    place::{keep, read, write, written},
    report::{Item, Setting, State},
};
use crate::config::{InitFile, codex_instructions, file_in};

/// Name of the constant that holds the instructions.
const CONSTANT: &str = "CODEX_CLI_INSTRUCTIONS";
/// Instructions are a page or more and far from a book, in characters.
const LENGTHS: std::ops::RangeInclusive<usize> = 200..=200_000;
/// Instructions of v1.1.314, so that the operator can be told that they are whole.
const KNOWN: &str = "496fb2f00991f7d24bffd8f6ea4f58540390b99d7cbd1d76693e425879190dce";

/// How to take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taker {
    /// Write nothing.
    pub(super) dry_run: bool,
    /// Replace what differs.
    pub(super) force: bool,
}

impl Taker {
    /// The settings. What is here wins unless told otherwise: crs may have settings of its own there.
    pub(super) fn settings(self, from: &Installation, dir: &Path) -> anyhow::Result<Item> {
        let to = dir.join(".env");
        let here = file_in(dir)?;
        let mut item = self.file("settings", &from.settings(), &to)?;
        match item.state {
            State::Absent if !to.is_file() => {
                let note = "neither folder has a .env: settings may be in the environment of the \
                            Node service (docker, pm2, systemd); crs needs the same, ENCRYPTION_KEY \
                            above all";
                item.note = Some(note.to_owned());
            }
            State::Differs | State::Replaced(_) => {
                item.settings = differences(&here, &file_in(from.folder())?);
                if item.settings.is_empty() && item.state == State::Differs {
                    // Comments and order do not matter.
                    item.state = State::Current;
                }
            }
            _ => {}
        }
        Ok(item)
    }

    /// Who may log in to the console.
    pub(super) fn administrator(self, from: &Installation, data: &Path) -> anyhow::Result<Item> {
        let source = from.data("init.json");
        if source.is_file()
            && let Err(error) = InitFile::read(&source)
        {
            let state = State::Unusable(format!("{error:#}"));
            return Ok(item("administrator", &source, &data.join("init.json"), state));
        }
        self.file("administrator", &source, &data.join("init.json"))
    }

    /// The price list that the Node service has fetched, with its checksum; the newer list stays, since
    /// either service fetches it anew.
    pub(super) fn prices(self, from: &Installation, data: &Path) -> anyhow::Result<Item> {
        let (source, to) = (from.data("model_pricing.json"), data.join("model_pricing.json"));
        let mut item = item("prices", &source, &to, State::Absent);
        let Some(theirs) = read(&source)? else {
            item.note = Some("the built-in prices are used until the list is fetched".to_owned());
            return Ok(item);
        };
        let known = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&theirs);
        if !known.is_ok_and(|models| models.len() > 1) {
            item.state = State::Unusable("it is no list of models".to_owned());
            return Ok(item);
        }
        item.state = match read(&to)? {
            None => State::Taken,
            Some(ours) if ours == theirs => State::Current,
            Some(_) if written(&to) >= written(&source) => State::Newer,
            Some(_) => State::Replaced(None),
        };
        if !self.dry_run && matches!(item.state, State::Taken | State::Replaced(_)) {
            // The list's age says when it is fetched next.
            write(&to, &theirs, written(&source))?;
            if let Some(sum) = read(&from.data("model_pricing.sha256"))? {
                write(&data.join("model_pricing.sha256"), &sum, None)?;
            }
        }
        Ok(item)
    }

    /// The text that the Node service instructs Codex with, out of its source.
    pub(super) fn instructions(self, from: &Installation, data: &Path) -> anyhow::Result<Item> {
        let (source, to) = (from.codex_source(), codex_instructions(data));
        let mut item = item("codex instructions", &source, &to, State::Absent);
        let Some(bytes) = read(&source)? else {
            let note = "without them, requests to Codex accounts keep the instructions that \
                        clients send; the file is in the image or checkout of the Node service";
            item.note = Some(note.to_owned());
            return Ok(item);
        };
        let text = match instructions(&bytes) {
            Ok(text) => text,
            Err(error) => {
                item.state = State::Unusable(format!("{error:#}"));
                return Ok(item);
            }
        };
        let sum = hex::encode(Sha256::digest(&text));
        let known = if sum == KNOWN { ", those of v1.1.314" } else { "" };
        item.note = Some(format!("{} characters, sha256 {sum}{known}", text.chars().count()));
        item.state = self.put(text.as_bytes(), &to)?;
        Ok(item)
    }

    fn file(self, what: &'static str, from: &Path, to: &Path) -> anyhow::Result<Item> {
        let state = match read(from)? {
            Some(bytes) => self.put(&bytes, to)?,
            None => State::Absent,
        };
        Ok(item(what, from, to, state))
    }

    fn put(self, bytes: &[u8], to: &Path) -> anyhow::Result<State> {
        let state = match read(to)? {
            None => State::Taken,
            Some(here) if here == bytes => State::Current,
            Some(_) if !self.force => State::Differs,
            Some(_) if self.dry_run => State::Replaced(None),
            Some(_) => State::Replaced(Some(keep(to)?)),
        };
        if !self.dry_run && matches!(state, State::Taken | State::Replaced(_)) {
            write(to, bytes, None)?;
        }
        Ok(state)
    }
}

fn item(what: &'static str, from: &Path, to: &Path, state: State) -> Item {
    let (from, to): (PathBuf, PathBuf) = (from.to_owned(), to.to_owned());
    Item { what, from, to, state, note: None, settings: Vec::new() }
}

/// Settings that differ, by name; never what they say.
fn differences(here: &HashMap<String, String>, there: &HashMap<String, String>) -> Vec<Setting> {
    let names: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
    let changes = names.into_iter().filter_map(|name| {
        let change = match (here.get(name), there.get(name)) {
            (Some(here), Some(there)) if here != there => "changed",
            (None, Some(_)) => "added",
            (Some(_), None) => "removed",
            _ => return None,
        };
        Some(Setting { name: name.clone(), change })
    });
    changes.collect()
}

fn instructions(source: &[u8]) -> anyhow::Result<String> {
    let Ok(source) = std::str::from_utf8(source) else { bail!("the source is no UTF-8") };
    let Some(text) = literal::constant(source, CONSTANT) else {
        bail!("the source has no text {CONSTANT}");
    };
    let length = text.chars().count();
    if !LENGTHS.contains(&length) {
        bail!("a text of {length} characters is no set of instructions");
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        bail!("the text holds control characters");
    }
    Ok(text)
}
