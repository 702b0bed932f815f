//! What commands are given: bodies, secrets and settings from files, standard input and arguments.
//!
//! Secrets come from files or standard input, never from the command line alone, where every user of
//! the machine can read them.

use std::{
    fs,
    io::{self, BufRead, IsTerminal, Read, Write},
};

use anyhow::{Context, anyhow, bail};
use serde_json::{Map, Value};

/// Members that hold secrets, under the names of the admin API.
const SECRET: [&str; 11] = [
    "apiKey",
    "refreshToken",
    "accessToken",
    "password",
    "bearerToken",
    "awsCredentials",
    "claudeAiOauth",
    "openaiOauth",
    "idToken",
    "sessionKey",
    "proxy",
];

/// The text of a file, or of standard input for `-`, without the line's end.
///
/// # Errors
/// When it cannot be read. A name that leads nowhere is not repeated: somebody may have given the secret
/// itself.
pub(super) fn text(from: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    if from == "-" {
        io::stdin().lock().read_to_string(&mut text).context("cannot read standard input")?;
    } else {
        text = fs::read_to_string(from).map_err(|error| {
            if fs::symlink_metadata(from).is_ok() {
                return anyhow!("cannot read {from}: {error}");
            }
            anyhow!(
                "there is no file of the name that was given: secrets and bodies come from a file, \
                 or from standard input with -, never from the command line itself"
            )
        })?;
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// The JSON object in a file, or on standard input for `-`.
///
/// # Errors
/// When it cannot be read or is something else. The text itself is not repeated: it may be secret.
pub(super) fn object(from: &str) -> anyhow::Result<Map<String, Value>> {
    match serde_json::from_str(&text(from)?) {
        Ok(Value::Object(members)) => Ok(members),
        _ => bail!("{} does not hold one JSON object", shown(from)),
    }
}

/// The JSON list in a file, or on standard input for `-`.
///
/// # Errors
/// When it cannot be read or is something else.
pub(super) fn list(from: &str) -> anyhow::Result<Vec<Value>> {
    match serde_json::from_str(&text(from)?) {
        Ok(Value::Array(items)) => Ok(items),
        _ => bail!("{} does not hold one JSON list", shown(from)),
    }
}

fn shown(from: &str) -> &str {
    if from == "-" { "standard input" } else { from }
}

/// A proxy: `@FILE`, `-` for standard input, or the JSON itself, which may hold no password then.
///
/// # Errors
/// When it cannot be read or is no JSON object, or a password was given in the open.
pub(super) fn proxy(given: &str) -> anyhow::Result<Value> {
    let file = given.strip_prefix('@').or_else(|| (given == "-").then_some("-"));
    if let Some(file) = file {
        return Ok(Value::Object(object(file)?));
    }
    let Ok(Value::Object(proxy)) = serde_json::from_str(given) else {
        bail!(
            "a proxy is JSON like {{\"type\":\"socks5\",\"host\":\"127.0.0.1\",\"port\":1080}}, \
             or @FILE with it"
        );
    };
    if proxy.get("password").is_some_and(|own| own.as_str() != Some("")) {
        bail!("a proxy with a password comes from a file: --proxy @FILE");
    }
    Ok(Value::Object(proxy))
}

/// `FIELD=VALUE` as a member: the value is JSON where it is some, else text.
///
/// # Errors
/// Without `=`, or for a field that holds a secret.
pub(super) fn setting(given: &str) -> anyhow::Result<(String, Value)> {
    let Some((name, value)) = given.split_once('=') else {
        bail!("--set takes FIELD=VALUE");
    };
    if SECRET.contains(&name) {
        bail!("{name} is secret: give it in a file, with --body or its own option");
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((name.to_owned(), value))
}

/// The body that a file and single settings make; settings win.
///
/// # Errors
/// A file that cannot be read, or a setting of another form.
pub(super) fn body(file: Option<&str>, settings: &[String]) -> anyhow::Result<Map<String, Value>> {
    let mut body = file.map(object).transpose()?.unwrap_or_default();
    for given in settings {
        let (name, value) = setting(given)?;
        body.insert(name, value);
    }
    Ok(body)
}

/// Whether somebody is there to answer questions.
pub(super) fn is_attended() -> bool {
    io::stdin().is_terminal()
}

/// Asks on the terminal; `None` when nobody is there to answer.
///
/// # Errors
/// When the terminal cannot be read.
pub(super) fn ask(question: &str) -> anyhow::Result<Option<String>> {
    if !is_attended() {
        return Ok(None);
    }
    let mut out = io::stderr();
    write!(out, "{question} ").and_then(|()| out.flush())?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(Some(line.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_json_or_text() {
        assert_eq!(setting("priority=7").unwrap(), ("priority".into(), json!(7)));
        assert_eq!(setting("name=a=b").unwrap(), ("name".into(), json!("a=b")));
        assert!(setting("priority").is_err());
    }

    #[test]
    fn what_is_no_file_is_not_repeated() {
        let error = format!("{:#}", text("sk-given-in-place-of-a-file").unwrap_err());
        assert!(!error.contains("sk-given"), "{error}");
        assert!(error.contains("standard input with -"));
        let error = format!("{:#}", text(env!("CARGO_MANIFEST_DIR")).unwrap_err());
        assert!(error.contains(env!("CARGO_MANIFEST_DIR")), "{error}");
    }

    #[test]
    fn secrets_do_not_come_from_the_command_line() {
        assert!(setting("apiKey=x").is_err());
        assert!(proxy(r#"{"type":"http","host":"h","port":1,"password":"x"}"#).is_err());
        assert!(proxy(r#"{"type":"http","host":"h","port":1}"#).is_ok());
    }
}
