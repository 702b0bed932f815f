//! `${…}` in scenario texts: ids, secrets and moments that only a run knows.
//!
//! | form | gives |
//! |---|---|
//! | `${key:K}` `${keyid:K}` `${keyhash:K}` | plain API key, its record id, its lookup hash |
//! | `${acc:A}` `${group:G}` `${uuid:X}` | ids derived from the scenario's name and the alias |
//! | `${hex64:X}` | 64 hex digits derived the same way |
//! | `${session}` `${sha256:text}` | the session that a Codex client names; a digest in hex, `session` that of the former |
//! | `${iso:+60}` `${ms:-5}` `${s:+3600}` `${rfc:+60}` | now plus seconds, in four spellings |
//! | `${day:-1}` `${utcday}` `${month}` `${hour}` `${minute}` `${week:1-0}` | calendar parts of keys |
//! | `${resethour}` | Unix seconds of the next full hour but one |
//! | `${got:NAME}` | what an operation kept under the name |
//! | `${repeat:200:ab}` | the text so many times |

use anyhow::{Context, Result, bail};
use jiff::{Timestamp, tz::Offset};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::crypto::Vault;

/// What `${…}` may refer to during one run of one scenario.
pub struct Run<'a> {
    pub scenario: &'a str,
    pub vault: &'a Vault,
    pub calendar: Calendar,
    pub now_ms: i64,
}

/// The service's fixed-offset calendar.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    pub offset_hours: i8,
}

impl Calendar {
    /// Calendar of a service environment: leading integer of `TIMEZONE_OFFSET`, 0 and junk are 8.
    pub fn of(offset: Option<&str>) -> Self {
        let offset_hours = offset
            .map(|text| text.trim().split('.').next().unwrap_or_default().to_owned())
            .and_then(|text| text.parse().ok())
            .filter(|hours| *hours != 0)
            .unwrap_or(8);
        Self { offset_hours }
    }

    pub fn format(self, ms: i64, format: &str) -> String {
        let zone = Offset::constant(self.offset_hours).to_time_zone();
        Timestamp::from_millisecond(ms)
            .map(|at| at.to_zoned(zone).strftime(format).to_string())
            .unwrap_or_default()
    }

    /// Start of the local day that holds the moment.
    pub fn midnight(self, ms: i64) -> i64 {
        let shift = i64::from(self.offset_hours) * HOUR;
        (ms + shift).div_euclid(24 * HOUR) * 24 * HOUR - shift
    }

    /// Day (1 is Monday) and hour of a weekly reset at the moment, `day-hour`.
    pub fn week_rule(self, ms: i64) -> String {
        let local = ms + i64::from(self.offset_hours) * HOUR;
        let weekday = (local.div_euclid(24 * HOUR) + 3).rem_euclid(7) + 1;
        format!("{weekday}-{}", local.rem_euclid(24 * HOUR) / HOUR)
    }

    /// Last weekly reset at or before the moment (day 1 is Monday).
    pub fn week_start(self, ms: i64, day: i64, hour: i64) -> i64 {
        let shift = i64::from(self.offset_hours) * HOUR;
        let days = (ms + shift).div_euclid(24 * HOUR);
        // 1970-01-01 was a Thursday.
        let weekday = (days + 3).rem_euclid(7) + 1;
        let mut start = (days - (weekday - day).rem_euclid(7)) * 24 * HOUR + hour * HOUR - shift;
        if start > ms {
            start -= 7 * 24 * HOUR;
        }
        start
    }
}

pub const HOUR: i64 = 3_600_000;

/// Same scenario, kind and alias give the same UUID in every run.
pub fn derived_uuid(scenario: &str, kind: &str, alias: &str) -> String {
    let digest = Sha256::digest(format!("{scenario}/{kind}/{alias}"));
    let mut bytes: [u8; 16] = digest[..16].try_into().unwrap_or_default();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    uuid::Uuid::from_bytes(bytes).to_string()
}

