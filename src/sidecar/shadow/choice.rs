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
    ("azure_openai:account:", "azure-openai", "azure"),
    ("gemini_account:", "gemini", "gemini"),
    ("gemini_api_account:", "gemini-api", "gemini"),
    ("droid:account:", "droid", "droid"),
];

/// The account that was used: its record notes the use, or else the record of the usage names it. Failing
/// both, the one whose record or cool-down changed, or that the session is with.
pub fn of_effects(effects: &Value) -> Option<AccountChoice> {
    let effects = effects.as_object()?;
    let used = |change: &Value| change["fields"].get("lastUsedAt").is_some();
    let touched: Vec<_> = effects
        .iter()
        .filter_map(|(key, change)| {
            let (start, kind, platform) =
                ACCOUNTS.iter().find(|(start, ..)| key.starts_with(start))?;
            let id = key.get(start.len()..).filter(|id| is_id(id))?;
            Some((used(change), *kind, id, *platform))
        })
        .collect();
    let of_kind = |kind: &str, id: &str| {
        let (_, kind, platform) = ACCOUNTS.iter().find(|(_, known, _)| *known == kind)?;
        Some((*kind, id.to_owned(), *platform))
    };
    let stated = |record: &Value| {
        let record = parsed(record);
        of_kind(record["accountType"].as_str()?, record["accountId"].as_str()?)
    };
    let of_key = |start: &'static str| {
        effects.iter().filter_map(move |(key, change)| Some((key.strip_prefix(start)?, change)))
    };
    let booked = || of_key("usage:records:").find_map(|(_, change)| stated(&change["head"][0]));
    // Bedrock accounts keep no trace of a use: the mark of a failure or the session's mapping names them.
    let marked = || {
        of_key("temp_unavailable:").find_map(|(rest, _)| {
            let (kind, id) = rest.split_once(':')?;
            of_kind(kind, id)
        })
    };
    let mapped = || {
        let json = ["unified_claude_session_mapping:", "unified_openai_session_mapping:"];
        let mut json = json.into_iter().flat_map(of_key);
        // Azure's names the account alone.
        let plain = || of_key("azure_openai_session_account_mapping:").next();
        json.find_map(|(_, set)| stated(&set["value"]["="]))
            .or_else(|| of_kind("azure-openai", plain()?.1["value"]["="].as_str()?))
    };
    let touched = |used: bool| {
        let (_, kind, id, platform) = touched.iter().find(|(noted, ..)| *noted || !used)?;
        Some((*kind, (*id).to_owned(), *platform))
    };
    let (kind, id, platform) =
        touched(true).or_else(booked).or_else(|| touched(false)).or_else(marked).or_else(mapped)?;
    Some(AccountChoice {
        kind: kind.to_owned(),
        id,
        platform: platform.to_owned(),
        reasons: Vec::new(),
    })
}

/// Key of the record of an account of this kind.
pub fn record_key(kind: &str, id: &str) -> Option<String> {
    let (start, ..) = ACCOUNTS.iter().find(|(_, known, _)| *known == kind)?;
    Some(format!("{start}{id}"))
}

/// Whether this is an account's id and not the name of an index beside the records.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id != "index" && !id.contains(':')
}

/// JSON inside a text, or the value itself.
fn parsed(value: &Value) -> Value {
    let inside = value.as_str().and_then(|text| serde_json::from_str(text).ok());
    inside.unwrap_or_else(|| value.clone())
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
    fn an_index_is_no_account() {
        let effects = json!({
            "bedrock_account:index": { "type": "set", "members": { "b": { "=": true } } },
            "temp_unavailable:ccr:c": { "type": "string" },
        });
        assert_eq!(named(&effects), Some(("ccr".into(), "c".into())));
    }

    #[test]
    fn the_usage_names_the_account_when_no_record_does() {
        let record = json!({ "accountId": "a", "accountType": "claude-official" });
        let effects = json!({ "usage:records:k": { "type": "list", "head": [record] } });
        assert_eq!(named(&effects), Some(("claude-official".into(), "a".into())));
        assert_eq!(named(&json!({ "usage:k": { "fields": {} } })), None);
        let text = json!({ "accountId": "b", "accountType": "bedrock" }).to_string();
        let effects = json!({ "usage:records:k": { "type": "list", "head": [text] } });
        assert_eq!(named(&effects), Some(("bedrock".into(), "b".into())));
    }

    #[test]
    fn a_mark_or_the_session_names_the_account_that_nothing_else_does() {
        let effects = json!({ "temp_unavailable:bedrock:b": { "type": "string" } });
        assert_eq!(named(&effects), Some(("bedrock".into(), "b".into())));
        let text = json!({ "accountId": "c", "accountType": "bedrock" }).to_string();
        let set = json!({ "type": "string", "value": { "=": text } });
        let effects = json!({ "unified_claude_session_mapping:s": set });
        assert_eq!(named(&effects), Some(("bedrock".into(), "c".into())));
        let set = json!({ "type": "string", "value": { "=": "z" } });
        let effects = json!({ "azure_openai_session_account_mapping:s": set });
        assert_eq!(named(&effects), Some(("azure-openai".into(), "z".into())));
        let text = json!({ "accountId": "o", "accountType": "openai" }).to_string();
        let set = json!({ "type": "string", "value": { "=": text } });
        let effects = json!({ "unified_openai_session_mapping:s": set });
        assert_eq!(named(&effects), Some(("openai".into(), "o".into())));
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
