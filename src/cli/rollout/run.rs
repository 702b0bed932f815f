//! Which way a command goes: Redis, the control socket, or the override file itself.
//!
//! A step forward goes through the running instance when there is one, for that has the evidence. When
//! Redis is down, a rollback takes back the instance of this folder.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use compat::{
    clock::Clock,
    store::{RedisConfig, RedisStore, StoreError},
};
use rustix::process::getuid;
use serde_json::{Value, json};
use tokio::runtime::Builder;

use super::{Action, Arguments, Failure, Output, Say, demo, show};
use crate::{
    app,
    config::Config,
    rollout::{
        Command, Desk, NoEvidence, Order, Override, Phase, Request, RolloutError, Settings, ask,
        host_name, override_path, remove_override, socket_path, write_override,
    },
};

/// Longest wait for one Redis call.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the commands work on.
pub(super) struct Place<'a> {
    config: &'a Config,
    desk: Desk,
    output: &'a Output,
}

pub(super) fn run(dir: &Path, arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let mut config = demo::config(dir).map_err(anyhow::Error::from)?;
    config.service.data_dir = dir.join(&config.service.data_dir);
    let runtime = Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let redis = RedisConfig { timeout: PATIENCE, ..app::redis_config(&config) };
    let store = RedisStore::open(&redis);
    let store = store.map_err(anyhow::Error::from)?;
    let evidence = NoEvidence("no running instance in this folder could be asked for evidence");
    let desk = Desk::new(Arc::new(store), Clock::system(), Arc::new(evidence));
    let place = Place { config: &config, desk, output };
    runtime.block_on(async {
        match &arguments.action {
            Action::Status if arguments.local => place.local_status().await,
            Action::Status => place.status().await,
            Action::History { limit } if !arguments.local => place.history(*limit).await,
            action if arguments.local => place.local(action).await,
            action => place.shared(action).await,
        }
    })
}

