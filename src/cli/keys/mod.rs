//! `crs keys`: making, changing and deleting API keys.

mod fields;
mod show;

use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use compat::pool::Kind;
use serde_json::{Value, json};
use tokio::runtime::Builder;

use super::{Output, demo, input, output::Stopped};
use crate::{
    app::Administration,
    domain::Secret,
    keys::manage::{Filter, Order},
};
use fields::Fields;

/// Arguments of `crs keys`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List keys, the newest first.
    List {
        /// Deleted keys instead.
        #[arg(long)]
        deleted: bool,
        /// Only keys with this tag.
        #[arg(long)]
        tag: Option<String>,
        /// Only keys with this in their name.
        #[arg(long)]
        search: Option<String>,
        /// Only keys that are switched on.
        #[arg(long, conflicts_with = "inactive")]
        active: bool,
        /// Only keys that are switched off.
        #[arg(long)]
        inactive: bool,
        /// Only keys that are bound to this account (id or name), or to a group that it is in.
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<String>,
        /// Order.
        #[arg(long, value_enum, default_value = "created")]
        sort: Sort,
        /// At most so many.
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Leave out so many first.
        #[arg(long, value_name = "N", default_value_t = 0)]
        skip: usize,
    },
    /// Show everything about a key but its secret.
    Show {
        /// Id or name.
        key: String,
    },
    /// Tell which key a client's secret belongs to.
    Whose {
        /// File with the secret, or - for standard input.
        #[arg(value_name = "FILE")]
        secret: String,
    },
    /// Make a key and print it; it cannot be shown again.
    #[command(after_help = "Fields not named here: --set FIELD=VALUE, or --body FILE with a JSON \
                            object in the admin API's form.")]
    Add {
        /// Name; with --count, the start of the names.
        name: Option<String>,
        /// Make so many keys, named NAME_1, NAME_2 …
        #[arg(long)]
        count: Option<u32>,
        #[command(flatten)]
        fields: Box<Fields>,
    },
    /// Change keys.
    Edit {
        /// Ids or names.
        #[arg(required = true)]
        keys: Vec<String>,
        /// New name.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        fields: Box<Fields>,
    },
    /// Change or delete many keys at once, as the console does: what goes wrong with one does not stop the
    /// others.
    Batch {
        #[command(subcommand)]
        action: BatchAction,
    },
    /// Switch keys on.
    Enable {
        /// Ids or names.
        #[arg(required = true)]
        keys: Vec<String>,
    },
    /// Switch keys off.
    Disable {
        /// Ids or names.
        #[arg(required = true)]
        keys: Vec<String>,
    },
    /// Set, move or lift the end of a key's life, or activate it now.
    Expire {
        /// Id or name.
        key: String,
        /// The end, like 2026-12-31T00:00:00Z.
        #[arg(long, conflicts_with_all = ["never", "activate", "extend"])]
        at: Option<String>,
        /// So much later than now or, where the key has still to live, than its end: 30d, 12h, 3mo (months
        /// of thirty days).
        #[arg(long, value_name = "TIME", conflicts_with_all = ["never", "activate"])]
        extend: Option<String>,
        /// No end.
        #[arg(long, conflicts_with = "activate")]
        never: bool,
        /// Start the life of a key that waits for its first use.
        #[arg(long)]
        activate: bool,
    },
    /// Give a key a new secret and print it; the old one stops working.
    Regenerate {
        /// Id or name.
        key: String,
    },
    /// Delete keys so that they can be restored.
    Remove {
        /// Ids or names.
        #[arg(required = true)]
        keys: Vec<String>,
    },
    /// Bring back a deleted key.
    Restore {
        /// Id or name.
        key: String,
    },
    /// Delete a deleted key for good, with what is recorded of its use.
    Purge {
        /// Id or name.
        #[arg(required_unless_present = "all_deleted")]
        key: Option<String>,
        /// All deleted keys.
        #[arg(long, conflicts_with = "key")]
        all_deleted: bool,
    },
    /// Tags: how often each is used, add, rename, remove.
    Tags {
        #[command(subcommand)]
        action: Option<TagAction>,
    },
}

/// Order of a list.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sort {
    /// The newest first.
    Created,
    /// By name.
    Name,
    /// The last used first.
    Used,
    /// Those whose life ends first.
    Expires,
}

