//! Logging in over the browser, for a new account or an old one: a link, and the code that comes back.

use clap::Args;
use compat::pool::Kind;
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    super::{Output, input, output::Stopped},
    Which,
};
use crate::accounts::lifecycle::{AccountAdmin, Login};

/// Arguments of `crs accounts login`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Claude: a setup token instead of a full login.
    #[arg(long)]
    setup_token: bool,
    /// Session of `crs accounts authorize`.
    #[arg(long, value_name = "ID", requires = "code")]
    session: Option<String>,
    /// File with the code or the address the browser ended at, or - for standard input.
    #[arg(long, value_name = "FILE", requires = "session")]
    code: Option<String>,
}

/// Whose login it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Claude's.
    Claude(Login),
    /// ChatGPT's.
    ChatGpt,
}

impl Way {
    /// The way of a kind of account.
    ///
    /// # Errors
    /// For kinds that nobody logs in to.
    pub(super) fn of(kind: Kind, setup_token: bool) -> anyhow::Result<Self> {
        match kind {
            Kind::Official if setup_token => Ok(Self::Claude(Login::SetupToken)),
            Kind::Official => Ok(Self::Claude(Login::Full)),
            Kind::OpenAi if !setup_token => Ok(Self::ChatGpt),
            Kind::OpenAi => anyhow::bail!("only Claude has setup tokens"),
            _ => anyhow::bail!("{} accounts have keys; nobody logs in to them", kind.as_str()),
        }
    }

    /// Link and session.
    pub(super) async fn begin(
        self,
        accounts: &AccountAdmin,
        proxy: Option<Value>,
    ) -> Result<Value, Stopped> {
        let body = proxy.map_or_else(|| json!({}), |proxy| json!({ "proxy": proxy }));
        Ok(match self {
            Self::Claude(login) => accounts.begin_login(login, &body).await?,
            Self::ChatGpt => accounts.begin_chatgpt_login(&body).await?,
        })
    }

    /// What is stored of a login: members for the account's body.
    pub(super) async fn finish(
        self,
        accounts: &AccountAdmin,
        session: &str,
        code: &str,
    ) -> Result<Map<String, Value>, Stopped> {
        let mut body = Map::new();
        match self {
            Self::Claude(login) => {
                let sent = json!({ "sessionId": session, "authorizationCode": code });
                body.extend(tokens_of(accounts.finish_login(login, &sent).await?));
            }
            Self::ChatGpt => {
                let sent = json!({ "sessionId": session, "code": code_of(code) });
                let mut answer = accounts.finish_chatgpt_login(&sent).await?;
                for (from, to) in [("tokens", "openaiOauth"), ("accountInfo", "accountInfo")] {
                    let part = answer.pointer_mut(&format!("/data/{from}")).map(Value::take);
                    body.extend(part.map(|part| (to.to_owned(), part)));
                }
            }
        }
        Ok(body)
    }

    /// Shows the link and waits for the code.
    pub(super) async fn ask(
        self,
        accounts: &AccountAdmin,
        proxy: Option<Value>,
        output: &Output,
    ) -> Result<Map<String, Value>, Stopped> {
        let unattended = "nobody is there to log in: run `crs accounts authorize`, open its link, \
                          and come back with --session and --code";
        if output.is_json() || !input::is_attended() {
            return Err(anyhow::anyhow!(unattended).into());
        }
        let begun = self.begin(accounts, proxy).await?;
        let text = |name: &str| begun["data"][name].as_str().unwrap_or_default();
        output.line("Open this link, log in and allow access:");
        output.line("");
        output.line(text("authUrl"));
        output.line("");
        if self == Self::ChatGpt {
            output.line(
                "The browser ends at an address on localhost that cannot be opened; copy it.",
            );
        }
        let code = input::ask("Paste the code, or the address the browser ended at:")?;
        let code = code.ok_or_else(|| anyhow::anyhow!(unattended))?;
        self.finish(accounts, text("sessionId"), &code).await
    }
}

/// `claudeAiOauth` of an answer, as a member of a body.
pub(super) fn tokens_of(mut answer: Value) -> Option<(String, Value)> {
    let tokens = answer.pointer_mut("/data/claudeAiOauth").map(Value::take);
    tokens.map(|tokens| ("claudeAiOauth".to_owned(), tokens))
}

/// The code in what was pasted.
fn code_of(pasted: &str) -> String {
    let pasted = pasted.trim();
    let query = Url::parse(pasted).ok().filter(|url| url.scheme().starts_with("http"));
    let code = query.as_ref().and_then(|url| {
        url.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned())
    });
    code.unwrap_or_else(|| pasted.to_owned())
}

pub(super) async fn run(
    accounts: &AccountAdmin,
    arguments: &Arguments,
    output: &Output,
) -> Result<Value, Stopped> {
    let shown = arguments.which.of_login(accounts).await?;
    let way = Way::of(shown.kind, arguments.setup_token)?;
    let body = match (&arguments.session, &arguments.code) {
        (Some(session), Some(file)) => way.finish(accounts, session, &input::text(file)?).await?,
        _ => {
            let proxy = shown.item.get("proxy").filter(|proxy| proxy.is_object()).cloned();
            way.ask(accounts, proxy, output).await?
        }
    };
    let id = shown.text("id");
    accounts.update(shown.kind, id, &Value::Object(body)).await?;
    Ok(accounts.reset_status(shown.kind, id).await?)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("abc", "abc")]
    #[case(" http://localhost:1455/auth/callback?code=a%2Bb&state=s ", "a+b")]
    #[case("http://localhost:1455/auth/callback", "http://localhost:1455/auth/callback")]
    fn codes_are_found(#[case] pasted: &str, #[case] code: &str) {
        assert_eq!(code_of(pasted), code);
    }

    #[test]
    fn only_accounts_with_a_login_have_a_way() {
        assert_eq!(Way::of(Kind::OpenAi, false).unwrap(), Way::ChatGpt);
        assert_eq!(Way::of(Kind::Official, true).unwrap(), Way::Claude(Login::SetupToken));
        assert!(Way::of(Kind::OpenAi, true).is_err());
        assert!(Way::of(Kind::Azure, false).is_err());
    }
}
