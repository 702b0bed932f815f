use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    account::{
        AzureOpenAi, Bedrock, BedrockCredentials, Ccr, ClaudeConsole, ClaudeOfficial, Droid,
        Gemini, GeminiApi, OpenAi, OpenAiResponses,
    },
    *,
};
use crate::{
    crypto::{Outcome, Service, Vault},
    keys::AccountKind,
};

fn fields<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> HashMap<String, String> {
    pairs.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

#[test]
fn permission_vectors() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../vectors/permissions.json")).unwrap();
    for vector in vectors["vectors"].as_array().unwrap() {
        let stored = match &vector["input"]["permissions"] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            array => array.to_string(),
        };
        let service = vector["input"]["service"].as_str().unwrap();
        let allowed = Permissions::parse(&stored).allows(service);
        assert_eq!(allowed, vector["expected"], "{stored} {service}");
    }
}

#[rstest]
#[case("[\"claude\",1]", &["claude", "1"])]
#[case("{\"a\":1}", &["{\"a\":1}"])]
#[case("[bad,claude", &["[bad", "claude"])]
#[case(" , gemini ,", &["gemini"])]
#[case(" all", &[" all"])]
fn odd_permissions(#[case] stored: &str, #[case] expected: &[&str]) {
    assert_eq!(Permissions::parse(stored).services(), expected);
}

#[test]
fn a_bare_key_record_reads_as_the_legacy_defaults() {
    let key = ApiKey::from_fields("k1", fields([("isActive", "true"), ("tokenLimit", "")]));
    assert_eq!(key.id, "k1");
    assert!(key.is_active);
    assert!(key.permissions.allows("droid"));
    assert!(key.enable_codex_adaptation);
    assert!(!key.enable_payload_rules);
    assert_eq!((key.token_limit, key.concurrency_limit, key.weekly_reset_day), (None, 0, 1));
    assert_eq!(key.activation_period_ms(), 30 * 86_400_000);
    assert!(!key.awaits_activation());
}

#[test]
fn odd_spellings_of_a_key_record() {
    let key = ApiKey::from_fields(
        "k1",
        fields([
            ("id", "stored"),
            ("isActive", "TRUE"),
            ("concurrencyLimit", "5 slots"),
            ("dailyCostLimit", "1e1$"),
            ("restrictedModels", "not json"),
            ("tags", "[1,\"a\"]"),
            ("serviceRates", "[]"),
            ("expirationMode", "activation"),
            ("activationDays", "2"),
            ("activationUnit", "hours"),
            ("futureField", "kept"),
        ]),
    );
    assert_eq!(key.id, "stored");
    assert!(!key.is_active);
    assert_eq!(key.concurrency_limit, 5);
    assert!((key.daily_cost_limit - 10.0).abs() < f64::EPSILON);
    assert!(key.restricted_models.is_empty());
    assert_eq!(key.service_rates, "[]");
    assert_eq!(key.tags, ["1", "a"]);
    assert!(key.awaits_activation());
    assert_eq!(key.activation_period_ms(), 7_200_000);
    assert_eq!(key.to_fields()["futureField"], "kept");
    assert_eq!(format!("{:?}", key.rest), "{\"futureField\"}");
}

#[test]
fn bindings_read_their_prefixes() {
    let key = ApiKey::from_fields(
        "k",
        fields([
            ("claudeAccountId", "group:g1"),
            ("openaiAccountId", "responses:r1"),
            ("geminiAccountId", "api:x1"),
            ("bedrockAccountId", "b1"),
            ("droidAccountId", ""),
        ]),
    );
    let expected = [
        ("claudeAccountId", Binding::Group("g1")),
        ("geminiAccountId", Binding::Account(AccountKind::GeminiApi, "x1")),
        ("openaiAccountId", Binding::Account(AccountKind::OpenAiResponses, "r1")),
        ("bedrockAccountId", Binding::Account(AccountKind::Bedrock, "b1")),
    ];
    assert_eq!(key.bindings(), expected);
}

