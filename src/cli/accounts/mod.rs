//! `crs accounts`: making, changing, testing and deleting upstream accounts.

mod add;
mod fields;
mod login;
mod show;
mod trial;

use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use compat::pool::Kind;
use serde_json::{Value, json};
use tokio::runtime::Builder;

use super::{Output, demo, input, output::Stopped};
use crate::{
    accounts::lifecycle::{AccountAdmin, Shown},
    app::Administration,
};
use fields::Fields;

/// Arguments of `crs accounts`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

/// Kinds of account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KindName {
    /// Claude with OAuth or a setup token.
    #[value(alias = "claude-official", alias = "official")]
    Claude,
    /// Anthropic-compatible provider with an API key.
    #[value(alias = "claude-console")]
    Console,
    /// Claude Code Router.
    Ccr,
    /// AWS Bedrock.
    Bedrock,
    /// ChatGPT, as Codex uses it.
    #[value(name = "openai", alias = "chatgpt", alias = "codex")]
    OpenAi,
    /// Provider of the Responses API with an API key.
    #[value(name = "openai-responses", alias = "responses")]
    OpenAiResponses,
    /// Azure OpenAI.
    #[value(name = "azure-openai", alias = "azure")]
    Azure,
}

impl KindName {
    fn kind(self) -> Kind {
        match self {
            Self::Claude => Kind::Official,
            Self::Console => Kind::Console,
            Self::Ccr => Kind::Ccr,
            Self::Bedrock => Kind::Bedrock,
            Self::OpenAi => Kind::OpenAi,
            Self::OpenAiResponses => Kind::OpenAiResponses,
            Self::Azure => Kind::Azure,
        }
    }
}

/// One account.
#[derive(Debug, Args)]
struct Which {
    /// Id or name.
    account: String,
    /// Its kind; ACCOUNT is the id then, and is not looked for.
    #[arg(long)]
    kind: Option<KindName>,
}

impl Which {
    async fn find(&self, accounts: &AccountAdmin) -> Result<(Kind, String), Stopped> {
        if let Some(kind) = self.kind {
            return Ok((kind.kind(), self.account.clone()));
        }
        let shown = accounts.find(&self.account, &Kind::ALL).await?;
        Ok((shown.kind, shown.text("id").to_owned()))
    }

    /// Kind and id of an account that somebody logs in to.
    async fn login_id(&self, accounts: &AccountAdmin) -> Result<(Kind, String), Stopped> {
        match self.kind {
            Some(kind @ (KindName::Claude | KindName::OpenAi)) => {
                Ok((kind.kind(), self.account.clone()))
            }
            _ => {
                let shown = self.of_login(accounts).await?;
                Ok((shown.kind, shown.text("id").to_owned()))
            }
        }
    }

    /// An account that somebody logs in to.
    async fn of_login(&self, accounts: &AccountAdmin) -> Result<Shown, Stopped> {
        let kinds: &[Kind] = match self.kind {
            Some(KindName::Claude) => &[Kind::Official],
            Some(KindName::OpenAi) => &[Kind::OpenAi],
            _ => &[Kind::Official, Kind::OpenAi],
        };
        Ok(accounts.find(&self.account, kinds).await?)
    }

