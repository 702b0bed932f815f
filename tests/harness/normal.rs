//! Replaces what must differ between two runs by placeholders that can still be compared.
//!
//! Two sources: moments and ids that the run itself knows (shapes, below), and the rules of
//! `tests/conform/rules.json`, each of which names the place, the pattern and the reason.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context, Result, bail};
use jiff::{Timestamp, tz::Offset};
use regex::{Captures, Regex};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha1::Digest as _;

use super::{
    instructions,
    template::{Calendar, HOUR},
};

/// One entry of the rules file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Glob over the path inside an observation; `**` spans segments. `key`: names of Redis keys,
    /// hash fields and JSON members.
    pub at: String,
    /// Regular expression; only what it matches is replaced.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Placeholder.
    #[serde(rename = "as")]
    pub with: String,
    /// Why two correct runs may differ here.
    pub why: String,
    /// Glob over names of scenarios; all when left out.
    #[serde(default)]
    pub scenario: Option<String>,
}

/// Rules and shapes of moments, ready for use.
pub struct Rules {
    rules: Vec<(Rule, Regex)>,
    shapes: Arc<Shapes>,
}

impl Rules {
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let rules: Vec<Rule> = serde_json::from_str(&text)?;
        let compiled = rules.into_iter().map(|rule| {
            if rule.why.is_empty() {
                bail!("a rule without a reason: {}", rule.at);
            }
            let regex = Regex::new(&rule.pattern).with_context(|| rule.pattern.clone())?;
            Ok((rule, regex))
        });
        Ok(Self { rules: compiled.collect::<Result<_>>()?, shapes: Arc::new(Shapes::new()?) })
    }

    /// The rules that hold in one scenario.
    pub fn of(&self, scenario: &str) -> Self {
        let holds =
            |rule: &Rule| rule.scenario.as_ref().is_none_or(|pattern| glob(pattern, scenario));
        let rules = self.rules.iter().filter(|(rule, _)| holds(rule)).cloned().collect();
        Self { rules, shapes: self.shapes.clone() }
    }
}

/// What one run knows about its own moments and ids.
pub struct Normal<'a> {
    pub rules: &'a Rules,
    pub calendar: Calendar,
    pub start_ms: i64,
    pub end_ms: i64,
    /// Exact texts to placeholders, longest first.
    pub names: Vec<(String, String)>,
    /// Calendar parts of the run's start and end.
    span: [Parts; 2],
    /// Near days and their names.
    days: Vec<(String, String)>,
}

/// A moment in the parts that keys are made of.
struct Parts {
    at: i64,
    day: String,
    month: String,
    hour: String,
    utc_day: String,
}

impl Parts {
    fn of(calendar: Calendar, at: i64) -> Self {
        let utc = Calendar { offset_hours: 0 };
        Self {
            at,
            day: calendar.format(at, "%Y-%m-%d"),
            month: calendar.format(at, "%Y-%m"),
            hour: calendar.format(at, "%H"),
            utc_day: utc.format(at, "%Y-%m-%d"),
        }
    }
}

struct Shapes {
    iso: Regex,
    local: Regex,
    zoned: Regex,
    shown: Regex,
    http: Regex,
    millis: Regex,
    seconds: Regex,
}

impl Shapes {
    fn new() -> Result<Self> {
        Ok(Self {
            iso: Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")?,
            local: Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(UTC[+-]\d+\)")?,
            zoned: Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")?,
            shown: Regex::new(r"\b\d{4}/\d{1,2}/\d{1,2} \d\d:\d\d:\d\d\b")?,
            http: Regex::new(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")?,
            millis: Regex::new(r"\b\d{13}(\.\d+)?\b")?,
            seconds: Regex::new(r"\b\d{10}\b")?,
        })
    }
}

/// Longer texts are kept as their digest.
const LONGEST_TEXT: usize = 1_500;

/// Days in keys further away than this belong to the seed.
const NEAR_DAYS: i64 = 40;

/// Moments further away than this belong to the seed, not to the run.
const NEAR_MS: i64 = 400 * 24 * HOUR;

impl<'a> Normal<'a> {
    pub fn new(
        rules: &'a Rules,
        calendar: Calendar,
        span: (i64, i64),
        mut names: Vec<(String, String)>,
    ) -> Self {
        names.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        let (start_ms, end_ms) = span;
        let days = (-NEAR_DAYS..=NEAR_DAYS).map(|days| {
            let day = calendar.format(start_ms + days * 24 * HOUR, "%Y-%m-%d");
            (day, format!("<day{days:+}>"))
        });
        let span = [start_ms, end_ms].map(|at| Parts::of(calendar, at));
        Self { rules, calendar, start_ms, end_ms, names, span, days: days.collect() }
    }