/// Same scenario and alias give the same 64 hex digits in every run.
pub fn derived_hex(scenario: &str, kind: &str, alias: &str) -> String {
    hex::encode(Sha256::digest(format!("{scenario}/{kind}/{alias}/hex")))
}

impl Run<'_> {
    pub fn plain_key(&self, alias: &str) -> String {
        format!("cr_{}", derived_hex(self.scenario, "key", alias))
    }

    pub fn key_id(&self, alias: &str) -> String {
        derived_uuid(self.scenario, "key", alias)
    }

    pub fn account_id(&self, alias: &str) -> String {
        derived_uuid(self.scenario, "account", alias)
    }

    pub fn group_id(&self, alias: &str) -> String {
        derived_uuid(self.scenario, "group", alias)
    }

    pub fn iso(&self, seconds: i64) -> String {
        let at = Timestamp::from_millisecond(self.now_ms + seconds * 1000).unwrap_or_default();
        at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
    }

    /// Replaces every `${…}` in all strings and member names of a value.
    pub fn expand(&self, value: &Value) -> Result<Value> {
        Ok(match value {
            Value::String(text) => Value::String(self.expand_text(text)?),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.expand(item)).collect::<Result<_>>()?)
            }
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, item)| Ok((self.expand_text(name)?, self.expand(item)?)))
                    .collect::<Result<_>>()?,
            ),
            other => other.clone(),
        })
    }

    pub fn expand_text(&self, text: &str) -> Result<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            out.push_str(&rest[..start]);
            let end = rest[start..].find('}').context("unclosed ${")? + start;
            out.push_str(&self.term(&rest[start + 2..end])?);
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    fn term(&self, term: &str) -> Result<String> {
        let (kind, argument) = term.split_once(':').unwrap_or((term, ""));
        let number = || -> Result<i64> {
            if argument.is_empty() { Ok(0) } else { argument.parse().context(term.to_owned()) }
        };
        let day_ms = |days: i64| self.now_ms + days * 24 * HOUR;
        Ok(match kind {
            "key" => self.plain_key(argument),
            "keyid" => self.key_id(argument),
            "keyhash" => self.vault.key_hash(&self.plain_key(argument)),
            "acc" => self.account_id(argument),
            "group" => self.group_id(argument),
            "uuid" => derived_uuid(self.scenario, "uuid", argument),
            "session" => super::openai::session(self),
            "sha256" if argument == "session" => {
                hex::encode(Sha256::digest(super::openai::session(self)))
            }
            "sha256" => hex::encode(Sha256::digest(argument)),
            "hex64" => derived_hex(self.scenario, "hex", argument),
            "iso" => self.iso(number()?),
            "ms" => (self.now_ms + number()? * 1000).to_string(),
            "s" => (self.now_ms / 1000 + number()?).to_string(),
            "rfc" => {
                let at = Timestamp::from_millisecond(self.now_ms + number()? * 1000)?;
                at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
            }
            "resethour" => ((self.now_ms / HOUR + 2) * 3600).to_string(),
            "day" => self.calendar.format(day_ms(number()?), "%Y-%m-%d"),
            "utcday" => Calendar { offset_hours: 0 }.format(day_ms(number()?), "%Y-%m-%d"),
            "month" => self.calendar.format(self.now_ms, "%Y-%m"),
            "hour" => self.calendar.format(self.now_ms, "%H"),
            "minute" => (self.now_ms / 60_000).to_string(),
            "week" => {
                let (day, hour) = argument.split_once('-').unwrap_or(("1", "0"));
                let start = self.calendar.week_start(self.now_ms, day.parse()?, hour.parse()?);
                self.calendar.format(start, "%Y-%m-%dT%H")
            }
            // Known once an operation was carried out.
            "got" => format!("${{got:{argument}}}"),
            "repeat" => {
                let (count, unit) = argument.split_once(':').context("repeat:N:text")?;
                unit.repeat(count.parse()?)
            }
            other => bail!("unknown ${{{other}}}"),
        })
    }
}