    async fn official(&self, accounts: &AccountAdmin) -> Result<String, Stopped> {
        match self.kind {
            Some(KindName::Claude) => Ok(self.account.clone()),
            _ => {
                let shown = accounts.find(&self.account, &[Kind::Official]).await?;
                Ok(shown.text("id").to_owned())
            }
        }
    }
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List accounts.
    List {
        /// Only this kind.
        kind: Option<KindName>,
    },
    /// Show everything about an account but its secrets.
    Show(Which),
    /// Add an account.
    ///
    /// For Claude and ChatGPT (openai): without further options prints a link, waits for the code that the
    /// vendor shows or the address the browser ended at, and adds the account. In scripts,
    /// `crs accounts authorize` prints the link and a session, and --session with --code ends it.
    #[command(after_help = "Fields not named here: --set FIELD=VALUE, or --body FILE with a JSON \
                            object in the admin API's form.")]
    Add(Box<add::Arguments>),
    /// Print a link to log in with, and the session that ends it within ten minutes.
    Authorize {
        /// Kind of account: claude or openai.
        #[arg(default_value = "claude")]
        kind: KindName,
        /// For a setup token: inference only, good for a year.
        #[arg(long)]
        setup_token: bool,
        /// Proxy for the exchange: JSON without a password, @FILE, or - for standard input.
        #[arg(long)]
        proxy: Option<String>,
    },
    /// Log in to an account again: it has new tokens and no faults then.
    Login(login::Arguments),
    /// Change an account.
    Edit {
        #[command(flatten)]
        which: Which,
        /// New name.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        fields: Box<Fields>,
    },
    /// Take an account into use.
    Enable(Which),
    /// Take an account out of use.
    Disable(Which),
    /// Close an account to the scheduler; what runs goes on.
    Pause(Which),
    /// Open an account to the scheduler again.
    Resume(Which),
    /// End every fault an account is in: limits, cool-downs, stops.
    Reset(Which),
    /// End the limit of an openai-responses account and nothing else.
    ///
    /// An account that the limit closed to the scheduler stays closed, as in the legacy console; `resume`
    /// opens it, and `reset` does both.
    ResetRateLimit(Which),
    /// Exchange the refresh token of a Claude or ChatGPT account now.
    Refresh(Which),
    /// Make one small request with an account's credentials and show the answer.
    Test {
        #[command(flatten)]
        which: Which,
        /// Model to ask for.
        #[arg(long)]
        model: Option<String>,
    },
    /// Ask for the plan of a Claude account.
    Profile {
        /// Id or name; all accounts when left out.
        account: Option<String>,
    },
    /// Ask how much of the five-hour and weekly windows of Claude accounts is used.
    Usage {
        /// Id or name; all accounts when left out.
        account: Option<String>,
    },
    /// Start the day of the quota of an account anew: console, CCR and openai-responses have one.
    ResetUsage {
        /// Id or name.
        #[arg(required_unless_present = "all")]
        account: Option<String>,
        /// Its kind; ACCOUNT is the id then, and is not looked for.
        #[arg(long)]
        kind: Option<KindName>,
        /// All console or all CCR accounts (--kind) that are still in an old day.
        #[arg(long, requires = "kind", conflicts_with = "account")]
        all: bool,
    },
    /// Show what vendors answered lately when something went wrong with an account, the newest first.
    Errors {
        #[command(flatten)]
        which: Which,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
        /// Forget them instead.
        #[arg(long)]
        clear: bool,
    },
    /// Delete an account; keys bound to it use the shared pool from then on.
    Remove {
        #[command(flatten)]
        which: Which,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Groups of accounts.
    Groups {
        #[command(subcommand)]
        action: Option<GroupAction>,
    },
}

#[derive(Debug, Subcommand)]
enum GroupAction {
    /// Make a group.
    Add {
        /// Name.
        name: String,
        /// claude, gemini, openai or droid.
        #[arg(long, default_value = "claude")]
        platform: String,
        /// What it is for.
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Show the accounts of a group.
    Show {
        /// Id or name.
        group: String,
    },
    /// Rename or describe a group.
    Edit {
        /// Id or name.
        group: String,
        /// New name.
        #[arg(long)]
        name: Option<String>,
        /// What it is for.
        #[arg(long)]
        description: Option<String>,
    },
    /// Delete an empty group.
    Remove {
        /// Id or name.
        group: String,
    },
}

/// Carries the command out; `Ok(1)` when it was declined.
///
/// # Errors
/// Settings that cannot be used, no Redis, input that cannot be read.
pub(super) fn run(dir: &Path, arguments: Arguments, output: &Output) -> anyhow::Result<u8> {
    let config = demo::config(dir)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let administration = Administration::open(&config).await?;
        let done = act(&administration, arguments.action, output).await;
        administration.close().await;
        output.finish(done, show::answer)
    })
}