    /// Normalises a value that stands at `path` (segments joined by `/`).
    pub fn value(&self, path: &str, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(path, text)),
            Value::Number(number) => {
                let text = number.to_string();
                let shown = self.text(path, &text);
                if shown == text { value.clone() } else { Value::String(shown) }
            }
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.value(&format!("{path}/{index}"), item))
                    .collect(),
            ),
            Value::Object(members) => {
                let mut out = Map::new();
                for (name, item) in members {
                    let shown = self.key(name);
                    let item = self.value(&format!("{path}/{}", shown.replace('/', "|")), item);
                    match out.get_mut(&shown) {
                        Some(there) => combine(there, item),
                        None => {
                            out.insert(shown, item);
                        }
                    }
                }
                Value::Object(out)
            }
            other => other.clone(),
        }
    }

    /// Normalises one text that stands at `path`.
    pub fn text(&self, path: &str, text: &str) -> String {
        for parts in &self.span {
            for (own, name) in [(&parts.day, "<day>"), (&parts.month, "<month>")] {
                if text == own {
                    return name.to_owned();
                }
            }
        }
        let hidden = instructions::hidden(text);
        let mut text = self.named(hidden.as_deref().unwrap_or(text));
        for (rule, regex) in &self.rules.rules {
            if glob(&rule.at, path) {
                text = regex.replace_all(&text, rule.with.as_str()).into_owned();
            }
        }
        let text = self.moments(&text);
        if text.len() > LONGEST_TEXT {
            let digest = hex::encode(sha1::Sha1::digest(&text));
            return format!("<{} bytes, sha1 {digest}>", text.len());
        }
        text
    }

    /// Normalises a Redis key or member name: ids, calendar parts, moments.
    fn key(&self, key: &str) -> String {
        let mut key = self.named(key);
        for (rule, regex) in self.rules.rules.iter().filter(|(rule, _)| rule.at == "key") {
            key = regex.replace_all(&key, rule.with.as_str()).into_owned();
        }
        if let Some(rest) = key.strip_prefix("request_detail:index:day:")
            && self.span.iter().any(|parts| parts.utc_day == rest)
        {
            return "request_detail:index:day:<utcday>".to_owned();
        }
        for Parts { at, day, month, hour, .. } in &self.span {
            key = replace_week(&key, self.calendar, *at);
            key = key.replace(&format!("{day}:{hour}"), "<day>:<hour>");
            key = key.replace(day, "<day>");
            key = end_replaced(&key, month, "<month>");
            if key.starts_with("system:metrics:minute:") {
                key = end_replaced(&key, &(at / 60_000).to_string(), "<minute>");
            }
        }
        for (day, name) in &self.days {
            if key.contains(day) {
                key = key.replace(day, name);
            }
        }
        self.moments(&key)
    }

    fn named(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (from, to) in &self.names {
            if text.contains(from.as_str()) {
                text = text.replace(from.as_str(), to);
            }
        }
        text
    }

    fn moments(&self, text: &str) -> String {
        let shapes = &self.rules.shapes;
        let text = shapes.iso.replace_all(text, |found: &Captures<'_>| {
            let at = found[0].parse::<Timestamp>().map(Timestamp::as_millisecond);
            at.ok().and_then(|at| self.moment(at, "")).unwrap_or_else(|| found[0].to_owned())
        });
        let text = shapes.local.replace_all(&text, |found: &Captures<'_>| {
            let zone = format!("{:+03}:00", self.calendar.offset_hours);
            let at = format!("{}T{}{zone}", &found[0][..10], &found[0][11..19]);
            at.parse::<Timestamp>()
                .ok()
                .and_then(|at| self.moment(at.as_millisecond(), "local "))
                .unwrap_or_else(|| found[0].to_owned())
        });
        let text = shapes.zoned.replace_all(&text, |found: &Captures<'_>| {
            let at = found[0].parse::<Timestamp>().map(Timestamp::as_millisecond);
            let zone = &found[0][19..];
            at.ok()
                .and_then(|at| self.moment(at, &format!("{zone} ")))
                .unwrap_or_else(|| found[0].to_owned())
        });
        let text = shapes.shown.replace_all(&text, |found: &Captures<'_>| {
            let at = jiff::civil::DateTime::strptime("%Y/%m/%d %H:%M:%S", &found[0]);
            let zone = Offset::constant(self.calendar.offset_hours);
            at.ok()
                .and_then(|at| zone.to_timestamp(at).ok())
                .and_then(|at| self.moment(at.as_millisecond(), "shown "))
                .unwrap_or_else(|| found[0].to_owned())
        });
        let text = shapes.http.replace_all(&text, |found: &Captures<'_>| {
            jiff::fmt::rfc2822::parse(&found[0])
                .ok()
                .and_then(|at| self.moment(at.timestamp().as_millisecond(), "http "))
                .unwrap_or_else(|| found[0].to_owned())
        });
        let text = shapes.millis.replace_all(&text, |found: &Captures<'_>| {
            let at = found[0].split('.').next().and_then(|text| text.parse().ok());
            at.and_then(|at| self.moment(at, "ms ")).unwrap_or_else(|| found[0].to_owned())
        });
        let text = shapes.seconds.replace_all(&text, |found: &Captures<'_>| {
            let at = found[0].parse::<i64>().ok().map(|at| at * 1000);
            at.and_then(|at| self.moment(at, "s ")).unwrap_or_else(|| found[0].to_owned())
        });
        text.into_owned()
    }

    /// All names that fit the moment, `|` between: two runs agree if they share one.
    fn moment(&self, at: i64, spelling: &str) -> Option<String> {
        if (at - self.start_ms).abs() > NEAR_MS {
            return None;
        }
        let mut names = Vec::new();
        if at.rem_euclid(HOUR) == 0 {
            let hours = (at - self.start_ms.div_euclid(HOUR) * HOUR) / HOUR;
            names.push(format!("hour{hours:+}"));
            let utc = Calendar { offset_hours: 0 };
            for (name, calendar) in [("utc-midnight", utc), ("midnight", self.calendar)] {
                let since = at - calendar.midnight(self.start_ms);
                if since % (24 * HOUR) == 0 {
                    names.push(format!("{name}{:+}", since / (24 * HOUR)));
                }
            }
            if at > self.start_ms {
                // A weekly reset is named by its rule: the same one lies seven days earlier.
                let reset = self.calendar.week_rule(at);
                names.push(format!("week{reset}"));
            }
        } else if at >= self.start_ms - 1_500 && at <= self.end_ms + 1_500 {
            names.push("now".to_owned());
        } else {
            let seconds = (at - self.start_ms + 5_000).div_euclid(10_000) * 10;
            names.push(format!("now{seconds:+}"));
        }
        Some(format!("<{spelling}{}>", names.join("|")))
    }
}

