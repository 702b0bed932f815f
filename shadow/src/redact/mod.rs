//! Secrets and prompts out of what is kept.
//!
//! A secret becomes `[secret <digest>]`, so that one still sees whether two sides used the same one.
//! A prompt becomes letters of the same length; equal texts stay equal within one [`Redactor`].

mod prompts;
mod secrets;

use rand::RngCore;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    body::Body,
    difference::Finding,
    observation::{Admission, Headers, Observation},
};

/// Longest value that a finding shows, in bytes.
const SHOWN: usize = 2048;

/// Replaces secrets, and prompts when it is told to.
#[derive(Clone, Debug)]
pub struct Redactor {
    prompts: bool,
    salt: [u8; 16],
}

impl Redactor {
    /// A redactor with a salt of its own: stand-ins of two redactors cannot be compared.
    pub fn new(prompts: bool) -> Self {
        let mut salt = [0; 16];
        rand::rng().fill_bytes(&mut salt);
        Self { prompts, salt }
    }

    /// Everything of an observation.
    pub fn observation(&self, observation: &mut Observation) {
        observation.request.path = secrets::url(&observation.request.path);
        if let Admission::Rejected { body, .. } = &mut observation.admission {
            self.body(body);
        }
        for exchange in observation.upstream.iter_mut().flatten() {
            exchange.url = secrets::url(&exchange.url);
            headers(&mut exchange.headers);
            self.body(&mut exchange.body);
            if let Some(answer) = &mut exchange.answer {
                headers(&mut answer.headers);
                self.body(&mut answer.body);
            }
        }
        if let Some(response) = &mut observation.response {
            headers(&mut response.headers);
            self.body(&mut response.body);
        }
        if let Some(effects) = &mut observation.effects {
            self.value(effects);
        }
        if let Some(account) = &mut observation.account {
            for reason in &mut account.reasons {
                *reason = secrets::text(reason);
            }
        }
    }

    /// Header values.
    pub fn headers(&self, list: &mut Headers) {
        headers(list);
    }

    /// A URL or path with query.
    pub fn url(&self, url: &str) -> String {
        secrets::url(url)
    }

    /// A body: JSON, event stream or text. When prompts are to be replaced, a body that is no text is
    /// kept as its length only, and other text (also JSON that was cut) becomes letters, since nobody
    /// can tell what is content in it. Decode compressed bodies before.
    pub fn body(&self, body: &mut Body) {
        let left_out = body.left_out();
        let Some(text) = body.text() else {
            if self.prompts {
                let length = body.bytes().len() as u64;
                *body = Body::cut("", left_out + length);
            }
            return;
        };
        let redacted = if let Some(mut value) = body.json() {
            let before = value.clone();
            self.value(&mut value);
            // Spelling survives when nothing had to be replaced.
            if before == value { text.to_owned() } else { value.to_string() }
        } else if is_stream(text) {
            text.split_inclusive('\n').map(|line| self.line(line)).collect()
        } else {
            self.plain(&secrets::text(text))
        };
        if redacted != text {
            *body = Body::cut(redacted, left_out);
        }
    }

    fn line(&self, line: &str) -> String {
        let Some(rest) = line.strip_prefix("data:") else { return secrets::text(line) };
        let data = rest.trim_start_matches(' ').trim_end_matches(['\n', '\r']);
        let end = &rest.trim_start_matches(' ')[data.len()..];
        match serde_json::from_str::<Value>(data) {
            Ok(mut value) if value.is_object() || value.is_array() => {
                let before = value.clone();
                self.value(&mut value);
                if before == value { line.to_owned() } else { format!("data: {value}{end}") }
            }
            // `[DONE]`
            _ if data.len() < 16 && data.starts_with('[') && data.ends_with(']') => line.to_owned(),
            _ => format!("data: {}{end}", self.plain(&secrets::text(data))),
        }
    }

    fn plain(&self, text: &str) -> String {
        if self.prompts { self.stand_in(text) } else { text.to_owned() }
    }

    /// Values of a finding, by the name they stand under. A text that was cut or that stands for a
    /// whole body cannot be looked into, so it becomes letters.
    pub fn finding(&self, finding: &mut Finding) {
        let path = &finding.difference.path;
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let whole = matches!(name.as_str(), "body" | "bytes");
        let sides = [&mut finding.difference.control, &mut finding.difference.candidate];
        for value in sides.into_iter().flatten() {
            match value {
                Value::String(text) if self.prompts && (whole || is_long(text)) => {
                    *text = self.stand_in(text);
                }
                value => {
                    let mut named = serde_json::json!({ (name.as_str()): value.take() });
                    self.value(&mut named);
                    *value = named.get_mut(&name).map(Value::take).unwrap_or_default();
                }
            }
        }
    }

    /// A JSON value.
    pub fn value(&self, value: &mut Value) {
        secrets::value(value);
        if self.prompts {
            prompts::value(value, &|text| self.stand_in(text));
        }
    }

    /// Letters in the place of a text, as many as it has characters.
    fn stand_in(&self, text: &str) -> String {
        let mut hash = Sha256::new().chain_update(self.salt).chain_update(text).finalize();
        let mut letters = String::with_capacity(text.len());
        let mut at = 0;
        for character in text.chars() {
            if at == hash.len() {
                hash = Sha256::digest(hash);
                at = 0;
            }
            let blank = character.is_whitespace();
            letters.push(if blank { character } else { char::from(b'a' + hash[at] % 26) });
            at += 1;
        }
        letters
    }
}

/// Lines of an event stream, whatever they begin with.
fn is_stream(text: &str) -> bool {
    let mut starts = text.lines().take(8);
    let marks = ["data:", "event:", "id:", "retry:", ":"];
    starts.any(|line| marks[..2].iter().any(|mark| line.starts_with(mark)))
        && text.lines().all(|line| line.is_empty() || marks.iter().any(|m| line.starts_with(m)))
}

/// Longer than a name, a kind or a stop reason.
fn is_long(text: &str) -> bool {
    text.chars().count() > 64 || text.split_whitespace().count() > 4
}

fn headers(list: &mut Headers) {
    for (name, value) in list {
        *value = secrets::header(name, value);
    }
}

/// Secrets out of a finding's values, and long values cut.
pub(crate) fn finding(finding: &mut Finding) {
    let path = finding.difference.path.clone();
    let name = path.rsplit('/').next().unwrap_or_default();
    let header = path.contains("/headers/") || path.contains("/url");
    let sides = [&mut finding.difference.control, &mut finding.difference.candidate];
    for value in sides.into_iter().flatten() {
        if header && let Value::String(text) = value {
            *text = if path.contains("/url") && !path.contains("/query/") {
                secrets::url(text)
            } else {
                secrets::header(name, text)
            };
        }
        secrets::named(name, value);
        shorten(value);
    }
}

fn shorten(value: &mut Value) {
    let text = match value {
        Value::String(text) if text.len() > SHOWN => std::mem::take(text),
        Value::Object(_) | Value::Array(_) => {
            let text = value.to_string();
            if text.len() <= SHOWN {
                return;
            }
            text
        }
        _ => return,
    };
    let end = (0..=SHOWN).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    *value = Value::from(format!("{}… ({} bytes)", &text[..end], text.len()));
}

#[cfg(test)]
mod tests;
