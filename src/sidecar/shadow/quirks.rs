//! Doings of Node that a trace shows to be one of its faults that crs does not share, and that make two
//! runs too unlike to be compared. They are told as not compared, with the number in MIGRATION.md.
//!
//! What Node itself read of the account tells: of a record that was healthy, nothing is explained away.

use compat::{js, store::Reply};
use serde::de::IgnoredAny;
use serde_json::Value;
use shadow::{AccountChoice, Gap, Observation, Plane};

use super::choice::record_key;
use crate::sidecar::tap::{Exchange, NodeTrace};

/// Ends the address that exchanges ChatGPT's refresh tokens.
const TOKEN_HOST: &str = "://auth.openai.com/oauth/token";

/// What comes after a vendor's answer.
const ANSWER: [Plane; 3] = [Plane::ResponseHead, Plane::ResponseBody, Plane::Effects];

/// What cannot be compared of these two sides, if it is for one of these.
pub fn gaps(trace: &NodeTrace, control: &Observation, candidate: &Observation) -> Vec<Gap> {
    let all = Plane::ALL.iter().filter(|plane| **plane != Plane::Timing);
    let gap = |why: &str, plane: &Plane| Gap { plane: Some(*plane), why: why.to_owned() };
    if let Some(why) = explained(trace, control, candidate) {
        return all.map(|plane| gap(why, plane)).collect();
    }
    let why = unheard(trace, control);
    why.map(|why| ANSWER.iter().map(|plane| gap(why, plane)).collect()).unwrap_or_default()
}

/// Why the whole request cannot be compared.
fn explained(
    trace: &NodeTrace,
    control: &Observation,
    candidate: &Observation,
) -> Option<&'static str> {
    if trace.exchanges.iter().any(gave_no_token) {
        return Some("a refresh gave Node no access token (MIGRATION 61)");
    }
    let (chosen, other) = (control.account.as_ref()?, candidate.account.as_ref());
    let same = other.is_some_and(|other| (&other.kind, &other.id) == (&chosen.kind, &chosen.id));
    if same { None } else { misfit(trace, chosen, control.request.arrived_ms) }
}

/// Why what became of a chat request's answer cannot be compared: Node took it for another kind of answer
/// than it was, and booked nothing.
fn unheard(trace: &NodeTrace, control: &Observation) -> Option<&'static str> {
    let chat = control.request.route.ends_with("/completions");
    let last = trace.exchanges.last().filter(|_| chat)?;
    let taken = last.response.as_ref().is_some_and(|head| (200..300).contains(&head.status));
    if !taken || !last.request.url.ends_with("/responses") {
        return None;
    }
    let asked: Value = serde_json::from_slice(&last.request_bytes()).ok()?;
    if js::truthy(asked.get("stream")) {
        return None;
    }
    let body = last.response_bytes();
    let streamed = body.split(|b| *b == b'\n').any(|line| line.starts_with(b"data:"));
    match serde_json::from_slice::<IgnoredAny>(&body) {
        Err(_) if streamed => {
            // Streams that ChatGPT accounts send where nothing was said are what both expect.
            let expected = asked.get("stream").is_none_or(Value::is_null)
                && last.request.url.contains("://chatgpt.com/");
            (!expected).then_some("a vendor streamed though nobody asked (MIGRATION 74)")
        }
        Ok(_) if control.request.stream => {
            Some("Node took a vendor's JSON for a stream (MIGRATION 62)")
        }
        _ => None,
    }
}

/// Why Node should not have chosen the account, as it read it.
fn misfit(trace: &NodeTrace, chosen: &AccountChoice, now_ms: i64) -> Option<&'static str> {
    let record = read(trace, &record_key(&chosen.kind, &chosen.id)?)?;
    let field = |name: &str| {
        let pair = record.chunks_exact(2).find(|pair| text(&pair[0]) == Some(name));
        pair.and_then(|pair| text(&pair[1])).unwrap_or_default()
    };
    let limited_on = || {
        let end = js::date_ms(field("rateLimitResetAt"));
        field("rateLimitStatus") == "limited" && end.is_some_and(|end| end > now_ms)
    };
    match chosen.kind.as_str() {
        "openai" if !matches!(field("isActive"), "" | "true") => {
            Some("Node kept a conversation on an account out of use (MIGRATION 58)")
        }
        "openai" if field("status") == "unauthorized" => {
            Some("Node used an account whose token was refused (MIGRATION 60)")
        }
        "openai-responses" if limited_on() => {
            Some("Node used a limited account of a group (MIGRATION 59)")
        }
        _ => None,
    }
}

/// The record as Node read it first.
fn read<'t>(trace: &'t NodeTrace, key: &str) -> Option<&'t [Reply]> {
    trace.commands.iter().find_map(|command| match (command.words.as_slice(), &command.reply) {
        ([name, read], Some(Reply::Array(fields)))
            if name.eq_ignore_ascii_case(b"HGETALL") && read == key.as_bytes() =>
        {
            Some(fields.as_slice())
        }
        _ => None,
    })
}

fn text(reply: &Reply) -> Option<&str> {
    match reply {
        Reply::Data(data) => std::str::from_utf8(data).ok(),
        _ => None,
    }
}

