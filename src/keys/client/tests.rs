use compat::record::ApiKey;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::wire::anthropic::{prompt_similarity, user_id::UserId};

fn rules(min_prompt_matches: usize) -> ClaudeCodeRules {
    ClaudeCodeRules {
        min_prompt_matches,
        prompt_matches: Box::new(|text| prompt_similarity::reaches(text, 0.5)),
        user_id_is_valid: Box::new(|text| UserId::parse(text).is_some()),
    }
}

fn key(clients: &[&str]) -> std::sync::Arc<ApiKeySnapshot> {
    let fields = [
        ("id", "k".to_owned()),
        ("enableClientRestriction", "true".to_owned()),
        ("allowedClients", json!(clients).to_string()),
    ];
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    ApiKeySnapshot::new(ApiKey::from_fields("k", fields), 0)
}

fn try_client(clients: &[&str], url: &str, headers: &[(&str, &str)]) -> Result<(), Refusal> {
    let headers: HeaderList = headers.iter().copied().collect();
    let body = json!({});
    let request = ClientRequest { headers: &headers, original_url: url, body: &body };
    check(&rules(0), &key(clients), &request, &RelayConfig::default())
}

#[test]
fn claude_code_vectors() {
    let file = include_str!("../../../tests/fixtures/vectors/claude-code-validator.json");
    let file: Value = serde_json::from_str(file).unwrap();
    for vector in file["vectors"].as_array().unwrap() {
        let input = &vector["input"];
        let headers: HeaderList = input["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        let path = input["path"].as_str().unwrap();
        let request = ClientRequest { headers: &headers, original_url: path, body: &input["body"] };
        let expected = vector["expected"].as_bool().unwrap();
        assert_eq!(is_claude_code(&rules(0), &request), expected, "{}", vector["name"]);
    }
}

#[test]
fn some_prompt_matches_are_enough_when_configured() {
    let known = "You are Claude Code, Anthropic's official CLI for Claude.";
    let body = json!({
        "model": "claude-x",
        "system": [{"text": "zzzz"}, {"text": known}, {"text": 5}],
        "metadata": {"user_id": format!("user_{}_account__session_0f8fad5b-d9cb-469f-a165-70867728950e", "a".repeat(64))},
    });
    let headers: HeaderList = [
        ("user-agent", "Claude-CLI/1.2.3 x"),
        ("x-app", "cli"),
        ("anthropic-beta", "b"),
        ("anthropic-version", "v"),
    ]
    .into_iter()
    .collect();
    let request = ClientRequest { headers: &headers, original_url: "/v1/messages", body: &body };
    assert!(!is_claude_code(&rules(0), &request));
    assert!(is_claude_code(&rules(1), &request));
    assert!(!is_claude_code(&rules(2), &request));
}

#[rstest]
#[case("/v1/messages/count_tokens", true)]
#[case("/api//V1/messages/count_tokens/?beta=true", true)]
#[case("/claude/v1/messages/count_tokens", true)]
#[case("/antigravity/api/v1/messages/count_tokens", false)]
#[case("/api/v1/messages", false)]
fn token_counting(#[case] url: &str, #[case] expected: bool) {
    assert_eq!(is_token_count(url), expected);
}

#[rstest]
#[case("gemini_cli", "/gemini/v1/models", &[("user-agent", "anything")], true)]
#[case("gemini_cli", "/gemini/v1/models/x:generateContent", &[("user-agent", "anything")], false)]
#[case("gemini_cli", "/gemini/v1/models/x:generateContent", &[("user-agent", "geminicli/v0.1")], true)]
#[case("codex_cli", "/openai/v1/responses", &[("user-agent", "codex_cli_rs/0.38.0 (x)")], true)]
#[case("codex_cli", "/openai/responses", &[("user-agent", "codex/0.38.0")], false)]
#[case("codex_cli", "/openai/v1/chat/completions", &[("user-agent", "codex_cli_rs/0.38.0")], false)]
#[case("droid_cli", "/droid/claude/v1/messages", &[("user-agent", "x Factory-CLI/1.2.3")], true)]
#[case("droid_cli", "/droid/claude/v1/messages", &[("user-agent", "factory-cli/1.2")], false)]
#[case("droid_cli", "/droid/claude/v1/messages", &[("x-factory-client", "My-Droid")], true)]
#[case("claude_code", "/api/v1/models?x=1", &[("user-agent", "claude-cli/2.0.0")], true)]
#[case("claude_code", "/api/v1/models", &[("user-agent", "claude-cli/2.0")], false)]
#[case("claude_code", "/openai/claude/v1/chat/completions", &[("user-agent", "claude-cli/2.0.0")], false)]
#[case("unknown", "/api/v1/models", &[("user-agent", "claude-cli/2.0.0")], false)]
fn listed_clients(
    #[case] client: &str,
    #[case] url: &str,
    #[case] headers: &[(&str, &str)],
    #[case] allowed: bool,
) {
    assert_eq!(try_client(&[client], url, headers).is_ok(), allowed);
    assert_eq!(
        try_client(&["nobody", client], url, headers).is_ok(),
        allowed,
        "any listed client will do"
    );
}

#[test]
fn a_refusal_names_the_list_and_the_user_agent() {
    let refused =
        try_client(&["codex_cli"], "/api/v1/messages", &[("user-agent", "curl/8")]).unwrap_err();
    let body = crate::keys::Rejection::from(refused).body();
    assert_eq!(
        body.to_string(),
        r#"{"error":"Client not allowed","message":"Your client is not authorized to use this API key","allowedClients":["codex_cli"],"userAgent":"curl/8"}"#
    );
}

#[test]
fn claude_code_only_concerns_the_messages_routes() {
    let headers: HeaderList = [("user-agent", "curl/8")].into_iter().collect();
    let config = RelayConfig { claude_code_only: true, ..RelayConfig::default() };
    let fields = [("id".to_owned(), "k".to_owned())].into_iter().collect();
    let open = ApiKeySnapshot::new(ApiKey::from_fields("k", fields), 0);
    let body = json!({});
    let outcome = |url| {
        let request = ClientRequest { headers: &headers, original_url: url, body: &body };
        check(&rules(0), &open, &request, &config)
    };
    assert_eq!(outcome("/api/v1/messages"), Err(Refusal::ClaudeCodeOnly));
    assert_eq!(outcome("/CLAUDE/v1/messages"), Err(Refusal::ClaudeCodeOnly));
    assert_eq!(outcome("/api/v1/messages/count_tokens"), Ok(()));
    assert_eq!(outcome("/api/v1/models"), Ok(()));
    assert_eq!(outcome("/openai/claude/v1/messages"), Ok(()));
}