/// Records as the legacy service wrote them come back field for field. Unset late fields may be stored
/// as the empty text; they are left out then.
#[test]
fn samples_written_by_the_legacy_service_survive() {
    let vault = Vault::new("0123456789abcdef0123456789abcdef");
    let samples: Value = serde_json::from_str(include_str!("../../vectors/records.json")).unwrap();
    let mut seen = 0;
    for (kind, record) in samples.as_object().unwrap() {
        macro_rules! survive {
            ($record:ty, $service:expr) => {{
                let stored: HashMap<String, String> =
                    serde_json::from_value(record.clone()).unwrap();
                let read = <$record>::from_fields("x", stored.clone());
                assert_eq!(<$record>::check(&stored), [], "{kind}");
                assert_eq!(read.rest, Rest::default(), "{kind}");
                for (name, text) in read.secrets() {
                    assert!(text.open(&vault, $service).is_readable(), "{kind} {name}");
                }
                let mut written = read.to_fields();
                if kind == "apikey-updated" {
                    // A limit cleared in the console is stored empty and reads as 0.
                    assert_eq!(written.insert("rateLimitWindow".into(), "".into()).unwrap(), "0");
                }
                let set = |fields: BTreeMap<String, String>| {
                    fields.into_iter().filter(|(_, text)| !text.is_empty()).collect::<Vec<_>>()
                };
                assert_eq!(set(written), set(stored.into_iter().collect()), "{kind}");
                seen += 1;
            }};
        }
        match kind.as_str() {
            _ if kind.starts_with("apikey") => survive!(ApiKey, Service::Common),
            _ if kind.starts_with("claude-console") => {
                survive!(ClaudeConsole, Service::ClaudeConsole);
            }
            _ if kind.starts_with("claude") => survive!(ClaudeOfficial, Service::Claude),
            "ccr" | "ccr-limited" => survive!(Ccr, Service::Ccr),
            "openai" | "openai-used" => survive!(OpenAi, Service::OpenAi),
            "openai-responses" => survive!(OpenAiResponses, Service::OpenAiResponses),
            "azure-openai" => survive!(AzureOpenAi, Service::AzureOpenAi),
            "gemini" => survive!(Gemini, Service::Gemini),
            "gemini-api" => survive!(GeminiApi, Service::GeminiApi),
            "droid" => survive!(Droid, Service::Droid),
            "group" => survive!(Group, Service::Common),
            _ => {}
        }
    }
    assert_eq!(seen, 22);
}

#[test]
fn claude_account_defaults_and_secrets() {
    let vault = Vault::new("0123456789abcdef0123456789abcdef");
    let token = vault.encrypt(Service::Claude, "sk-ant-oat01-x");
    let account = ClaudeOfficial::from_fields(
        "a1",
        fields([
            ("accessToken", token.as_str()),
            ("expiresAt", "1700000000000"),
            ("priority", "0"),
            ("schedulable", ""),
            ("tempUnavailable503TtlSeconds", "12.9"),
            ("tempUnavailable5xxTtlSeconds", "-1"),
            ("disableTempUnavailable", " Yes "),
            ("extInfo", "\"text\""),
            ("opusRateLimitedAt", "2026-01-01T00:00:00.000Z"),
        ]),
    );
    assert_eq!(account.priority, 50);
    assert!(account.schedulable && account.disable_temp_unavailable && !account.is_active);
    assert_eq!(account.expires_at, Some(1_700_000_000_000));
    assert_eq!(account.temp_unavailable_503_ttl, Some(12));
    assert_eq!(account.temp_unavailable_5xx_ttl, None);
    assert_eq!(account.ext_info, None);
    assert_eq!(account.model_limit("opus"), (Some("2026-01-01T00:00:00.000Z"), None));

    let opened = account.access_token.open(&vault, Service::Claude);
    assert_eq!((opened.text.as_str(), opened.outcome), ("sk-ant-oat01-x", Outcome::Opened));
    let names: Vec<_> = account.secrets().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["email", "password", "claudeAiOauth", "accessToken", "refreshToken"]);
    assert!(!format!("{account:?}").contains(&token));
}

