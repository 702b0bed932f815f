//! What conversions leave out, and why: whatever a client or vendor sent either comes through or is
//! named here. A property test holds the tables against the conversions, both ways.
//!
//! A place is a path: names of members, and for elements of lists their `role`, else their `type`, else
//! `-` (a message with calls is `<role>+calls`). In a row `*` stands for any segment, `!a,b` for any but
//! these, and a row speaks for everything below it.

use crate::wire::json::Value;

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Dropped {
    /// Place.
    pub at: &'static str,
    /// Reason.
    pub why: &'static str,
}

const fn row(at: &'static str, why: &'static str) -> Dropped {
    Dropped { at, why }
}

const SAMPLING: &str = "The vendor has no such way of choosing words.";
const ONE_ANSWER: &str = "The vendor gives one answer, without the odds of its words.";
const LEGACY_LIMIT: &str = "Only max_tokens is read; without it the limit is 4096.";
const OF_OPENAI: &str = "A service of the other vendor.";
const REBUILT: &str = "The request is built anew from the members that have a counterpart.";
const PARTS: &str = "Parts keep their text or image alone.";

/// Chat requests as Messages requests.
pub const CHAT_REQUEST: &[Dropped] = &[
    row("n", ONE_ANSWER),
    row("logprobs", ONE_ANSWER),
    row("top_logprobs", ONE_ANSWER),
    row("presence_penalty", SAMPLING),
    row("frequency_penalty", SAMPLING),
    row("logit_bias", SAMPLING),
    row("seed", SAMPLING),
    row("max_completion_tokens", LEGACY_LIMIT),
    row("response_format", "The vendor has no counterpart that the legacy service knew."),
    row("reasoning_effort", "Thinking is not asked for on this route, nor told."),
    row("parallel_tool_calls", "The vendor's default, which is to call in parallel, stands."),
    row("stream_options", "Usage comes with the last chunk whatever is asked."),
    row("functions", "Only tools are read."),
    row("function_call", "Only tools are read."),
    row("user", "The vendor is shown the account's identity."),
    row("metadata", "The vendor is shown the account's identity."),
    row("service_tier", OF_OPENAI),
    row("store", OF_OPENAI),
    row("prediction", OF_OPENAI),
    row("audio", OF_OPENAI),
    row("modalities", OF_OPENAI),
    row("web_search_options", OF_OPENAI),
    row("!model,messages,max_tokens,temperature,top_p,stream,stop,tools,tool_choice", REBUILT),
    row(
        "messages/system+calls",
        "The line of Claude Code takes the place of all system texts but Xcode's.",
    ),
    row(
        "messages/system",
        "The line of Claude Code takes the place of all system texts but Xcode's.",
    ),
    row(
        "messages/!user,assistant/role",
        "There are two roles; all but users and tools speak as the assistant.",
    ),
    row("messages/*/!role,content,tool_calls,tool_call_id", REBUILT),
    row("messages/!tool,tool+calls/tool_call_id", "Only results name their call."),
    row("messages/user+calls/content", "Calls take the place of the content."),
    row("messages/assistant+calls/content", "Calls take the place of the content."),
    row("messages/developer+calls/content", "Calls take the place of the content."),
    row("messages/tool+calls/tool_calls", "A result has no calls."),
    row("messages/!tool,tool+calls/content/text/!type,text", PARTS),
    row("messages/!tool,tool+calls/content/image_url/!type,image_url", PARTS),
    row("messages/!tool,tool+calls/content/image_url/image_url/!url", PARTS),
    row("messages/*/tool_calls/*/!id,type,function", REBUILT),
    row("messages/*/tool_calls/*/function/!name,arguments", REBUILT),
    row("tools/function/!type,function", REBUILT),
    row(
        "tools/function/function/!name,description,parameters",
        "The vendor's tools have no such member.",
    ),
    row("tool_choice/!type,function", REBUILT),
    row("tool_choice/function/!name", REBUILT),
];

/// Messages answers as chat completions.
pub const MESSAGES_ANSWER: &[Dropped] = &[
    row("id", "The answer has an id of its own."),
    row("model", "The answer names the model that was asked for."),
    row("type", "Said by `object`."),
    row("stop_reason", "There are three reasons to end; the others read as an ordinary end."),
    row("stop_sequence", "Which of the texts ended the answer has no place."),
    row("usage/!input_tokens,output_tokens", "Cached tokens are booked, not told."),
    row("!id,model,type,role,content,stop_reason,stop_sequence,usage", REBUILT),
    row("content/thinking", "Thinking is not told on this route."),
    row("content/redacted_thinking", "Thinking is not told on this route."),
    row("content/!text,tool_use,thinking,redacted_thinking", "There are texts and calls."),
    row("content/text/!type,text", "Texts come without citations."),
    row("content/tool_use/!type,id,name,input", REBUILT),
];

const INSTEAD: &str = "Codex decides on this by itself.";
const ALWAYS: &str = "Asked for always.";
const NO_CALLS: &str = "Only the assistant calls, and only tools answer.";

