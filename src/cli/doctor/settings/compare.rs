//! Node's effective values against those of crs, setting by setting.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use super::rule::{FIXED, ROWS, Row, same};
use crate::config::{
    Source,
    table::{Standing, settings},
};

/// A setting in which `config/config.js` and crs differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Place in the configuration object, e.g. `session.stickyTtlHours`.
    pub path: String,
    /// Node's value as text; secrets are not shown.
    pub node: String,
    /// What crs would use; `None` when it has no such setting.
    pub crs: Option<String>,
    /// What to do.
    pub carry: Carry,
}

/// How a value can be carried over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carry {
    /// This line in `.env`.
    Line(String),
    /// This variable removed from `.env`: the edited file does not read it.
    Remove(&'static str),
    /// Not at all, because …
    Cannot(&'static str),
    /// Nothing to do: it has no effect, because …
    NoEffect(&'static str),
}

impl Difference {
    /// Whether crs would behave differently.
    pub fn matters(&self) -> bool {
        !matches!(self.carry, Carry::NoEffect(_))
    }

    /// One line for the operator.
    pub fn advice(&self) -> String {
        let values = match &self.crs {
            Some(crs) => format!("Node {}, crs {crs}", self.node),
            None => format!("Node {}", self.node),
        };
        match &self.carry {
            Carry::Line(line) => format!("{values}: put into .env: {line}"),
            Carry::Remove(name) => format!("{values}: remove {name} from .env"),
            Carry::Cannot(why) => format!("{values}: cannot be carried over, {why}"),
            Carry::NoEffect(why) => format!("{values}: no effect, {why}"),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let (line, note) = match &self.carry {
            Carry::Line(line) => (Some(line.as_str()), None),
            Carry::Remove(_) => {
                (None, Some("the variable in .env is not read by config.js: remove it"))
            }
            Carry::Cannot(why) | Carry::NoEffect(why) => (None, Some(*why)),
        };
        json!({
            "path": self.path,
            "node": self.node,
            "crs": self.crs,
            "line": line,
            "note": note,
            "matters": self.matters(),
        })
    }
}

/// Variables that the service also reads itself, whatever the file says.
const READ_DIRECTLY: &[&str] = &[
    "BALANCE_SCRIPT_ENABLED",
    "CLAUDE_5H_WARNING_MAX_NOTIFICATIONS",
    "LOG_LEVEL",
    "NODE_ENV",
    "UPSTREAM_ERROR_503_TTL_SECONDS",
    "UPSTREAM_ERROR_MAX_CUSTOM_TTL_SECONDS",
];

/// Of them, those that win over the file.
const ENVIRONMENT_FIRST: &[&str] = &["CLAUDE_5H_WARNING_MAX_NOTIFICATIONS", "LOG_LEVEL"];

/// Settings whose users take 0 for the default, whatever set them.
const ZERO_IS_DEFAULT: &[&str] =
    &["requestTimeout", "session.stickyTtlHours", "system.metricsWindow", "system.timezoneOffset"];

/// All differences between the leaves of the configuration object and what crs takes from `source`.
pub(super) fn differences(
    leaves: &BTreeMap<String, Value>,
    source: &dyn Source,
    dir: &Path,
) -> Vec<Difference> {
    let mut found = Vec::new();
    for row in ROWS {
        found.extend(match leaves.get(row.path) {
            Some(node) => differing(row, node, source),
            None => unread(row, leaves, source),
        });
    }
    for (path, node) in leaves {
        if ROWS.iter().any(|row| row.path == path) {
            continue;
        }
        found.extend(match path.as_str() {
            "logging.dirname" => log_folder(node, source, dir),
            "redis.lazyConnect" => None,
            _ => fixed(path, node),
        });
    }
    found
}

fn differing(row: &Row, node: &Value, source: &dyn Source) -> Option<Difference> {
    let text = source.get(row.name).filter(|text| !text.is_empty());
    if text.is_some() && ENVIRONMENT_FIRST.contains(&row.name) {
        return None;
    }
    let crs = row.rule.value(text.as_deref());
    let unset = node.is_null() || same(node, &json!(0));
    if same(&crs, node)
        || unset && ZERO_IS_DEFAULT.contains(&row.path) && same(&crs, &row.rule.value(None))
    {
        return None;
    }
    let carry = match standing(row.name) {
        Some(Standing::Dead) => Carry::NoEffect("nothing depends on it, there or here"),
        None => Carry::Cannot("crs does not have this setting"),
        Some(_) => match row.rule.text_for(node) {
            Some(text) if is_secret(row.path) => {
                drop(text);
                Carry::Line(format!("{}=<the value in config/config.js>", row.name))
            }
            Some(text) => Carry::Line(format!("{}={}", row.name, quoted(&text))),
            None => Carry::Cannot("no text of the variable gives this value"),
        },
    };
    let shown = |value: &Value| shown(row.path, value);
    Some(Difference { path: row.path.to_owned(), node: shown(node), crs: Some(shown(&crs)), carry })
}

/// An edited or older file may lack a setting that crs would take from the environment.
fn unread(row: &Row, leaves: &BTreeMap<String, Value>, source: &dyn Source) -> Option<Difference> {
    if leaves.is_empty() || READ_DIRECTLY.contains(&row.name) {
        return None;
    }
    let text = source.get(row.name)?;
    let (with, without) = (row.rule.value(Some(&text)), row.rule.value(None));
    let used = standing(row.name).is_some_and(|standing| standing != Standing::Dead);
    (used && !same(&with, &without)).then(|| Difference {
        path: row.path.to_owned(),
        node: "(not in the file)".to_owned(),
        crs: Some(shown(row.path, &with)),
        carry: Carry::Remove(row.name),
    })
}

fn log_folder(node: &Value, source: &dyn Source, dir: &Path) -> Option<Difference> {
    let folder = node.as_str()?;
    let own = source.get("CRS_LOG_DIR").filter(|own| !own.is_empty());
    let own = own.unwrap_or_else(|| "logs".to_owned());
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let home = dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf());
    (absolute(Path::new(folder)) != absolute(&home.join(&own))).then(|| Difference {
        path: "logging.dirname".to_owned(),
        node: folder.to_owned(),
        crs: Some(own),
        carry: Carry::Line(format!("CRS_LOG_DIR={}", quoted(folder))),
    })
}

fn fixed(path: &str, node: &Value) -> Option<Difference> {
    let known = FIXED
        .iter()
        .find(|(own, ..)| path == *own || (own.ends_with('.') && path.starts_with(own)));
    let carry = match known {
        Some((_, Some(used), _)) if same(&json!(used), node) => return None,
        Some((_, None, _)) if node.is_null() => return None,
        Some((.., why)) => Carry::Cannot(why),
        None => Carry::NoEffect("the service does not read it"),
    };
    let crs = known.and_then(|(_, used, _)| *used).map(|used| json!(used).to_string());
    Some(Difference { path: path.to_owned(), node: shown(path, node), crs, carry })
}

fn standing(name: &str) -> Option<Standing> {
    settings().find(|setting| setting.name == name).map(|setting| setting.standing)
}

fn shown(path: &str, value: &Value) -> String {
    match value {
        _ if is_secret(path) && value.as_str() != Some("") => "(secret)".to_owned(),
        Value::Null => "(unset)".to_owned(),
        Value::String(text) if text.is_empty() => "(empty)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Anything that smells of a secret, known setting or not.
fn is_secret(path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or(path).to_lowercase();
    ["secret", "password", "credential", "encryptionkey", "token", "apikey", "salt"]
        .iter()
        .any(|word| name.contains(word))
        && !matches!(name.as_str(), "apikeyprefix" | "defaulttokenlimit" | "tokenusageretention")
        && !name.starts_with("max")
        && name != "allowuserdeleteapikeys"
}

/// A value as `.env` needs it.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty()
        && text.trim() == text
        && !text.contains(['#', '\n', '\r'])
        && !text.starts_with(['\'', '"', '`']);
    if plain || text.is_empty() {
        return text.to_owned();
    }
    let quote = ['\'', '`', '"'].into_iter().find(|quote| !text.contains(*quote)).unwrap_or('\'');
    format!("{quote}{text}{quote}")
}
