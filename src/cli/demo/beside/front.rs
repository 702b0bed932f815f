//! `crs serve` in front of Node: a process of its own, as an operator's would be, and the vendor's doors.

use std::{
    collections::HashMap, fs, fs::File, path::Path, path::PathBuf, process::Stdio, time::Duration,
};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::super::{check, upstream::StandIn};

/// How long the service may take to answer, and to end.
const START: Duration = Duration::from_secs(20);
const END: Duration = Duration::from_secs(10);

/// The running service and the vendor's doors.
pub(super) struct Front {
    child: Child,
    log: PathBuf,
    doors: JoinSet<()>,
    doors_stop: CancellationToken,
}

impl Front {
    /// Starts this very program in `place` with `settings` and nothing else, and waits until it answers at
    /// `base`.
    ///
    /// # Errors
    /// When it does not.
    pub(super) async fn start(
        place: &Path,
        settings: &HashMap<String, String>,
        base: &str,
        doors: impl IntoIterator<Item = StandIn>,
    ) -> anyhow::Result<Self> {
        let mut running = JoinSet::new();
        let doors_stop = CancellationToken::new();
        for door in doors {
            running.spawn(door.run(doors_stop.clone()));
        }
        let path = place.join("crs.log");
        let log = File::create(&path)?;
        let program = std::env::current_exe().context("the program itself is not found")?;
        let child = Command::new(program)
            .arg("serve")
            .current_dir(place)
            .env_clear()
            .envs(settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            // Ctrl-C is for the demo, which asks it to stop.
            .process_group(0)
            .spawn()
            .context("crs serve cannot be started")?;
        let mut front = Self { child, log: path, doors: running, doors_stop };
        let answers = async {
            while check::health(base).await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            error = front.broken() => Err(error),
            answered = timeout(START, answers) => {
                answered.context("crs serve does not answer")?;
                Ok(front)
            }
        }
    }

    /// Resolves when a part ends, which none should.
    pub(super) async fn broken(&mut self) -> anyhow::Error {
        tokio::select! {
            ended = self.child.wait() => {
                let ended = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                let said = fs::read_to_string(&self.log).unwrap_or_default();
                anyhow::anyhow!("crs serve ended ({ended}): {}", said.trim())
            }
            _ = self.doors.join_next() => anyhow::anyhow!("the stand-in for the vendor ended early"),
        }
    }

    /// Asks the service to stop, and ends the doors when it is gone.
    pub(super) async fn end(mut self) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            // It is a child that was not waited for: the id is still its own.
            let _ = kill_process(pid, Signal::TERM);
        }
        if timeout(END, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
        self.doors_stop.cancel();
        self.doors.shutdown().await;
    }
}
