//! `crs accounts add`: logging in where that is needed, then making the account.

use clap::Args;
use serde_json::{Value, json};

use super::{
    super::{Output, input, output::Stopped},
    Fields, KindName,
};
use crate::accounts::lifecycle::{AccountAdmin, Login};

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
    /// Claude: session of `crs accounts authorize`.
    #[arg(long, value_name = "ID", requires = "code")]
    session: Option<String>,
    /// Claude: file with the code or the address the browser ended at, or - for standard input.
    #[arg(long, value_name = "FILE", requires = "session")]
    code: Option<String>,
    /// Claude: file with the session key of a browser that is logged in, or - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["session", "tokens"])]
    session_key: Option<String>,
    /// Claude: file with tokens ({accessToken, refreshToken, expiresAt, scopes}), or - for standard
    /// input.
    #[arg(long, value_name = "FILE", conflicts_with = "session")]
    tokens: Option<String>,
    /// Claude: file with a refresh token alone, or - for standard input; the account waits for its
    /// first refresh.
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
    let mut body = arguments.fields.body()?;
    body.extend(arguments.name.clone().map(|name| ("name".to_owned(), name.into())));
    let official = arguments.kind == KindName::Claude;
    if official && !body.contains_key("name") {
        // Said before anybody logs in for nothing.
        body.insert("name".to_owned(), Value::Null);
        return Ok(accounts.create(arguments.kind.kind(), &Value::Object(body)).await?);
    }
    let known = ["claudeAiOauth", "refreshToken"].iter().any(|name| body.contains_key(*name));
    if official && !known {
        if let Some(file) = &arguments.refresh_token {
            body.insert("refreshToken".to_owned(), input::text(file)?.into());
        } else if arguments.fields_alone() {
            let tokens = log_in(accounts, &arguments, output).await?;
            body.extend(tokens.map(|tokens| ("claudeAiOauth".to_owned(), tokens)));
        }
    }
    Ok(accounts.create(arguments.kind.kind(), &Value::Object(body)).await?)
}

impl Arguments {
    /// Whether nothing but the options says how the account is made: a body that came from a file is
    /// taken as it is, unless a way to log in is named besides.
    fn fields_alone(&self) -> bool {
        let named = self.session.is_some() || self.session_key.is_some() || self.tokens.is_some();
        named || !self.fields.has_body()
    }
}

/// Tokens by whichever way was named, else over the browser.
async fn log_in(
    accounts: &AccountAdmin,
    arguments: &Arguments,
    output: &Output,
) -> Result<Option<Value>, Stopped> {
    let login = if arguments.setup_token { Login::SetupToken } else { Login::Full };
    if let Some(file) = &arguments.tokens {
        return Ok(Some(Value::Object(input::object(file)?)));
    }
    let proxy = arguments.fields.proxy()?.unwrap_or_default();
    if let Some(file) = &arguments.session_key {
        let body = json!({ "sessionKey": input::text(file)?, "proxy": proxy });
        return Ok(tokens_of(accounts.cookie_login(login, &body).await?));
    }
    let (session, code) = match (&arguments.session, &arguments.code) {
        (Some(session), Some(file)) => (session.clone(), input::text(file)?),
        _ => ask(accounts, login, &json!({ "proxy": proxy }), output).await?,
    };
    let body = json!({ "sessionId": session, "authorizationCode": code });
    Ok(tokens_of(accounts.finish_login(login, &body).await?))
}

fn tokens_of(mut answer: Value) -> Option<Value> {
    answer.pointer_mut("/data/claudeAiOauth").map(Value::take)
}

/// Shows the link and waits for the code.
async fn ask(
    accounts: &AccountAdmin,
    login: Login,
    body: &Value,
    output: &Output,
) -> Result<(String, String), Stopped> {
    let unattended = "nobody is there to log in: run `crs accounts authorize`, open its link, and \
                      come back with --session and --code";
    if output.is_json() || !input::is_attended() {
        return Err(anyhow::anyhow!(unattended).into());
    }
    let begun = accounts.begin_login(login, body).await?;
    let text = |name: &str| begun["data"][name].as_str().unwrap_or_default().to_owned();
    output.line("Open this link, log in and allow access:");
    output.line("");
    output.line(&text("authUrl"));
    output.line("");
    let code = input::ask("Paste the code, or the address the browser ended at:")?;
    let code = code.ok_or_else(|| anyhow::anyhow!(unattended))?;
    Ok((text("sessionId"), code))
}
