//! Requests of the old completions endpoint as chat requests (`src/routes/unified.js`,
//! `src/routes/openaiClaudeRoutes.js`): the prompt becomes the one message. The answer keeps chat form.

use crate::wire::json::{Tree, Value};

/// Members that go over as they are, after the message.
const COPIED: [&str; 5] = ["max_tokens", "temperature", "top_p", "stream", "stop"];
const COPIED_LAST: [&str; 4] = ["presence_penalty", "frequency_penalty", "logit_bias", "user"];

/// The chat request as JSON; `None` when there is no prompt. `default_model` stands in for a missing or
/// empty model.
pub fn request(completion: Value<'_>, default_model: Option<&str>) -> Option<Vec<u8>> {
    let prompt = completion.get_truthy("prompt")?;
    let given = |name: &str| completion.get(name).map(Tree::Raw);
    let model = match default_model {
        Some(default) => {
            Some(completion.get_truthy("model").map_or_else(|| Tree::string(default), Tree::Raw))
        }
        None => given("model"),
    };
    let message = Tree::object([("role", Tree::string("user")), ("content", Tree::Raw(prompt))]);
    let mut chat =
        Tree::members([("model", model), ("messages", Some(Tree::Array(vec![message])))]);
    for name in COPIED {
        if let Some(value) = given(name) {
            chat.set(name, value);
        }
    }
    let count = completion.get_truthy("n").map_or_else(|| Tree::Text(b"1".to_vec()), Tree::Raw);
    chat.set("n", count);
    for name in COPIED_LAST {
        if let Some(value) = given(name) {
            chat.set(name, value);
        }
    }
    Some(chat.to_json())
}