impl Sort {
    fn order(self) -> Order {
        match self {
            Self::Created => Order::Created,
            Self::Name => Order::Name,
            Self::Used => Order::Used,
            Self::Expires => Order::Expires,
        }
    }
}

#[derive(Debug, Subcommand)]
enum BatchAction {
    /// Change keys: {keyIds, updates} in the admin API's form.
    Edit {
        /// File with the body, or - for standard input.
        #[arg(long, value_name = "FILE")]
        body: String,
    },
    /// Delete up to a hundred keys so that they can be restored: {keyIds}.
    Remove {
        /// File with the body, or - for standard input.
        #[arg(long, value_name = "FILE")]
        body: String,
    },
}

#[derive(Debug, Subcommand)]
enum TagAction {
    /// Add a tag to choose from.
    Add {
        /// The tag.
        tag: String,
    },
    /// Rename a tag on all keys.
    Rename {
        /// The tag.
        tag: String,
        /// Its new name.
        to: String,
    },
    /// Take a tag from all keys.
    Remove {
        /// The tag.
        tag: String,
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
        let by = config.init.as_ref().map_or("cli", |init| init.admin_username.as_str());
        let tags = matches!(arguments.action, Action::Tags { action: None });
        let done = act(&administration, arguments.action, by).await;
        administration.close().await;
        output.finish(done, |answer, output| show::answer(answer, tags, output))
    })
}

async fn act(administration: &Administration, action: Action, by: &str) -> Result<Value, Stopped> {
    let keys = &administration.keys;
    Ok(match action {
        Action::List { deleted, tag, search, active, inactive, account, sort, limit, skip } => {
            let active = (active || inactive).then_some(active);
            let bound = match account {
                Some(account) => Some(bindings(administration, &account).await?),
                None => None,
            };
            let order = sort.order();
            let filter = Filter { deleted, tag, active, search, bound, order };
            let shown = keys.list(&filter).await?;
            page(shown, skip, limit)
        }
        Action::Whose { secret } => {
            let secret = Secret::from(input::text(&secret)?.trim());
            json!({ "success": true, "data": keys.of_secret(&secret).await? })
        }
        Action::Show { key } => {
            json!({ "success": true, "data": keys.show(&key).await? })
        }
        Action::Add { name, count, fields } => {
            administration.check_encryption_key().await?;
            let mut body = fields.body()?;
            let field = if count.is_some() { "baseName" } else { "name" };
            body.extend(name.map(|name| (field.to_owned(), name.into())));
            body.extend(count.map(|count| ("count".to_owned(), count.into())));
            if body.contains_key("count") {
                keys.create_many(&Value::Object(body)).await?
            } else {
                keys.create(&Value::Object(body)).await?
            }
        }
        Action::Edit { keys: named, name, fields } => {
            let mut body = fields.body()?;
            body.extend(name.map(|name| ("name".to_owned(), name.into())));
            let body = Value::Object(body);
            let mut answer = Value::Null;
            for key in named {
                let id = keys.find(&key).await?;
                let changed = keys.update(&id, &body).await?;
                administration.recount_weeks(&changed.weekly).await?;
                answer = changed.answer;
            }
            answer
        }
        Action::Batch { action: BatchAction::Edit { body } } => {
            let changed = keys.update_many(&Value::Object(input::object(&body)?)).await?;
            administration.recount_weeks(&changed.weekly).await?;
            changed.answer
        }
        Action::Batch { action: BatchAction::Remove { body } } => {
            keys.delete_many(&Value::Object(input::object(&body)?)).await?
        }
        Action::Enable { keys } => switch(administration, &keys, true).await?,
        Action::Disable { keys } => switch(administration, &keys, false).await?,
        Action::Expire { key, extend: Some(time), .. } => {
            let body = lengthening(&time)?;
            keys.extend(&keys.find(&key).await?, &body).await?
        }
        Action::Expire { key, at, never, activate, .. } => {
            let body = if activate {
                json!({ "activateNow": true })
            } else if never {
                json!({ "expiresAt": null })
            } else {
                at.map_or_else(|| json!({}), |at| json!({ "expiresAt": at }))
            };
            keys.set_expiry(&keys.find(&key).await?, &body).await?
        }
        Action::Regenerate { key } => {
            administration.check_encryption_key().await?;
            let renewed = keys.regenerate(&keys.find(&key).await?).await?;
            json!({ "success": true, "data": renewed })
        }
        Action::Remove { keys: named } => {
            let mut answer = Value::Null;
            for key in named {
                answer = keys.delete(&keys.find(&key).await?, by).await?;
            }
            answer
        }
        Action::Restore { key } => keys.restore(&keys.find_deleted(&key).await?).await?,
        Action::Purge { key: Some(key), .. } => {
            keys.remove(&keys.find_deleted(&key).await?).await?
        }
        Action::Purge { key: None, .. } => keys.remove_deleted().await?,
        Action::Tags { action: None } => keys.tag_counts().await?,
        Action::Tags { action: Some(TagAction::Add { tag }) } => keys.create_tag(&tag).await?,
        Action::Tags { action: Some(TagAction::Rename { tag, to }) } => {
            keys.rename_tag(&tag, &to).await?
        }
        Action::Tags { action: Some(TagAction::Remove { tag }) } => keys.delete_tag(&tag).await?,
    })
}

