//! `crs keys`: making, changing and deleting API keys.

mod fields;
mod show;

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokio::runtime::Builder;

use super::{Output, demo, input, output::Stopped};
use crate::{app::Administration, keys::manage::Filter};
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
    },
    /// Show everything about a key but its secret.
    Show {
        /// Id or name.
        key: String,
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
    /// Switch a key on.
    Enable {
        /// Id or name.
        key: String,
    },
    /// Switch a key off.
    Disable {
        /// Id or name.
        key: String,
    },
    /// Set or lift the end of a key's life, or activate it now.
    Expire {
        /// Id or name.
        key: String,
        /// The end, like 2026-12-31T00:00:00Z.
        #[arg(long, conflicts_with_all = ["never", "activate"])]
        at: Option<String>,
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
        let done = act(&administration, arguments.action, by).await;
        administration.close().await;
        output.finish(done, show::answer)
    })
}

async fn act(administration: &Administration, action: Action, by: &str) -> Result<Value, Stopped> {
    let keys = &administration.keys;
    Ok(match action {
        Action::List { deleted, tag, search, active, inactive } => {
            let active = (active || inactive).then_some(active);
            let shown = keys.list(&Filter { deleted, tag, active, search }).await?;
            json!({ "success": true, "data": shown })
        }
        Action::Show { key } => {
            json!({ "success": true, "data": keys.show(&key).await? })
        }
        Action::Add { name, count, fields } => {
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
        Action::Enable { key } => switch(administration, &key, true).await?,
        Action::Disable { key } => switch(administration, &key, false).await?,
        Action::Expire { key, at, never, activate } => {
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
        Action::Restore { key } => keys.restore(&keys.find(&key).await?).await?,
        Action::Purge { key: Some(key), .. } => keys.remove(&keys.find(&key).await?).await?,
        Action::Purge { key: None, .. } => keys.remove_deleted().await?,
        Action::Tags { action: None } => keys.tag_counts().await?,
        Action::Tags { action: Some(TagAction::Add { tag }) } => keys.create_tag(&tag).await?,
        Action::Tags { action: Some(TagAction::Rename { tag, to }) } => {
            keys.rename_tag(&tag, &to).await?
        }
        Action::Tags { action: Some(TagAction::Remove { tag }) } => keys.delete_tag(&tag).await?,
    })
}

async fn switch(administration: &Administration, key: &str, to: bool) -> Result<Value, Stopped> {
    let keys = &administration.keys;
    let id = keys.find(key).await?;
    Ok(keys.update(&id, &json!({ "isActive": to })).await?.answer)
}
