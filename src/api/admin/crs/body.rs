//! Bodies of changes.

use serde::Deserialize;

use crate::rollout::{Command, Phase, Settings};

/// A change as it is asked for. What a change has no use for must not be there.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChangeBody {
    /// Parts of the plan, for `set`.
    settings: Option<Settings>,
    /// Phase, for `rollback`.
    to: Option<Phase>,
    /// Why.
    pub(super) reason: Option<String>,
    /// Overrule red gates.
    pub(super) force: bool,
    /// Only if the record has this version.
    pub(super) expected_version: Option<u64>,
}

impl ChangeBody {
    /// Reads a body for the change called `name`; `None` when there is no such change.
    pub(super) fn read(name: &str, body: &[u8]) -> Option<Result<(Command, Self), String>> {
        if !["set", "advance", "rollback", "pause", "resume"].contains(&name) {
            return None;
        }
        let read = || {
            // A sequence would be taken for the fields in their order.
            if body.trim_ascii_start().first() != Some(&b'{') {
                return Err("the body is no JSON object".to_owned());
            }
            let mut body: Self = serde_json::from_slice(body).map_err(|error| error.to_string())?;
            let (settings, to) = (body.settings.take(), body.to.take());
            let stray =
                (settings.is_some() && name != "set") || (to.is_some() && name != "rollback");
            if stray {
                return Err(format!("{name} takes neither settings nor a phase of another change"));
            }
            let command = match (name, settings) {
                ("set", Some(settings)) => Command::Set(Box::new(settings)),
                ("set", None) => return Err("settings are missing".to_owned()),
                ("advance", _) => Command::Advance,
                ("rollback", _) => Command::Rollback { to },
                ("pause", _) => Command::Pause,
                _ => Command::Resume,
            };
            Ok((command, body))
        };
        Some(read())
    }
}
