//! Rule files: TOML with one `[[rule]]` per rule. What is wrong is told with file and line.

use std::{ops::Range, path::Path};

use regex::Regex;
use serde::{Deserialize, Serializer};
use toml::Spanned;

use super::{Action, Rule, Tolerance, When};
use crate::difference::{DifferenceKind, Plane};

/// Largest rule file.
const LARGEST: u64 = 1024 * 1024;

/// A rule file that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RuleError {
    /// The directory or a file in it cannot be read.
    #[error("{file}: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// Something in it is wrong.
    #[error("{file}:{line}: {why}")]
    Wrong {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// Why.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Spanned<Written>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: Spanned<String>,
    plane: Plane,
    path: Spanned<String>,
    kind: Option<DifferenceKind>,
    #[serde(default)]
    when: When,
    same_but: Option<Spanned<String>>,
    control: Option<Spanned<String>>,
    candidate: Option<Spanned<String>>,
    action: Spanned<String>,
    #[serde(default)]
    tolerance: Tolerance,
    deviation: Option<u32>,
    reason: Spanned<String>,
}

struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn wrong(&self, at: Range<usize>, why: impl Into<String>) -> RuleError {
        let before = self.text.get(..at.start).unwrap_or_default();
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        RuleError::Wrong { file: self.file.to_owned(), line, why: why.into() }
    }
}

pub(super) fn rules(file: &str, text: &str, known: &[Rule]) -> Result<Vec<Rule>, RuleError> {
    let source = Source { file, text };
    let written: File = toml::from_str(text).map_err(|error| {
        source.wrong(error.span().unwrap_or(0..0), error.message().trim().to_owned())
    })?;
    let mut rules: Vec<Rule> = Vec::with_capacity(written.rule.len());
    for entry in written.rule {
        let rule = rule(&source, entry)?;
        if let Some(other) = known.iter().chain(&rules).find(|other| other.id == rule.0.id) {
            let why = format!("rule `{}` exists already, in {}", other.id, other.file);
            return Err(source.wrong(rule.1, why));
        }
        rules.push(rule.0);
    }
    Ok(rules)
}

fn rule(source: &Source<'_>, entry: Spanned<Written>) -> Result<(Rule, Range<usize>), RuleError> {
    let whole = entry.span();
    let written = entry.into_inner();
    let named = |field: &Spanned<String>, name: &str| {
        let empty = field.get_ref().trim().is_empty();
        if empty { Err(source.wrong(field.span(), format!("`{name}` is empty"))) } else { Ok(()) }
    };
    named(&written.id, "id")?;
    named(&written.reason, "reason")?;
    named(&written.path, "path")?;
    if !written.path.get_ref().starts_with('/') && written.path.get_ref() != "**" {
        return Err(source.wrong(written.path.span(), "`path` starts with `/`"));
    }
    let regex = |pattern: &Option<Spanned<String>>, name: &str| {
        let compile = |pattern: &Spanned<String>| {
            Regex::new(pattern.get_ref()).map_err(|error| {
                let why = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
                source.wrong(pattern.span(), format!("`{name}`: {why}"))
            })
        };
        pattern.as_ref().map(compile).transpose()
    };
    let same_but = regex(&written.same_but, "same_but")?;
    let control = regex(&written.control, "control")?;
    let candidate = regex(&written.candidate, "candidate")?;
    let bounds = written.tolerance;
    let action = match (written.action.get_ref().as_str(), written.deviation) {
        ("ignore", None) => Action::Ignore,
        ("tolerance", None) => {
            let named = [bounds.ms, bounds.abs, bounds.rel];
            if named.iter().all(Option::is_none) {
                let why = "`tolerance` needs at least one of `ms`, `abs`, `rel`";
                return Err(source.wrong(whole, why));
            }
            if named.iter().flatten().any(|bound| !bound.is_finite() || *bound < 0.0) {
                return Err(source.wrong(whole, "a tolerance is a number from 0"));
            }
            Action::Tolerance(bounds)
        }
        ("expected", Some(deviation)) => Action::Expected { deviation },
        ("expected", None) => {
            let why = "`expected` needs `deviation`, its number in MIGRATION.md";
            return Err(source.wrong(written.action.span(), why));
        }
        ("ignore" | "tolerance", Some(_)) => {
            return Err(
                source.wrong(written.action.span(), "`deviation` goes with `expected` only")
            );
        }
        (other, _) => {
            let why = format!("`action` is ignore, tolerance or expected, not `{other}`");
            return Err(source.wrong(written.action.span(), why));
        }
    };
    if bounds != Tolerance::default() && !matches!(action, Action::Tolerance(_)) {
        return Err(source.wrong(whole, "`tolerance` bounds go with `action = \"tolerance\"` only"));
    }
    let at = written.id.span();
    let rule = Rule {
        id: written.id.into_inner(),
        file: source.file.to_owned(),
        plane: written.plane,
        path: written.path.into_inner(),
        kind: written.kind,
        when: written.when,
        same_but,
        control,
        candidate,
        action,
        reason: written.reason.into_inner(),
    };
    Ok((rule, at))
}

pub(super) fn directory(directory: &Path) -> Result<Vec<(String, String)>, RuleError> {
    let shown = |path: &Path| path.display().to_string();
    let unreadable = |path: &Path, error: std::io::Error| RuleError::Unreadable {
        file: shown(path),
        why: error.to_string(),
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|error| unreadable(directory, error))? {
        let path = entry.map_err(|error| unreadable(directory, error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let size = std::fs::metadata(path).map_err(|error| unreadable(path, error))?.len();
        if size > LARGEST {
            let why = format!("{size} bytes; a rule file has at most {LARGEST}");
            return Err(RuleError::Unreadable { file: shown(path), why });
        }
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, error))?;
        Ok((shown(path), text))
    };
    files.iter().map(read).collect()
}

#[expect(clippy::ref_option, reason = "serde passes a reference")]
pub(super) fn pattern<S: Serializer>(
    pattern: &Option<Regex>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(pattern.as_ref().map_or("", |pattern| pattern.as_str()))
}
