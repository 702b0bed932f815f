//! `crs accounts add`: logging in where that is needed, then making the account.

use clap::Args;
use compat::pool::Kind;
use serde_json::{Map, Value, json};

use super::{
    super::{Output, input, output::Stopped},
    Fields, KindName,
    login::{Way, tokens_of},
};
use crate::accounts::lifecycle::AccountAdmin;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Kind of account.
    kind: KindName,
    /// Name to show.
    #[arg(long)]
    name: Option<String>,
    /// Claude: a setup token instead of a full login: inference only, good for a year.
    #[arg(long)]
    setup_token: bool,
    /// Claude, openai: session of `crs accounts authorize`.
    #[arg(long, value_name = "ID", requires = "code")]
    session: Option<String>,
    /// Claude, openai: file with the code or the address the browser ended at, or - for standard input.
    #[arg(long, value_name = "FILE", requires = "session")]
    code: Option<String>,
    /// Claude: file with the session key of a browser that is logged in, or - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["session", "tokens"])]
    session_key: Option<String>,
    /// File with tokens, or - for standard input. Claude: {accessToken, refreshToken, expiresAt, scopes};
    /// openai: {idToken, accessToken, refreshToken, expires_in}.
    #[arg(long, value_name = "FILE", conflicts_with = "session")]
    tokens: Option<String>,
    /// Claude, openai: file with a refresh token alone, or - for standard input. A Claude account waits for
    /// its first refresh; an openai account is only kept when the token is good.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["session", "session_key", "tokens"])]
    refresh_token: Option<String>,
    #[command(flatten)]
    fields: Fields,
}

pub(super) async fn run(
    accounts: &AccountAdmin,
    arguments: Arguments,
    output: &Output,
) -> Result<Value, Stopped> {
    let kind = arguments.kind.kind();
    let mut body = arguments.fields.body(kind)?;
    body.extend(arguments.name.clone().map(|name| ("name".to_owned(), name.into())));
    let logs_in = matches!(kind, Kind::Official | Kind::OpenAi);
    if logs_in && !body.contains_key("name") {
        // Said before anybody logs in for nothing.
        body.insert("name".to_owned(), Value::Null);
        return Ok(accounts.create(kind, &Value::Object(body)).await?);
    }
    let known = ["claudeAiOauth", "refreshToken", "openaiOauth"];
    if logs_in && !known.iter().any(|name| body.contains_key(*name)) {
        if let Some(file) = &arguments.refresh_token {
            body.extend(with_refresh_token(kind, &input::text(file)?));
        } else if arguments.fields_alone() {
            body.extend(log_in(accounts, &arguments, output).await?);
        }
    }
    Ok(accounts.create(kind, &Value::Object(body)).await?)
}

impl Arguments {
    /// Whether nothing but the options says how the account is made: a body that came from a file is
    /// taken as it is, unless a way to log in is named besides.
    fn fields_alone(&self) -> bool {
        let named = self.session.is_some() || self.session_key.is_some() || self.tokens.is_some();
        named || !self.fields.has_body()
    }
}

fn with_refresh_token(kind: Kind, token: &str) -> Map<String, Value> {
    let body = if kind == Kind::OpenAi {
        json!({
            "openaiOauth": { "refreshToken": token },
            "needsImmediateRefresh": true,
            "requireRefreshSuccess": true,
        })
    } else {
        json!({ "refreshToken": token })
    };
    body.as_object().cloned().unwrap_or_default()
}

/// Tokens by whichever way was named, else over the browser, as members of the body.
async fn log_in(
    accounts: &AccountAdmin,
    arguments: &Arguments,
    output: &Output,
) -> Result<Map<String, Value>, Stopped> {
    let kind = arguments.kind.kind();
    let way = Way::of(kind, arguments.setup_token)?;
    if let Some(file) = &arguments.tokens {
        let name = if kind == Kind::OpenAi { "openaiOauth" } else { "claudeAiOauth" };
        return Ok(Map::from_iter([(name.to_owned(), Value::Object(input::object(file)?))]));
    }
    let proxy = arguments.fields.proxy()?;
    if let Some(file) = &arguments.session_key {
        let Way::Claude(login) = way else {
            return Err(anyhow::anyhow!("only Claude is logged in to with a session key").into());
        };
        let proxy = proxy.unwrap_or_default();
        let body = json!({ "sessionKey": input::text(file)?, "proxy": proxy });
        return Ok(tokens_of(accounts.cookie_login(login, &body).await?).into_iter().collect());
    }
    match (&arguments.session, &arguments.code) {
        (Some(session), Some(file)) => way.finish(accounts, session, &input::text(file)?).await,
        _ => way.ask(accounts, proxy, output).await,
    }
}
