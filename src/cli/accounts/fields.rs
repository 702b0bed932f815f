//! Fields of an account on the command line.

use clap::Args;
use compat::pool::Kind;
use serde_json::{Map, Value};

use super::super::input;

/// Fields that are given by name; what is not given stays as it is, or has its default.
#[derive(Debug, Default, Args)]
pub(super) struct Fields {
    /// What the account is for.
    #[arg(long)]
    description: Option<String>,
    /// 1 to 100; lower is used first.
    #[arg(long, value_name = "N")]
    priority: Option<u8>,
    /// Who may use it: shared, dedicated (keys bound to it) or group.
    #[arg(long = "type", value_name = "TYPE")]
    account_type: Option<String>,
    /// Group it belongs to, for --type group; Claude and OpenAI accounts may be in several.
    #[arg(long = "group", value_name = "ID")]
    groups: Vec<String>,
    /// Outbound proxy: JSON without a password, @FILE, or - for standard input.
    #[arg(long)]
    proxy: Option<String>,
    /// End of the subscription, like 2026-12-31T00:00:00Z.
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// Console, CCR, openai-responses: address of the provider; Azure: of the resource.
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,
    /// Console, CCR, openai-responses, Azure: file with the API key, or - for standard input.
    #[arg(long, value_name = "FILE")]
    api_key: Option<String>,
    /// Console, CCR: model the provider serves, or MODEL=ITS NAME; all when none is named. Azure: model to
    /// show.
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// Console, CCR, openai-responses: most US dollars a day; 0 is no limit.
    #[arg(long, value_name = "USD")]
    daily_quota: Option<f64>,
    /// Console: most requests at once; 0 is no limit.
    #[arg(long, value_name = "N")]
    max_tasks: Option<u32>,
    /// Console, CCR, openai-responses: User-Agent to send instead of the client's.
    #[arg(long, value_name = "TEXT")]
    user_agent: Option<String>,
    /// Azure: deployment.
    #[arg(long, value_name = "NAME")]
    deployment: Option<String>,
    /// Azure: version of the API, like 2024-02-01.
    #[arg(long, value_name = "VERSION")]
    api_version: Option<String>,
    /// Bedrock: AWS region.
    #[arg(long)]
    region: Option<String>,
    /// Bedrock: file with {accessKeyId, secretAccessKey, sessionToken?}, or - for standard input.
    #[arg(long, value_name = "FILE")]
    credentials: Option<String>,
    /// Bedrock: file with an API key (bearer token), or - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "credentials")]
    bearer_token: Option<String>,
    /// Any field of the admin API, the value as JSON or text.
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    settings: Vec<String>,
    /// File with the fields as one JSON object, or - for standard input; options above win.
    #[arg(long, value_name = "FILE")]
    body: Option<String>,
}

impl Fields {
    /// The proxy alone, which logging in needs before the account is there.
    ///
    /// # Errors
    /// As [`input::proxy`].
    pub(super) fn proxy(&self) -> anyhow::Result<Option<Value>> {
        self.proxy.as_deref().map(input::proxy).transpose()
    }

    /// Whether a file says what the account is like.
    pub(super) fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// The body for the admin API's operation.
    ///
    /// # Errors
    /// A file that cannot be read, or an option of another form.
    pub(super) fn body(&self, kind: Kind) -> anyhow::Result<Map<String, Value>> {
        let mut body = input::body(self.body.as_deref(), &self.settings)?;
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        };
        let text = |own: &Option<String>| own.clone().map(Value::from);
        let secret = |own: &Option<String>| {
            own.as_deref().map(input::text).transpose().map(|own| own.map(Value::from))
        };
        put("description", text(&self.description));
        put("priority", self.priority.map(Value::from));
        put("accountType", text(&self.account_type));
        match self.groups.as_slice() {
            [] => {}
            [group] => put("groupId", Some(group.clone().into())),
            [first, ..] => {
                put("groupId", Some(first.clone().into()));
                put("groupIds", Some(self.groups.clone().into()));
            }
        }
        put("proxy", self.proxy()?);
        put("expiresAt", text(&self.expires));
        let address = match kind {
            Kind::OpenAiResponses => "baseApi",
            Kind::Azure => "azureEndpoint",
            _ => "apiUrl",
        };
        put(address, text(&self.api_url));
        put("apiKey", secret(&self.api_key)?);
        put("supportedModels", models(&self.models, kind));
        put("userAgent", text(&self.user_agent));
        put("deploymentName", text(&self.deployment));
        put("apiVersion", text(&self.api_version));
        put("dailyQuota", self.daily_quota.map(Value::from));
        put("maxConcurrentTasks", self.max_tasks.map(Value::from));
        put("region", text(&self.region));
        if let Some(file) = &self.credentials {
            put("credentialType", Some("access_key".into()));
            put("awsCredentials", Some(Value::Object(input::object(file)?)));
        }
        if let Some(token) = secret(&self.bearer_token)? {
            put("credentialType", Some("bearer_token".into()));
            put("bearerToken", Some(token));
        }
        Ok(body)
    }
}

/// `MODEL` serves itself, `MODEL=NAME` is asked for under another name. Azure accounts have a list.
fn models(given: &[String], kind: Kind) -> Option<Value> {
    if kind == Kind::Azure {
        return (!given.is_empty()).then(|| given.to_vec().into());
    }
    let map: Map<String, Value> = given
        .iter()
        .map(|own| own.split_once('=').unwrap_or((own, own)))
        .map(|(model, name)| (model.to_owned(), name.into()))
        .collect();
    (!map.is_empty()).then_some(Value::Object(map))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_have_the_names_of_the_kind() {
        let fields = Fields {
            api_url: Some("https://x.example.test".into()),
            models: vec!["a".into(), "b".into()],
            deployment: Some("d".into()),
            ..Fields::default()
        };
        let azure = fields.body(Kind::Azure).unwrap();
        assert_eq!(
            Value::Object(azure),
            json!({
                "azureEndpoint": "https://x.example.test", "supportedModels": ["a", "b"],
                "deploymentName": "d",
            })
        );
        assert!(fields.body(Kind::OpenAiResponses).unwrap().contains_key("baseApi"));
    }

    #[test]
    fn options_become_the_admin_apis_fields() {
        let fields = Fields {
            priority: Some(7),
            models: vec!["a".into(), "b=c".into()],
            groups: vec!["g".into()],
            account_type: Some("group".into()),
            ..Fields::default()
        };
        assert_eq!(
            Value::Object(fields.body(Kind::Console).unwrap()),
            json!({
                "priority": 7, "accountType": "group", "groupId": "g",
                "supportedModels": {"a": "a", "b": "c"},
            })
        );
    }
}
