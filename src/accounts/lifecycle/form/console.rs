//! Accounts with an API key: Claude Console, and Claude Code Router, which differs in little.

use compat::{clock::iso, crypto::Service, js, pool::Patch};
use serde_json::{Map, Value, json};

use super::{
    Body, Made, Record,
    checks::{account_type, flag, grouped, priority, require},
    proxy, seal, to_text,
};
use crate::domain::{Declined, Failure};

const TYPES: [&str; 3] = ["shared", "dedicated", "group"];
const TYPE_ERROR: &str = "Invalid account type. Must be \"shared\", \"dedicated\" or \"group\"";
const GROUP_ERROR: &str = "Group ID is required for group type accounts";
const TASKS_ERROR: &str = "maxConcurrentTasks must be a non-negative integer";

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Flavour {
    /// Anthropic-compatible provider.
    Console,
    /// Claude Code Router.
    Ccr,
}

impl Flavour {
    fn platform(self) -> &'static str {
        match self {
            Self::Console => "claude-console",
            Self::Ccr => "ccr",
        }
    }

    fn service(self) -> Service {
        match self {
            Self::Console => Service::ClaudeConsole,
            Self::Ccr => Service::Ccr,
        }
    }

    fn user_agent(self) -> &'static str {
        match self {
            Self::Console => "claude-cli/1.0.69 (external, cli)",
            Self::Ccr => "claude-relay-service/1.0.0",
        }
    }
}

/// Checks the body of a new account.
///
/// # Errors
/// The first thing that is wrong.
pub(in super::super) fn check_new(body: &Body, flavour: Flavour) -> Result<(), Declined> {
    let whole = ["name", "apiUrl", "apiKey"].iter().all(|name| js::truthy(body.get(*name)));
    require(whole, "Name, API URL and API Key are required")?;
    check(body, flavour)
}

/// Checks what may be sent about an old account as well.
///
/// # Errors
/// The first thing that is wrong.
pub(in super::super) fn check(body: &Body, flavour: Flavour) -> Result<(), Declined> {
    priority(body)?;
    if flavour == Flavour::Console {
        let tasks = js::number(body.get("maxConcurrentTasks"));
        let fine = js::is_integer(tasks) && tasks >= 0.0;
        require(js::given(body.get("maxConcurrentTasks")).is_none() || fine, TASKS_ERROR)?;
    }
    account_type(body, &TYPES, TYPE_ERROR)?;
    grouped(body, false, GROUP_ERROR)
}

/// Checks that a secret can be encrypted: of a CCR account only texts can.
///
/// # Errors
/// Anything else, in Node's words.
pub(in super::super) fn check_secret(body: &Body, flavour: Flavour) -> Result<(), Failure> {
    let what = match js::or(body.get("apiKey")) {
        _ if flavour == Flavour::Console => return Ok(()),
        None | Some(Value::String(_)) => return Ok(()),
        Some(Value::Array(_)) => "an instance of Array".to_owned(),
        Some(Value::Object(_)) => "an instance of Object".to_owned(),
        Some(own @ Value::Bool(_)) => format!("type boolean ({})", js::text(own)),
        Some(own) => format!("type number ({})", js::text(own)),
    };
    Err(Failure::fault(format!(
        "The \"data\" argument must be of type string or an instance of Buffer, TypedArray, or \
         DataView. Received {what}"
    )))
}

/// The record of a checked body.
pub(in super::super) fn record(made: &Made<'_>, body: &Body, flavour: Flavour) -> Record {
    let sent = |name: &str| body.get(name);
    let text = |name: &str, otherwise: &str| {
        js::or(sent(name)).map_or_else(|| otherwise.to_owned(), js::text)
    };
    let agent = match sent("userAgent") {
        None => flavour.user_agent().to_owned(),
        own => js::field(own),
    };
    let minutes = js::given(sent("rateLimitDuration")).map_or_else(|| "60".into(), js::text);
    let console = flavour == Flavour::Console;
    let tasks = js::given(sent("maxConcurrentTasks")).map_or(0.0, |own| js::number(Some(own)));
    let unprotected = console && flag(sent("disableAutoProtection"));
    let mut record: Record = vec![
        ("id", made.id.to_owned()),
        ("platform", flavour.platform().into()),
        ("name", js::field(sent("name"))),
        ("description", js::field(sent("description"))),
        ("apiUrl", js::field(sent("apiUrl"))),
        ("apiKey", seal(made.vault, flavour.service(), sent("apiKey"))),
        ("priority", text("priority", "50")),
        ("supportedModels", js::stringify(&models(js::or(sent("supportedModels"))))),
        ("userAgent", agent),
        ("rateLimitDuration", minutes),
        ("proxy", proxy(sent("proxy"))),
        ("isActive", "true".into()),
        ("accountType", text("accountType", "shared")),
        ("subscriptionExpiresAt", String::new()),
        ("createdAt", iso(made.now_ms)),
        ("lastUsedAt", String::new()),
        ("status", "active".into()),
        ("errorMessage", String::new()),
        ("rateLimitedAt", String::new()),
        ("rateLimitStatus", String::new()),
        ("schedulable", "true".into()),
        ("dailyQuota", text("dailyQuota", "0")),
        ("dailyUsage", "0".into()),
        ("lastResetDate", made.today.to_owned()),
        ("quotaResetTime", text("quotaResetTime", "00:00")),
        ("quotaStoppedAt", String::new()),
        ("disableAutoProtection", unprotected.to_string()),
    ];
    if console {
        record.push(("maxConcurrentTasks", compat::number::js(tasks)));
        record.push(("interceptWarmup", flag(sent("interceptWarmup")).to_string()));
    }
    record
}