#[rstest]
#[case("", Some("m"))]
#[case("{}", Some("m"))]
#[case("[]", Some("m"))]
#[case("null", Some("m"))]
#[case("5", Some("m"))]
#[case("[\"m\"]", Some("m"))]
#[case("[\"M\"]", None)]
#[case("{\"M\":\"other\"}", Some("other"))]
#[case("{\"x\":\"other\"}", None)]
#[case("{\"m\":\"\",\"M\":\"second\"}", Some(""))]
fn model_maps(#[case] stored: &str, #[case] expected: Option<&str>) {
    assert_eq!(ModelMap::parse(stored).mapped("m"), expected);
}

#[rstest]
#[case("", "{}")]
#[case("[]", "{}")]
#[case(r#"["a","b"]"#, r#"["a","b"]"#)]
#[case(r#"{"a":"b"}"#, r#"{"a":"b"}"#)]
#[case("broken", "broken")]
fn model_maps_keep_their_form(#[case] stored: &str, #[case] expected: &str) {
    assert_eq!(ModelMap::parse(stored).to_stored(), expected);
}

#[test]
fn proxies() {
    let read = |value: Value| ProxyText::from(value.to_string()).read();
    let proxy =
        read(json!({"type": "socks5", "host": "h", "port": 1080, "username": "u"})).unwrap();
    assert_eq!(
        (proxy.port.as_str(), proxy.username.as_str(), proxy.password.as_str()),
        ("1080", "u", "")
    );
    assert_eq!(read(json!({"type": "http", "host": "h", "port": "8080"})).unwrap().port, "8080");
    assert_eq!(read(json!({"type": "http", "host": "h", "port": 0})), None);
    assert_eq!(read(json!({"type": "ftp", "host": "h", "port": 1})), None);
    assert_eq!(ProxyText::from(String::new()).read(), None);
}

#[test]
fn a_share_left_out_by_the_vendor_is_regular() {
    let stored = fields([("claudeSevenDayUtilization", "null")]);
    assert_eq!(ClaudeOfficial::check(&stored), []);
    assert_eq!(ClaudeOfficial::from_fields("a", stored).seven_day_utilization, None);
}

#[test]
fn irregular_fields_are_named() {
    let faults = ApiKey::check(&fields([
        ("isActive", "yes"),
        ("tokenLimit", "many"),
        ("tags", "a,b"),
        ("createdAt", "yesterday"),
        ("permissions", "[broken"),
        ("dailyCostLimit", "5$"),
        ("name", "anything"),
    ]));
    let names: Vec<_> = faults.iter().map(|fault| fault.field).collect();
    assert_eq!(
        names,
        ["tokenLimit", "dailyCostLimit", "isActive", "permissions", "tags", "createdAt"]
    );
}

#[test]
fn bedrock_samples() {
    let vault = Vault::new("0123456789abcdef0123456789abcdef");
    let stored = sample("bedrock");
    let account = Bedrock::from_stored("x", &stored).unwrap();
    assert_eq!(account.to_stored(), stored, "order and types survive");
    assert_eq!((account.name(), account.region(), account.priority()), ("B", "us-east-1", 20));
    assert!(account.is_active() && account.schedulable() && !account.disable_auto_protection());
    assert!(account.subscription_expires_at().is_none());
    assert!(account.credentials(&vault).unwrap().is_some_and(|credentials| matches!(
        credentials,
        BedrockCredentials::AccessKey { id, session_token: None, .. } if id == "AKIA"
    )));
    assert!(account.credentials(&Vault::new("other")).is_err());

    let bearer = Bedrock::from_stored("x", &sample("bedrock-bearer")).unwrap();
    assert_eq!(bearer.subscription_expires_at(), Some("2027-01-01"));
    assert!(matches!(
        bearer.credentials(&vault).unwrap(),
        Some(BedrockCredentials::Bearer(token)) if token == "bt"
    ));
    let old = r#"{"schedulable":"false","awsCredentials":{"accessKeyId":"A"},"priority":"7"}"#;
    let old = Bedrock::from_stored("x", old).unwrap();
    assert!(!old.schedulable() && old.credentials(&vault).unwrap().is_some());
    assert_eq!((old.id.as_str(), old.priority()), ("x", 7));
    assert_eq!(Bedrock::from_stored("x", "[]"), None);
}