async fn act(
    administration: &Administration,
    action: Action,
    output: &Output,
) -> Result<Value, Stopped> {
    let accounts = &administration.accounts;
    // What makes a secret, or sends one to a vendor.
    let uses_secrets = matches!(
        action,
        Action::Add(_) | Action::Login(_) | Action::Refresh(_) | Action::Test { .. }
    );
    if uses_secrets {
        administration.check_encryption_key().await?;
    }
    Ok(match action {
        Action::List { kind } => {
            let kinds = kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind.kind()]);
            let shown = accounts.list(&kinds).await?;
            json!({ "success": true, "data": shown.iter().map(item).collect::<Vec<_>>() })
        }
        Action::Show(which) => {
            let kinds = which.kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind.kind()]);
            let shown = accounts.find(&which.account, &kinds).await?;
            json!({ "success": true, "data": item(&shown) })
        }
        Action::Add(arguments) => hidden(add::run(accounts, *arguments, output).await?),
        Action::Authorize { kind, setup_token, proxy } => {
            let proxy = proxy.map(|proxy| input::proxy(&proxy)).transpose()?;
            login::Way::of(kind.kind(), setup_token)?.begin(accounts, proxy).await?
        }
        Action::Login(arguments) => login::run(accounts, &arguments, output).await?,
        Action::Edit { which, name, fields } => {
            let (kind, id) = which.find(accounts).await?;
            let mut body = fields.body(kind)?;
            body.extend(name.map(|name| ("name".to_owned(), name.into())));
            hidden(accounts.update(kind, &id, &Value::Object(body)).await?)
        }
        Action::Enable(which) => {
            let (kind, id) = which.find(accounts).await?;
            accounts.set_active(kind, &id, Some(true)).await?
        }
        Action::Disable(which) => {
            let (kind, id) = which.find(accounts).await?;
            accounts.set_active(kind, &id, Some(false)).await?
        }
        Action::Pause(which) => {
            let (kind, id) = which.find(accounts).await?;
            accounts.set_schedulable(kind, &id, Some(false)).await?
        }
        Action::Resume(which) => {
            let (kind, id) = which.find(accounts).await?;
            accounts.set_schedulable(kind, &id, Some(true)).await?
        }
        Action::Reset(which) => {
            let (kind, id) = which.find(accounts).await?;
            accounts.reset_status(kind, &id).await?
        }
        Action::ResetRateLimit(which) => {
            let (kind, id) = which.find(accounts).await?;
            accounts.reset_rate_limit(kind, &id).await?
        }
        Action::Refresh(which) => {
            let (kind, id) = which.login_id(accounts).await?;
            let mut answer = accounts.refresh(kind, &id).await?;
            // The token is for the relay alone.
            if let Some(data) = answer.get_mut("data").and_then(Value::as_object_mut) {
                data.shift_remove("accessToken");
            }
            answer
        }
        Action::Test { which, model } => {
            trial::run(accounts, &which, model.as_deref(), output).await?
        }
        Action::Profile { account: Some(account) } => {
            let id = Which { account, kind: None }.official(accounts).await?;
            accounts.update_profile(&id).await?
        }
        Action::Profile { account: None } => accounts.update_all_profiles().await?,
        Action::Usage { account } => {
            let id = match account {
                Some(account) => Some(Which { account, kind: None }.official(accounts).await?),
                None => None,
            };
            accounts.usage(id.as_deref()).await?
        }
        Action::ResetUsage { account: Some(account), kind, .. } => {
            let (kind, id) = Which { account, kind }.find(accounts).await?;
            accounts.reset_usage(kind, &id).await?
        }
        Action::ResetUsage { account: None, kind, .. } => match kind {
            Some(kind @ (KindName::Console | KindName::Ccr)) => {
                accounts.reset_all_usage(kind.kind()).await?
            }
            _ => return Err(anyhow::anyhow!("--all takes --kind console or --kind ccr").into()),
        },
        Action::Errors { which, clear: true, .. } => {
            let (kind, id) = which.find(accounts).await?;
            accounts.clear_errors(kind, &id).await?
        }
        Action::Errors { which, limit, .. } => {
            let (kind, id) = which.find(accounts).await?;
            accounts.errors(kind, &id, limit).await?
        }
        Action::Remove { which, yes } => {
            let (kind, id) = which.find(accounts).await?;
            confirm(&which.account, yes)?;
            accounts.delete(kind, &id).await?
        }
        Action::Groups { action: None } => accounts.list_groups(None).await?,
        Action::Groups { action: Some(GroupAction::Add { name, platform, description }) } => {
            let body = json!({ "name": name, "platform": platform, "description": description });
            accounts.create_group(&body).await?
        }
        Action::Groups { action: Some(GroupAction::Show { group }) } => {
            let members = accounts.group_members(&accounts.find_group(&group).await?).await?;
            json!({ "success": true, "data": members.iter().map(item).collect::<Vec<_>>() })
        }
        Action::Groups { action: Some(GroupAction::Edit { group, name, description }) } => {
            let mut body = json!({});
            if let Some(name) = name {
                body["name"] = name.into();
            }
            if let Some(description) = description {
                body["description"] = description.into();
            }
            accounts.update_group(&accounts.find_group(&group).await?, &body).await?
        }
        Action::Groups { action: Some(GroupAction::Remove { group }) } => {
            accounts.delete_group(&accounts.find_group(&group).await?).await?
        }
    })
}