/// Model names: a list maps each to itself, nothing at all serves every model.
fn models(sent: Option<&Value>) -> Value {
    match sent {
        Some(map @ Value::Object(_)) => map.clone(),
        Some(Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| !name.is_empty());
            let map: Map<String, Value> =
                names.map(|name| (name.to_owned(), name.into())).collect();
            Value::Object(map)
        }
        _ => json!({}),
    }
}

/// The new account as the admin API shows it.
pub(in super::super) fn shown(record: &Record, body: &Body, flavour: Flavour) -> Value {
    let stored = |name: &str| {
        record.iter().find(|(field, _)| *field == name).map_or("", |(_, value)| value.as_str())
    };
    let sent = |name: &str, unsent: Value| body.get(name).map_or(unsent, js::parsed);
    let or = |name: &str, otherwise: Value| js::or(body.get(name)).map_or(otherwise, js::parsed);
    let given = |name: &str, unsent: Value| js::given(body.get(name)).map_or(unsent, js::parsed);
    let mut shown = json!({
        "id": stored("id"),
        "name": sent("name", Value::Null),
        "description": sent("description", "".into()),
        "apiUrl": sent("apiUrl", Value::Null),
        "priority": or("priority", 50.into()),
        "supportedModels": or("supportedModels", json!([])),
        "userAgent": sent("userAgent", flavour.user_agent().into()),
        "rateLimitDuration": given("rateLimitDuration", 60.into()),
        "isActive": true,
        "proxy": sent("proxy", Value::Null),
        "accountType": stored("accountType"),
        "status": "active",
        "createdAt": stored("createdAt"),
        "dailyQuota": or("dailyQuota", 0.into()),
        "dailyUsage": 0,
        "lastResetDate": stored("lastResetDate"),
        "quotaResetTime": or("quotaResetTime", "00:00".into()),
        "quotaStoppedAt": null,
    });
    if flavour == Flavour::Console {
        let tasks = js::given(body.get("maxConcurrentTasks"));
        shown["maxConcurrentTasks"] =
            compat::number::json(tasks.map_or(0.0, |own| js::number(Some(own))));
        shown["disableAutoProtection"] = flag(body.get("disableAutoProtection")).into();
        shown["interceptWarmup"] = flag(body.get("interceptWarmup")).into();
        shown["activeTaskCount"] = 0.into();
    }
    for name in ["subscriptionExpiresAt", "tokenExpiresAt", "expiresAt"] {
        shown[name] = Value::Null;
    }
    shown
}

/// The change that a checked body makes; `account_type` is the record's own. `body` has the new name of
/// the subscription's end.
///
/// # Errors
/// Values without a text, in the words of JavaScript.
pub(in super::super) fn patch(
    made: &Made<'_>,
    body: &Body,
    account_type: &str,
    flavour: Flavour,
) -> Result<Patch, Failure> {
    check_secret(body, flavour)?;
    let console = flavour == Flavour::Console;
    let mut patch = Patch::new();
    for (field, value) in body {
        let value = Some(value);
        patch = match field.as_str() {
            "name"
            | "description"
            | "apiUrl"
            | "userAgent"
            | "quotaResetTime"
            | "subscriptionExpiresAt" => patch.set(field.clone(), js::field(value)),
            "lastResetDate" | "quotaStoppedAt" if console => {
                patch.set(field.clone(), js::field(value))
            }
            "apiKey" => patch.set("apiKey", seal(made.vault, flavour.service(), value)),
            "priority" | "rateLimitDuration" | "isActive" | "dailyQuota" => {
                patch.set(field.clone(), to_text(value)?)
            }
            "dailyUsage" | "interceptWarmup" if console => {
                patch.set(field.clone(), to_text(value)?)
            }
            "maxConcurrentTasks" if console => {
                let tasks = js::given(value).map(|own| compat::number::json(js::number(Some(own))));
                patch.set("maxConcurrentTasks", to_text(tasks.as_ref().or(value))?)
            }
            "disableAutoProtection" if console => {
                patch.set("disableAutoProtection", flag(value).to_string())
            }
            "disableAutoProtection" => patch.set("disableAutoProtection", to_text(value)?),
            "supportedModels" => {
                patch.set("supportedModels", js::stringify(&models(js::or(value))))
            }
            "proxy" => patch.set("proxy", proxy(value)),
            "schedulable" => {
                let patch = patch.set("schedulable", to_text(value)?);
                if console { by_hand(patch) } else { patch }
            }
            _ => patch,
        };
    }
    if let Some(own) = js::or(body.get("accountType")).map(js::text)
        && own != account_type
    {
        patch = patch.set("accountType", own);
    }
    Ok(if console { patch.set("updatedAt", iso(made.now_ms)) } else { patch })
}

/// Whoever switches by hand ends what was stopped automatically.
fn by_hand(patch: Patch) -> Patch {
    ["rateLimitAutoStopped", "quotaAutoStopped", "autoStoppedAt", "stoppedReason"]
        .into_iter()
        .fold(patch, |patch, field| patch.set(field, ""))
}