/// Two keys of one meaning (a run that crossed a minute): numbers add up, the rest of the later wins.
fn combine(there: &mut Value, item: Value) {
    match (there, item) {
        (Value::Object(there), Value::Object(item)) => {
            for (name, value) in item {
                match there.get_mut(&name) {
                    Some(old) => combine(old, value),
                    None => {
                        there.insert(name, value);
                    }
                }
            }
        }
        (Value::String(there), Value::String(item)) => {
            let sum = there.parse::<i64>().ok().zip(item.parse::<i64>().ok());
            *there = sum.map_or(item, |(a, b)| (a + b).to_string());
        }
        (there, item) => *there = item,
    }
}

/// `YYYY-MM-DDTHH` of a weekly period as `<week:day-hour>` of its reset.
fn replace_week(key: &str, calendar: Calendar, now: i64) -> String {
    let Some(at) = key.find('T').filter(|at| *at >= 10) else { return key.to_owned() };
    let (from, to) = (at - 10, at + 3);
    let Some(text) = key.get(from..to) else { return key.to_owned() };
    let shaped = text.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        _ => byte.is_ascii_digit(),
    });
    if !shaped {
        return key.to_owned();
    }
    for day in 1..=7 {
        for hour in 0..24 {
            let start = calendar.week_start(now, day, hour);
            if calendar.format(start, "%Y-%m-%dT%H") == text {
                return format!("{}<week:{day}-{hour}>{}", &key[..from], &key[to..]);
            }
        }
    }
    key.to_owned()
}

fn end_replaced(key: &str, ending: &str, with: &str) -> String {
    key.strip_suffix(ending).map_or_else(|| key.to_owned(), |rest| format!("{rest}{with}"))
}

/// `*` within a segment, `**` over segments.
pub fn glob(pattern: &str, path: &str) -> bool {
    fn segments(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern.first(), path.first()) {
            (None, None) => true,
            (Some(&"**"), _) => {
                segments(&pattern[1..], path) || (!path.is_empty() && segments(pattern, &path[1..]))
            }
            (Some(one), Some(other)) => {
                wild(one.as_bytes(), other.as_bytes()) && segments(&pattern[1..], &path[1..])
            }
            _ => false,
        }
    }
    fn wild(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some(b'*'), _) => {
                wild(&pattern[1..], text) || (!text.is_empty() && wild(pattern, &text[1..]))
            }
            (Some(a), Some(b)) if a == b => wild(&pattern[1..], &text[1..]),
            _ => false,
        }
    }
    let (pattern, path): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), path.split('/').collect());
    segments(&pattern, &path)
}