/// A listed account with its kind under the name that commands take.
fn item(shown: &Shown) -> Value {
    let mut item = shown.item.clone();
    let kind = match shown.kind {
        Kind::Official => "claude",
        Kind::Console => "console",
        Kind::Ccr => "ccr",
        other => other.as_str(),
    };
    item["kind"] = kind.into();
    hide_password(&mut item);
    item
}

/// An answer about one account without the password of its proxy.
fn hidden(mut answer: Value) -> Value {
    if let Some(data) = answer.get_mut("data") {
        hide_password(data);
    }
    answer
}

/// Takes the password out of a shown proxy, which may be an object or its text.
fn hide_password(item: &mut Value) {
    let Some(proxy) = item.get_mut("proxy") else { return };
    if let Value::String(text) = proxy
        && let Ok(mut parsed @ Value::Object(_)) = serde_json::from_str(text)
        && parsed.get("password").is_some()
    {
        parsed["password"] = "***".into();
        *proxy = parsed.to_string().into();
    } else if let Some(password) = proxy.get_mut("password") {
        *password = "***".into();
    }
}

/// People are asked before something is deleted; scripts say --yes.
fn confirm(account: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    match input::ask(&format!("Delete the account {account}? [y/N]"))? {
        Some(answer) if matches!(answer.as_str(), "y" | "Y" | "yes") => Ok(()),
        Some(_) => anyhow::bail!("not deleted"),
        None => anyhow::bail!("say --yes to delete without being asked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_proxies_are_not_shown() {
        let secret = json!({ "type": "http", "password": "secret" });
        for proxy in [secret.clone(), secret.to_string().into()] {
            let shown = hidden(json!({ "data": { "proxy": proxy } })).to_string();
            assert!(shown.contains("***") && !shown.contains("secret"), "{shown}");
        }
        for proxy in [json!(null), json!("text"), json!({ "type": "http" })] {
            let answer = json!({ "data": { "proxy": proxy } });
            assert_eq!(hidden(answer.clone()), answer);
        }
    }
}
