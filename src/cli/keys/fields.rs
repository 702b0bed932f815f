//! Fields of a key on the command line.

use clap::Args;
use serde_json::{Map, Value};

use super::super::input;

/// Fields that are given by name; what is not given stays as it is, or has its default.
#[derive(Debug, Default, Args)]
pub(super) struct Fields {
    /// What the key is for (new keys only).
    #[arg(long)]
    description: Option<String>,
    /// Most US dollars a day; 0 is no limit.
    #[arg(long, value_name = "USD")]
    daily_cost: Option<f64>,
    /// Most US dollars in all; 0 is no limit.
    #[arg(long, value_name = "USD")]
    total_cost: Option<f64>,
    /// Most US dollars a week for Claude models; 0 is no limit.
    #[arg(long, value_name = "USD")]
    weekly_cost: Option<f64>,
    /// Day of the weekly reset, 1 Monday to 7 Sunday.
    #[arg(long, value_name = "DAY")]
    weekly_reset_day: Option<u8>,
    /// Hour of the weekly reset.
    #[arg(long, value_name = "HOUR")]
    weekly_reset_hour: Option<u8>,
    /// Most requests at once; 0 is no limit.
    #[arg(long, value_name = "N")]
    concurrency: Option<u32>,
    /// Minutes of the rate window.
    #[arg(long, value_name = "MINUTES")]
    rate_window: Option<u32>,
    /// Most requests in a rate window.
    #[arg(long, value_name = "N")]
    rate_requests: Option<u32>,
    /// Most US dollars in a rate window.
    #[arg(long, value_name = "USD")]
    rate_cost: Option<f64>,
    /// Service the key may use: claude, gemini, openai or droid; all when none is named.
    #[arg(long = "permission", value_name = "SERVICE")]
    permissions: Vec<String>,
    /// Tag; may be given several times, and replaces the tags there were.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Account to bind to: claude=ID, console=ID, bedrock=ID, gemini=ID, openai=ID, responses=ID or
    /// droid=ID; group:ID names a group, and nothing after the sign unbinds.
    #[arg(long = "bind", value_name = "KIND=ID")]
    bindings: Vec<String>,
    /// Whether requests of clients other than Codex are adapted to what Codex accounts take (true for new
    /// keys).
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set)]
    codex_adaptation: Option<bool>,
    /// File with rules that change the body of Responses requests, or - for standard input: a JSON list of
    /// {path, valueType, value}. Switches them on; an empty list switches them off.
    #[arg(long, value_name = "FILE")]
    payload_rules: Option<String>,
    /// End of the key's life, like 2026-12-31T00:00:00Z.
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// Any field of the admin API, the value as JSON or text.
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    settings: Vec<String>,
    /// File with the fields as one JSON object, or - for standard input; options above win.
    #[arg(long, value_name = "FILE")]
    body: Option<String>,
}

impl Fields {
    /// The body for the admin API's operation.
    ///
    /// # Errors
    /// A file that cannot be read, or an option of another form.
    pub(super) fn body(&self) -> anyhow::Result<Map<String, Value>> {
        let mut body = input::body(self.body.as_deref(), &self.settings)?;
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        };
        let amount = |own: Option<f64>| own.map(Value::from);
        let count = |own: Option<u32>| own.map(Value::from);
        let list = |own: &[String]| (!own.is_empty()).then(|| own.to_vec().into());
        put("description", self.description.clone().map(Value::from));
        put("dailyCostLimit", amount(self.daily_cost));
        put("totalCostLimit", amount(self.total_cost));
        put("weeklyOpusCostLimit", amount(self.weekly_cost));
        put("weeklyResetDay", self.weekly_reset_day.map(Value::from));
        put("weeklyResetHour", self.weekly_reset_hour.map(Value::from));
        put("concurrencyLimit", count(self.concurrency));
        put("rateLimitWindow", count(self.rate_window));
        put("rateLimitRequests", count(self.rate_requests));
        put("rateLimitCost", amount(self.rate_cost));
        put("permissions", list(&self.permissions));
        put("tags", list(&self.tags));
        put("expiresAt", self.expires.clone().map(Value::from));
        put("enableOpenAIResponsesCodexAdaptation", self.codex_adaptation.map(Value::from));
        if let Some(file) = &self.payload_rules {
            let rules = input::list(file)?;
            put("enableOpenAIResponsesPayloadRules", Some((!rules.is_empty()).into()));
            put("openaiResponsesPayloadRules", Some(Value::Array(rules)));
        }
        for binding in &self.bindings {
            let (field, id) = binding_field(binding)?;
            put(field, Some(id.into()));
        }
        Ok(body)
    }
}

fn binding_field(given: &str) -> anyhow::Result<(&'static str, String)> {
    let known = "claude, console, bedrock, gemini, openai, responses or droid";
    let Some((kind, id)) = given.split_once('=') else {
        anyhow::bail!("--bind takes KIND=ID, KIND being {known}");
    };
    let field = match kind {
        "claude" => "claudeAccountId",
        "console" => "claudeConsoleAccountId",
        "bedrock" => "bedrockAccountId",
        "gemini" => "geminiAccountId",
        // Providers share the field with ChatGPT accounts, under a prefix; groups hold both.
        "responses" if !id.is_empty() && !id.starts_with("group:") => {
            return Ok(("openaiAccountId", format!("responses:{id}")));
        }
        "openai" | "responses" => "openaiAccountId",
        "azure" => anyhow::bail!("keys are not bound to Azure accounts: requests use all of them"),
        "droid" => "droidAccountId",
        _ => anyhow::bail!("--bind knows {known}, not {kind}"),
    };
    Ok((field, id.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_become_the_admin_apis_fields() {
        let fields = Fields {
            daily_cost: Some(2.5),
            tags: vec!["a".into()],
            bindings: vec!["claude=group:g".into(), "console=".into()],
            settings: vec!["enableModelRestriction=true".into(), "icon=x".into()],
            ..Fields::default()
        };
        assert_eq!(
            Value::Object(fields.body().unwrap()),
            json!({
                "enableModelRestriction": true, "icon": "x", "dailyCostLimit": 2.5, "tags": ["a"],
                "claudeAccountId": "group:g", "claudeConsoleAccountId": "",
            })
        );
        assert!(binding_field("azure=x").is_err());
        let responses = |given: &str| binding_field(given).unwrap().1;
        assert_eq!(responses("responses=x"), "responses:x");
        assert_eq!(responses("responses=group:g"), "group:g");
        assert_eq!(responses("responses="), "");
    }
}
