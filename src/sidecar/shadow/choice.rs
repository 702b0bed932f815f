//! Which account served a request, as its changes to the database tell; neither service says it outright.

use std::collections::HashMap;

use compat::store::Reply;
use serde_json::Value;
use shadow::AccountChoice;

use crate::sidecar::tap::NodeTrace;

/// Records of accounts by their key's start: kind and platform.
const ACCOUNTS: [(&str, &str, &str); 10] = [
    ("claude:account:", "claude-official", "claude"),
    ("claude_console_account:", "claude-console", "claude"),
    ("ccr_account:", "ccr", "claude"),
    ("bedrock_account:", "bedrock", "claude"),
    ("openai:account:", "openai", "openai"),
    ("openai_responses_account:", "openai-responses", "openai"),
    ("azure_openai:account:", "azure-openai", "openai"),
    ("gemini_account:", "gemini", "gemini"),
    ("gemini_api_account:", "gemini-api", "gemini"),
    ("droid:account:", "droid", "droid"),
];

/// The account that was used: its record notes the use, or else the record of the usage names it.
pub fn of_effects(effects: &Value) -> Option<AccountChoice> {
    let effects = effects.as_object()?;
    let used = |change: &Value| change["fields"].get("lastUsedAt").is_some();
    let mut touched: Vec<_> = effects
        .iter()
        .filter_map(|(key, change)| {
            let (start, kind, platform) =
                ACCOUNTS.iter().find(|(start, ..)| key.starts_with(start))?;
            let id = key.get(start.len()..).filter(|id| !id.is_empty() && !id.contains(':'))?;
            Some((used(change), *kind, id, *platform))
        })
        .collect();
    touched.sort_by_key(|(used, ..)| !used);
    let booked = || {
        let mut records = effects.iter().filter(|(key, _)| key.starts_with("usage:records:"));
        let record = &records.next()?.1["head"][0];
        let (kind, id) = (record["accountType"].as_str()?, record["accountId"].as_str()?);
        let (_, kind, platform) = ACCOUNTS.iter().find(|(_, known, _)| *known == kind)?;
        Some((*kind, id, *platform))
    };
    let touched = touched.first().map(|(_, kind, id, platform)| (*kind, *id, *platform));
    let (kind, id, platform) = touched.or_else(booked)?;
    Some(AccountChoice {
        kind: kind.to_owned(),
        id: id.to_owned(),
        platform: platform.to_owned(),
        reasons: Vec::new(),
    })
}

/// Whether Node read an account twice and found another token the second time, which it had not written
/// itself: which of the two the second run should have used, nobody knows.
pub fn token_moved(trace: &NodeTrace) -> bool {
    let mut seen: HashMap<&[u8], &[u8]> = HashMap::new();
    for command in &trace.commands {
        let [name, key, rest @ ..] = command.words.as_slice() else { continue };
        if !ACCOUNTS.iter().any(|(start, ..)| key.starts_with(start.as_bytes())) {
            continue;
        }
        if name.eq_ignore_ascii_case(b"HSET") || name.eq_ignore_ascii_case(b"HMSET") {
            let written = rest.chunks_exact(2).find(|pair| pair[0] == TOKEN);
            if let Some(pair) = written {
                seen.insert(key, &pair[1]);
            }
        } else if name.eq_ignore_ascii_case(b"HGETALL")
            && let Some(Reply::Array(fields)) = &command.reply
            && let Some(token) = field(fields)
            && seen.insert(key, token).is_some_and(|before| before != token)
        {
            return true;
        }
    }
    false
}

/// Field of an account's record that holds its access token.
const TOKEN: &str = "accessToken";

fn field(fields: &[Reply]) -> Option<&[u8]> {
    fields.chunks_exact(2).find_map(|pair| match pair {
        [Reply::Data(name), Reply::Data(value)] if name == TOKEN => Some(value.as_ref()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sidecar::tap::Command;

    fn named(effects: &Value) -> Option<(String, String)> {
        of_effects(effects).map(|choice| (choice.kind, choice.id))
    }

    #[test]
    fn the_record_that_notes_the_use_is_the_account() {
        let effects = json!({
            "claude:account:a": { "fields": { "status": { "=": "active" } } },
            "claude_console_account:b": { "fields": { "lastUsedAt": { "=": "now" } } },
        });
        assert_eq!(named(&effects), Some(("claude-console".into(), "b".into())));
    }

    #[test]
    fn the_usage_names_the_account_when_no_record_does() {
        let record = json!({ "accountId": "a", "accountType": "claude-official" });
        let effects = json!({ "usage:records:k": { "type": "list", "head": [record] } });
        assert_eq!(named(&effects), Some(("claude-official".into(), "a".into())));
        assert_eq!(named(&json!({ "usage:k": { "fields": {} } })), None);
    }

    fn command(words: &[&str], reply: Reply) -> Command {
        let words = words.iter().map(|word| word.to_string().into()).collect();
        Command { ms: 0.0, words, reply: Some(reply) }
    }

    fn read(token: &str) -> Command {
        let words = ["id", "a", TOKEN, token].map(|word| Reply::Data(word.to_owned().into()));
        command(&["hgetall", "claude:account:a"], Reply::Array(words.to_vec()))
    }

    fn moved(commands: Vec<Command>) -> bool {
        token_moved(&NodeTrace { commands, ..NodeTrace::default() })
    }

    #[test]
    fn a_token_that_another_request_changed_is_noticed() {
        let own = command(&["hset", "claude:account:a", TOKEN, "new"], Reply::Int(0));
        assert!(moved(vec![read("old"), read("new")]));
        assert!(!moved(vec![read("old"), read("old")]));
        assert!(!moved(vec![read("old"), own, read("new")]), "changed by the request itself");
    }
}