impl Place<'_> {
    async fn status(&self) -> Result<(), Failure> {
        let read = async {
            let record = self.desk.record().await?;
            Ok::<_, RolloutError>((record, self.desk.instances().await?))
        };
        match read.await {
            Ok((record, instances)) => {
                let local = self.ask(&Request::Gates).await;
                let gates = match local.as_ref().map(|answer| answer["data"]["gates"].clone()) {
                    Ok(gates) if gates.is_array() => gates,
                    _ => json!(self.desk.gates().await.map_err(broken)?),
                };
                show::status(self.output, record.as_ref(), &gates, &instances);
                if self.config.sidecar.legacy_url.is_none() {
                    self.output.line(
                        "Here CRS_LEGACY_URL is not set: crs answers everything, whatever the phase.",
                    );
                }
                Ok(())
            }
            Err(error) => {
                let place = app::no_redis(self.config);
                self.output.line(&format!("redis     DOWN, {place}: {error}"));
                match self.local_status().await {
                    Ok(()) => Err(Failure::Broken(anyhow::anyhow!("{error}"))),
                    Err(_) => Err(broken(error)),
                }
            }
        }
    }

    async fn local_status(&self) -> Result<(), Failure> {
        let answer = self.ask(&Request::Status).await?;
        show::instance(self.output, &answer["data"]);
        Ok(())
    }

    async fn history(&self, limit: u32) -> Result<(), Failure> {
        let records = self.desk.history(limit).await.map_err(broken)?;
        show::history(self.output, &records);
        Ok(())
    }

    /// A change of the shared record.
    async fn shared(&self, action: &Action) -> Result<(), Failure> {
        let (command, say, force) = match action {
            Action::Set(set) => {
                let settings = set
                    .settings()
                    .map_err(|error| Failure::Usage(format!("--gates or --guards: {error}")))?;
                if settings == Settings::default() {
                    return Err(Failure::Usage(
                        "say what to set; see crs rollout set --help".into(),
                    ));
                }
                (Command::Set(Box::new(settings)), &set.say, set.force)
            }
            Action::Advance { say, force } => (Command::Advance, say, *force),
            Action::Rollback { to, say } => (Command::Rollback { to: *to }, say, false),
            Action::Pause { say } => (Command::Pause, say, false),
            Action::Resume { say } => (Command::Resume, say, false),
            Action::Status | Action::History { .. } => return Ok(()),
        };
        let order = Order {
            command,
            who: who(),
            via: "cli".into(),
            why: say.reason.clone(),
            force,
            expected_version: None,
        };
        let forward = matches!(order.command, Command::Set(_) | Command::Advance);
        if forward && let Ok(answer) = self.ask(&Request::Change { order: order.clone() }).await {
            return self.answered(&answer);
        }
        self.must_have_node().await?;
        match self.desk.change(&order).await {
            Ok(outcome) => {
                show::changed(self.output, outcome.changed, &outcome.record);
                Ok(())
            }
            Err(RolloutError::Redis(error)) => match order.command {
                Command::Rollback { to } => self.back_here(to, say, &error).await,
                _ => Err(broken(RolloutError::Redis(error))),
            },
            Err(RolloutError::Gates(gates)) => Err(self.gates_are_red(&json!(gates))),
            Err(error) => Err(refused_or_broken(error)),
        }
    }

    /// Redis is down: what can be taken back is this instance.
    async fn back_here(
        &self,
        to: Option<Phase>,
        say: &Say,
        error: &StoreError,
    ) -> Result<(), Failure> {
        self.output.line(&format!("{error}; taking back this instance alone"));
        self.override_with(to.unwrap_or_default(), say).await?;
        self.output.line(
            "Other machines keep their phase: run `crs rollout rollback --local` there. \
             `crs rollout resume --local` ends it.",
        );
        Ok(())
    }

    /// A change of this instance alone.
    async fn local(&self, action: &Action) -> Result<(), Failure> {
        match action {
            Action::Rollback { to, say } => self.override_with(to.unwrap_or_default(), say).await,
            Action::Set(set) => {
                let mut settings = set.settings().unwrap_or_default();
                let phase = settings.phase.take();
                match phase.filter(|_| settings == Settings::default() && set.guards.is_none()) {
                    Some(phase) => self.override_with(phase, &set.say).await,
                    None => Err(Failure::Usage("--local sets a phase and nothing else".into())),
                }
            }
            Action::Resume { .. } => self.follow().await,
            Action::Advance { .. } | Action::Pause { .. } | Action::History { .. } => {
                Err(Failure::Usage("this concerns all instances; leave --local out".into()))
            }
            Action::Status => self.local_status().await,
        }
    }

    async fn override_with(&self, phase: Phase, say: &Say) -> Result<(), Failure> {
        let reason = say.reason.clone().unwrap_or_else(|| "no reason given".into());
        let reason = format!("{reason} ({})", who());
        let request = Request::Override { phase, reason: reason.clone() };
        if let Ok(answer) = self.ask(&request).await {
            return self.answered(&answer);
        }
        if self.config.sidecar.legacy_url.is_none() && phase != Phase::Standalone {
            return Err(Failure::Refused(RolloutError::NoLegacy.to_string()));
        }
        let path = override_path(&self.config.service.data_dir);
        write_override(&path, &Override { phase, reason })
            .with_context(|| format!("cannot write {}", path.display()))?;
        self.output.line(&format!(
            "No instance answers; {} says {phase} to the one that runs or starts here.",
            path.display()
        ));
        self.output.value(&json!({ "file": path.display().to_string(), "phase": phase }));
        Ok(())
    }

    async fn follow(&self) -> Result<(), Failure> {
        if let Ok(answer) = self.ask(&Request::Follow).await {
            return self.answered(&answer);
        }
        let path = override_path(&self.config.service.data_dir);
        let was =
            remove_override(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        self.output.line(if was { "The override is gone." } else { "There was no override." });
        self.output.value(&json!({ "ended": was }));
        Ok(())
    }

    /// Going to a phase with Node makes sense only if there is one, here or beside another instance.
    async fn must_have_node(&self) -> Result<(), Failure> {
        if self.config.sidecar.legacy_url.is_some() {
            return Ok(());
        }
        let instances = self.desk.instances().await.unwrap_or_default();
        if instances.iter().any(|instance| instance["legacy"] == json!(true)) {
            return Ok(());
        }
        Err(Failure::Refused(RolloutError::NoLegacy.to_string()))
    }

    async fn ask(&self, request: &Request) -> Result<Value, Failure> {
        let path = socket_path(&self.config.service.data_dir);
        let answer = ask(&path, request).await;
        Ok(answer.with_context(|| format!("no instance answers at {}", path.display()))?)
    }

    /// Shows what an instance answered to a change.
    fn answered(&self, answer: &Value) -> Result<(), Failure> {
        if answer["ok"] == json!(true) {
            let data = &answer["data"];
            match serde_json::from_value(data["record"].clone()) {
                Ok(record) => {
                    show::changed(self.output, data["changed"] == json!(true), &record);
                }
                Err(_) => show::instance(self.output, data),
            }
            return Ok(());
        }
        let error = answer["error"].as_str().unwrap_or("the instance refused").to_owned();
        match answer["code"].as_str() {
            Some("gates") => Err(self.gates_are_red(&answer["gates"])),
            Some("redis" | "unreadable" | "disk") => Err(Failure::Broken(anyhow::anyhow!(error))),
            _ => Err(Failure::Refused(error)),
        }
    }

    fn gates_are_red(&self, gates: &Value) -> Failure {
        show::gates(self.output, gates);
        let red = gates.as_array().into_iter().flatten();
        let red: Vec<&str> = red
            .filter(|gate| gate["passed"] != json!(true))
            .filter_map(|gate| gate["name"].as_str())
            .collect();
        Failure::Refused(format!(
            "not all gates are green: {}; --force with --reason overrules them",
            red.join(", ")
        ))
    }
}

fn broken(error: RolloutError) -> Failure {
    Failure::Broken(error.into())
}

fn refused_or_broken(error: RolloutError) -> Failure {
    match error {
        RolloutError::Redis(_) | RolloutError::Unreadable | RolloutError::Disk(_) => broken(error),
        _ => Failure::Refused(error.to_string()),
    }
}

/// Who runs this command.
fn who() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let user = named.unwrap_or_else(|| format!("uid {}", getuid().as_raw()));
    format!("{user}@{}", host_name())
}
