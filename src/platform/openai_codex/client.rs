//! Codex clients, known by what they send.

use crate::{domain::HeaderList, wire::json::Value};

/// Names that Codex's clients go by.
const NAMES: [&str; 3] = ["codex_vscode", "codex_cli_rs", "codex_exec"];
/// How the instructions of all of them begin.
const BEGINNING: &str = "You are Codex";
/// Sessions have longer names than this.
const SESSION: usize = 20;
/// Most bytes of instructions that are believed.
const MOST_INSTRUCTIONS: usize = 256 * 1024;

/// Whether a client calls itself Codex; the legacy service asks no more.
pub fn is_codex(headers: &HeaderList) -> bool {
    name(headers).is_some()
}

/// The instructions of a request that is Codex's in every respect that it can be told by.
///
/// What passes here may be shown to the vendor in other clients' names, so it is asked for more than a
/// user agent: the originator has to be the same client, the session has to have a name of the usual
/// length, and the instructions have to be Codex's own.
pub fn is_genuine<'d>(headers: &HeaderList, body: Value<'d>) -> Option<std::borrow::Cow<'d, str>> {
    let name = name(headers)?;
    let originator = headers.get("originator")?;
    let session = headers.get("session_id")?;
    if !originator.eq_ignore_ascii_case(name) || session.chars().count() <= SESSION {
        return None;
    }
    let text = body.get_str("instructions")?;
    (text.starts_with(BEGINNING) && text.len() <= MOST_INSTRUCTIONS).then_some(text)
}

/// The name before the version.
fn name(headers: &HeaderList) -> Option<&'static str> {
    let agent = headers.get("user-agent")?;
    NAMES.into_iter().find(|name| {
        let starts = agent.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        let rest = agent.get(name.len()..).and_then(|rest| rest.strip_prefix('/'));
        let version =
            rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '.'));
        starts && version
    })
}