#[test]
fn droid_keys_open() {
    let vault = Vault::new("0123456789abcdef0123456789abcdef");
    let samples: Value = serde_json::from_str(include_str!("../../vectors/records.json")).unwrap();
    let droid = Droid::from_fields("x", serde_json::from_value(samples["droid"].clone()).unwrap());
    let plain: Vec<_> =
        droid.keys().iter().map(|key| key.key.open(&vault, Service::Droid).text).collect();
    assert_eq!(plain, ["dk1", "dk2"]);
    assert!(Droid::from_fields("x", fields([("apiKeys", "broken")])).keys().is_empty());
}

#[test]
fn people_samples() {
    let stored = sample("user-logged-in");
    let user = User::from_stored(&stored).unwrap();
    assert_eq!(user.to_stored(), stored);
    assert_eq!((user.username(), user.role(), user.is_active()), ("bob", "user", true));
    assert!(!User::from_stored(r#"{"isActive":0}"#).unwrap().is_active());

    let stored = sample("user-session");
    let session = UserSession::from_stored(&stored).unwrap();
    let made = UserSession::new(
        session.json.text("token"),
        session.user_id(),
        session.json.text("createdAt"),
        session.expires_at(),
    );
    assert_eq!(made.to_stored(), stored);

    let login = fields([("username", "a"), ("loginTime", "2026-01-01T00:00:00.000Z")]);
    assert!(AdminSession::from_fields("t", login).is_login());
    let credentials = fields([("username", "a"), ("passwordHash", "$2b$10$x")]);
    assert!(!AdminSession::from_fields("t", credentials.clone()).is_login());
    let admin = AdminCredentials::from_fields("t", credentials);
    assert_eq!(admin.password_hash.as_stored(), "$2b$10$x");
    assert!(admin.secrets().is_empty() && !format!("{admin:?}").contains("$2b"));
}

/// A record stored as one JSON text.
fn sample(kind: &str) -> String {
    let samples: Value = serde_json::from_str(include_str!("../../vectors/records.json")).unwrap();
    samples[kind]["json"].as_str().unwrap().to_owned()
}

prop_compose! {
    fn any_fields(names: &'static [&'static str])(
        values in prop::collection::vec((prop::sample::select(names), stored_text()), 0..40),
        extra in prop::collection::hash_map("x[a-z]{1,4}", ".{0,8}", 0..3),
    ) -> HashMap<String, String> {
        let known = values.into_iter().map(|(name, text)| (name.to_owned(), text));
        extra.into_iter().chain(known).collect()
    }
}

fn stored_text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,12}",
        Just(String::new()),
        "true|false|TRUE|all|null",
        "-?[0-9]{1,20}(\\.[0-9]{1,5})?",
        Just("2026-01-02T03:04:05.678Z".to_owned()),
        Just(r#"["a",1,{"b":1.50}]"#.to_owned()),
        Just(r#"{"claude":1.5,"x":[]}"#.to_owned()),
    ]
}

/// Reading what we write gives the same record, whatever was stored before.
macro_rules! round_trip {
    ($($test:ident: $record:ty;)*) => {proptest! {$(
        #[test]
        fn $test(stored in any_fields(<$record>::FIELDS)) {
            let read = <$record>::from_fields("id", stored.clone());
            let written = read.to_fields();
            let again = <$record>::from_fields("id", written.clone().into_iter().collect());
            prop_assert_eq!(&again, &read);
            prop_assert_eq!(again.to_fields(), written);
            for (name, text) in stored.iter().filter(|(name, _)| !<$record>::FIELDS.contains(&name.as_str())) {
                prop_assert_eq!(read.rest.0.get(name), Some(text));
            }
        }
    )*}};
}
round_trip! {
    api_key_round_trip: ApiKey;
    claude_official_round_trip: ClaudeOfficial;
    claude_console_round_trip: ClaudeConsole;
    ccr_round_trip: Ccr;
    openai_round_trip: OpenAi;
    openai_responses_round_trip: OpenAiResponses;
    azure_openai_round_trip: AzureOpenAi;
    gemini_round_trip: Gemini;
    gemini_api_round_trip: GeminiApi;
    droid_round_trip: Droid;
    group_round_trip: Group;
    admin_session_round_trip: AdminSession;
    admin_credentials_round_trip: AdminCredentials;
}
