//! What names a conversation in a Responses request.

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{
    domain::HeaderList,
    wire::json::{Kind, Value},
};

/// Members that name the conversation, the first one that is set.
const MEMBERS: [&str; 3] = ["session_id", "conversation_id", "prompt_cache_key"];

/// The name is no text, on which the legacy service fails; the text is what its runtime says of it, as far
/// as that decides on the answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("The \"data\" argument must be of type string. Received {0}")]
pub struct NoText(String);

/// The name that selection goes by: header `session_id`, header `x-session-id`, then the body.
///
/// # Errors
/// When it is no text.
pub fn of_request(headers: &HeaderList, body: Value<'_>) -> Result<Option<String>, NoText> {
    first(headers, &["session_id", "x-session-id"], body, &MEMBERS)
}

/// The name under which provider accounts and image requests know a conversation: `session_id` alone.
///
/// # Errors
/// When it is no text.
pub fn of_provider(headers: &HeaderList, body: Value<'_>) -> Result<Option<String>, NoText> {
    first(headers, &["session_id"], body, &["session_id"])
}

/// What mappings are kept under.
pub fn hash(name: &str) -> String {
    hex::encode(Sha256::digest(name))
}

fn first(
    headers: &HeaderList,
    names: &[&str],
    body: Value<'_>,
    members: &[&str],
) -> Result<Option<String>, NoText> {
    let header = names.iter().find_map(|name| headers.get(name).filter(|value| !value.is_empty()));
    if let Some(header) = header {
        return Ok(Some(header.to_owned()));
    }
    let Some(value) = members.iter().find_map(|name| body.get_truthy(name)) else {
        return Ok(None);
    };
    match value.as_str() {
        Some(text) => Ok(Some(text.into_owned())),
        None => Err(NoText(received(value))),
    }
}

fn received(value: Value<'_>) -> String {
    match value.kind() {
        Kind::Number => format!("type number ({})", value.to_js_text()),
        Kind::Array => "an instance of Array".to_owned(),
        Kind::Object => "an instance of Object".to_owned(),
        _ => format!("type boolean ({})", value.to_js_text()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::wire::json::Doc;

    fn doc(text: &'static str) -> Doc {
        Doc::parse(Bytes::from_static(text.as_bytes())).unwrap()
    }

    #[test]
    fn the_first_that_is_set_counts() {
        let body = doc(r#"{"session_id":"","conversation_id":"c","prompt_cache_key":"p"}"#);
        let none = HeaderList::new();
        let named: HeaderList = [("session_id", ""), ("x-session-id", "x")].into_iter().collect();
        assert_eq!(of_request(&none, body.root()), Ok(Some("c".to_owned())));
        assert_eq!(of_request(&named, body.root()), Ok(Some("x".to_owned())));
        assert_eq!(of_provider(&named, body.root()), Ok(None));
        assert_eq!(of_request(&none, doc("[]").root()), Ok(None));
    }

    #[test]
    fn names_that_are_no_text_are_refused() {
        let none = HeaderList::new();
        let odd = |text| of_request(&none, doc(text).root()).unwrap_err().to_string();
        assert!(odd(r#"{"session_id":4290}"#).ends_with("Received type number (4290)"));
        assert!(odd(r#"{"conversation_id":{}}"#).ends_with("an instance of Object"));
        assert!(odd(r#"{"prompt_cache_key":true}"#).ends_with("type boolean (true)"));
        let named: HeaderList = [("session_id", "s")].into_iter().collect();
        assert_eq!(of_request(&named, doc(r#"{"session_id":1}"#).root()), Ok(Some("s".to_owned())));
    }

    #[test]
    fn hashes_are_whole() {
        assert_eq!(
            hash("hello"),
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
    }
}
