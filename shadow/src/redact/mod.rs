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

    /// A body: JSON, event stream or text. One that is no text is kept only as its length when
    /// prompts are to be replaced, since nobody can look into it.
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
        } else {
            text.split_inclusive('\n').map(|line| self.line(line)).collect()
        };
        if redacted != text {
            *body = Body::cut(redacted, left_out);
        }
    }

    fn line(&self, line: &str) -> String {
        let Some(rest) = line.strip_prefix("data:") else { return secrets::text(line) };
        let data = rest.trim_start_matches(' ').trim_end_matches(['\n', '\r']);
        match serde_json::from_str::<Value>(data) {
            Ok(mut value) if value.is_object() || value.is_array() => {
                let before = value.clone();
                self.value(&mut value);
                if before == value {
                    return line.to_owned();
                }
                let end = &rest.trim_start_matches(' ')[data.len()..];
                format!("data: {value}{end}")
            }
            _ => secrets::text(line),
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