fn gave_no_token(exchange: &Exchange) -> bool {
    let taken = exchange.response.as_ref().is_some_and(|head| (200..300).contains(&head.status));
    if !taken || !exchange.request.url.ends_with(TOKEN_HOST) {
        return false;
    }
    let told: Option<Value> = serde_json::from_slice(&exchange.response_bytes()).ok();
    !told.is_some_and(|told| js::truthy(told.get("access_token")))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::sidecar::tap::{Command, RequestHead, ResponseHead};

    const PROVIDER: &str = "https://responses.example.test/v1/responses";
    const CHATGPT: &str = "https://chatgpt.com/backend-api/codex/responses";

    fn choice(kind: &str, id: &str) -> Observation {
        let account = AccountChoice { kind: kind.into(), id: id.into(), ..Default::default() };
        let mut side = Observation { account: Some(account), ..Observation::default() };
        side.request.arrived_ms = 1_700_000_000_000;
        side
    }

    fn trace(key: &str, fields: &[&str]) -> NodeTrace {
        let reply = fields.iter().map(|field| Reply::Data((*field).to_owned().into())).collect();
        let words = ["hgetall", key].map(|word| word.to_owned().into()).to_vec();
        let command = Command { ms: 0.0, words, reply: Some(Reply::Array(reply)) };
        NodeTrace { commands: vec![command], ..NodeTrace::default() }
    }

    #[rstest]
    #[case("openai", "openai:account:", &["isActive", "false"], Some("58"))]
    #[case("openai", "openai:account:", &["isActive", "true", "status", "unauthorized"], Some("60"))]
    #[case("openai", "openai:account:", &["isActive", "true", "status", "active"], None)]
    #[case("openai", "openai:account:", &["status", "error"], None)]
    #[case("openai-responses", "openai_responses_account:",
        &["rateLimitStatus", "limited", "rateLimitResetAt", "2099-01-01T00:00:00.000Z"], Some("59"))]
    #[case("openai-responses", "openai_responses_account:",
        &["rateLimitStatus", "limited", "rateLimitResetAt", "2020-01-01T00:00:00.000Z"], None)]
    #[case("openai-responses", "openai_responses_account:", &["status", "unauthorized"], None)]
    fn what_node_read_of_its_account_explains_it(
        #[case] kind: &str,
        #[case] start: &str,
        #[case] fields: &[&str],
        #[case] number: Option<&str>,
    ) {
        let trace = trace(&format!("{start}a"), fields);
        let (control, other) = (choice(kind, "a"), choice(kind, "b"));
        for candidate in [&other, &Observation::default()] {
            let why = explained(&trace, &control, candidate);
            let number = number.map(|number| format!("(MIGRATION {number})"));
            assert_eq!(why.is_some(), number.is_some(), "{why:?}");
            assert!(number.is_none_or(|number| why.is_some_and(|why| why.ends_with(&number))));
        }
        assert_eq!(explained(&trace, &control, &control), None, "both chose it");
        let another = self::trace(&format!("{start}b"), fields);
        assert_eq!(explained(&another, &control, &other), None, "another's record");
    }

    #[rstest]
    #[case::provider(PROVIDER, "{}", "data: {}\n\n", false, Some("74"))]
    #[case::provider_no(PROVIDER, r#"{"stream":false}"#, "event: a\ndata: {}", false, Some("74"))]
    #[case::asked_for(PROVIDER, r#"{"stream":true}"#, "data: {}\n\n", true, None)]
    #[case::json(PROVIDER, "{}", "{}", false, None)]
    #[case::chatgpt(CHATGPT, "{}", "data: {}\n\n", true, None)]
    #[case::chatgpt_no(CHATGPT, r#"{"stream":false}"#, "data: {}\n\n", false, Some("74"))]
    #[case::chatgpt_json(CHATGPT, "{}", "{}", true, Some("62"))]
    #[case::text(PROVIDER, "{}", "oops", false, None)]
    fn an_answer_that_node_took_for_another_kind(
        #[case] url: &str,
        #[case] asked: &'static str,
        #[case] told: &'static str,
        #[case] stream: bool,
        #[case] number: Option<&str>,
    ) {
        let exchange = Exchange {
            request: RequestHead { url: url.into(), ..RequestHead::default() },
            request_body: vec![asked.into()],
            response: Some(ResponseHead { status: 200, ..ResponseHead::default() }),
            response_body: vec![told.into()],
            ..Exchange::default()
        };
        let trace = NodeTrace { exchanges: vec![exchange], ..NodeTrace::default() };
        let mut side = Observation::default();
        side.request.stream = stream;
        assert_eq!(gaps(&trace, &side, &side), [], "not a chat request");
        side.request.route = "/openai/v1/chat/completions".into();
        let found = gaps(&trace, &side, &side);
        assert_eq!(found.len(), if number.is_some() { ANSWER.len() } else { 0 }, "{found:?}");
        let number = number.map(|number| format!("(MIGRATION {number})"));
        assert!(found.iter().all(|gap| number.as_ref().is_some_and(|it| gap.why.ends_with(it))));
    }

    #[rstest]
    #[case("https://auth.openai.com/oauth/token", 200, r#"{"refresh_token":"r"}"#, true)]
    #[case("https://auth.openai.com/oauth/token", 200, r#"{"access_token":""}"#, true)]
    #[case("https://auth.openai.com/oauth/token", 200, r#"{"access_token":"t"}"#, false)]
    #[case("https://auth.openai.com/oauth/token", 400, "{}", false)]
    #[case("https://chatgpt.com/backend-api/codex/responses", 200, "{}", false)]
    fn a_refresh_without_a_token(
        #[case] url: &str,
        #[case] status: u16,
        #[case] body: &'static str,
        #[case] explains: bool,
    ) {
        let exchange = Exchange {
            request: RequestHead { url: url.into(), ..RequestHead::default() },
            response: Some(ResponseHead { status, ..ResponseHead::default() }),
            response_body: vec![body.into()],
            ..Exchange::default()
        };
        let trace = NodeTrace { exchanges: vec![exchange], ..NodeTrace::default() };
        let side = Observation::default();
        assert_eq!(explained(&trace, &side, &side).is_some(), explains);
    }
}