async fn switch(
    administration: &Administration,
    named: &[String],
    to: bool,
) -> Result<Value, Stopped> {
    let keys = &administration.keys;
    let mut ids = Vec::new();
    for key in named {
        // All are known before the first is switched.
        ids.push(keys.find(key).await?);
    }
    let mut answer = Value::Null;
    for id in ids {
        answer = keys.update(&id, &json!({ "isActive": to })).await?.answer;
    }
    Ok(answer)
}

/// How records of keys name an account, and the groups that it is in.
async fn bindings(administration: &Administration, account: &str) -> Result<Vec<String>, Stopped> {
    let shown = administration.accounts.find(account, &Kind::ALL).await?;
    let id = shown.text("id");
    let mut names = vec![match shown.kind {
        Kind::OpenAiResponses => format!("responses:{id}"),
        _ => id.to_owned(),
    }];
    let groups = shown.item["groupInfos"].as_array().map(Vec::as_slice).unwrap_or_default();
    let groups = groups.iter().filter_map(|group| group["id"].as_str());
    names.extend(groups.map(|group| format!("group:{group}")));
    Ok(names)
}

/// A part of a list, with the length of the whole where it is only a part.
fn page(shown: Vec<Value>, skip: usize, limit: Option<usize>) -> Value {
    let total = shown.len();
    let part: Vec<Value> = shown.into_iter().skip(skip).take(limit.unwrap_or(usize::MAX)).collect();
    let mut answer = json!({ "success": true });
    if part.len() < total {
        answer["total"] = total.into();
    }
    answer["data"] = part.into();
    answer
}

/// `30d`, `12h` or `3mo` in the admin API's form.
fn lengthening(time: &str) -> anyhow::Result<Value> {
    let at = time.find(|c: char| !c.is_ascii_digit()).unwrap_or(time.len());
    let (amount, unit) = time.split_at(at);
    let unit = match unit {
        "h" => "hours",
        "d" => "days",
        "mo" => "months",
        _ => anyhow::bail!("--extend takes a time like 30d, 12h or 3mo, not {time}"),
    };
    match amount.parse::<u32>() {
        Ok(amount) if amount > 0 => Ok(json!({ "amount": amount, "unit": unit })),
        _ => anyhow::bail!("--extend takes a time like 30d, 12h or 3mo, not {time}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(lengthening("30d").unwrap(), json!({ "amount": 30, "unit": "days" }));
        assert_eq!(lengthening("3mo").unwrap(), json!({ "amount": 3, "unit": "months" }));
        for wrong in ["", "d", "30", "0h", "-1d", "1w", "1.5d", "99999999999d"] {
            assert!(lengthening(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_part_of_a_list_tells_how_long_it_is() {
        let list = || vec![json!(1), json!(2), json!(3)];
        assert_eq!(page(list(), 0, None), json!({ "success": true, "data": [1, 2, 3] }));
        let part = json!({ "success": true, "total": 3, "data": [2] });
        assert_eq!(page(list(), 1, Some(1)), part);
    }
}