/// Chat requests as requests of the Responses API.
pub const CHAT_TO_RESPONSES: &[Dropped] = &[
    row("temperature", INSTEAD),
    row("top_p", INSTEAD),
    row("max_tokens", INSTEAD),
    row("max_completion_tokens", INSTEAD),
    row("stop", INSTEAD),
    row("presence_penalty", INSTEAD),
    row("frequency_penalty", INSTEAD),
    row("logit_bias", INSTEAD),
    row("seed", INSTEAD),
    row("verbosity", INSTEAD),
    row("n", ONE_ANSWER),
    row("logprobs", ONE_ANSWER),
    row("top_logprobs", ONE_ANSWER),
    row("parallel_tool_calls", ALWAYS),
    row("stream_options", "Usage comes with the last chunk whatever is asked."),
    row("functions", "Only tools are read."),
    row("function_call", "Only tools are read."),
    row("user", "The vendor is shown the account's identity."),
    row("metadata", "The vendor is shown the account's identity."),
    row("safety_identifier", "The vendor is shown the account's identity."),
    row("service_tier", "The account's plan decides."),
    row("store", "Nothing is kept at the vendor's."),
    row("prediction", "No counterpart."),
    row("audio", "No counterpart."),
    row("modalities", "No counterpart."),
    row("web_search_options", "No counterpart."),
    row("instructions", "Codex's own take their place."),
    row(
        concat!(
            "!model,stream,messages,reasoning_effort,tools,tool_choice,response_format,session_id,",
            "conversation_id,prompt_cache_key"
        ),
        REBUILT,
    ),
    row(
        concat!(
            "messages/!system,developer,user,assistant,tool,system+calls,developer+calls,",
            "user+calls,assistant+calls,tool+calls"
        ),
        "There is no such role.",
    ),
    row("messages/*/!role,content,tool_calls,tool_call_id", REBUILT),
    row("messages/!tool,tool+calls/tool_call_id", NO_CALLS),
    row("messages/!assistant,assistant+calls/tool_calls", NO_CALLS),
    row("messages/!tool,tool+calls/content/text/!type,text", PARTS),
    row("messages/!tool,tool+calls/content/image_url/!type,image_url", PARTS),
    row("messages/!tool,tool+calls/content/image_url/image_url/!url", PARTS),
    row("messages/*/tool_calls/!function", "Only calls of functions are read."),
    row("messages/*/tool_calls/*/!id,type,function", REBUILT),
    row("messages/*/tool_calls/*/function/!name,arguments", REBUILT),
    row("tools/function/!type,function", REBUILT),
    row("tools/function/function/!name,description,parameters,strict", REBUILT),
    row("tool_choice/!type,function", REBUILT),
    row("tool_choice/function/!name", REBUILT),
    row("response_format/!type,json_schema", REBUILT),
    row("response_format/json_schema/!name,strict,schema", REBUILT),
];

/// Answers of the Responses API as chat completions.
pub const RESPONSES_ANSWER: &[Dropped] = &[
    row("object", "Said by its counterpart."),
    row("status", "Said by `finish_reason`."),
    row("incomplete_details", "Said by `finish_reason`."),
    row("!id,model,created_at,output,usage,error", REBUILT),
    row(
        "usage/!input_tokens,output_tokens,total_tokens,input_tokens_details,output_tokens_details",
        REBUILT,
    ),
    row("usage/input_tokens_details/!cached_tokens", "Only these details have a place."),
    row("usage/output_tokens_details/!reasoning_tokens", "Only these details have a place."),
    row("output/!reasoning,message,function_call", "There are thoughts, texts and calls."),
    row("output/reasoning/!type,summary", "Only summaries of thoughts are told."),
    row("output/reasoning/summary/!summary_text", "Only summaries of thoughts are told."),
    row("output/reasoning/summary/summary_text/!type,text", REBUILT),
    row("output/message/!type,role,content", REBUILT),
    row("output/message/content/!output_text", "Only texts are told."),
    row("output/message/content/output_text/!type,text", "Texts come without annotations."),
    row("output/function_call/id", "A call has one id."),
    row("output/function_call/!type,call_id,name,arguments", REBUILT),
];

/// The row that speaks for a place.
pub fn rule<'t>(table: &'t [Dropped], path: &[&str]) -> Option<&'t Dropped> {
    table.iter().find(|row| {
        let mut have = path.iter();
        row.at.split('/').all(|want| have.next().is_some_and(|name| matches(want, name)))
    })
}

/// Members of a request that have no counterpart, as far as their names are known to the table.
pub fn named(table: &'static [Dropped], chat: Value<'_>) -> Vec<&'static str> {
    let known = table.iter().map(|row| row.at).filter(|at| !at.contains(['/', '!']));
    known.filter(|name| chat.get_truthy(name).is_some()).collect()
}

fn matches(want: &str, name: &str) -> bool {
    match want.strip_prefix('!') {
        Some(others) => others.split(',').all(|other| other != name),
        None => want == "*" || want == name,
    }
}
