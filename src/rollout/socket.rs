//! The control socket, `crs/control.sock` in the data folder: the command line talks to the running
//! instance through it, with or without Redis.
//!
//! One JSON object a line, one line back. The socket is its owner's alone; whoever may open it may
//! already read every secret in the folder beside it.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    Command, Desk, Explainer, InstanceFacts, Order, Override, Phase, Rollout, RolloutError,
    watch::about,
};
use compat::clock::Clock;

/// Longest line.
const LINE_MAX: u64 = 256 * 1024;
/// Connections at once; more wait in the listen backlog.
const CONNECTIONS_MAX: usize = 16;
/// Longest silence on a connection, and longest wait of the command line for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a socket that another process holds is tried again.
const TURN: Duration = Duration::from_secs(1);

/// What is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// What this instance does, and the shared record as it knows it.
    Status,
    /// A change of the shared record, with the gates that this instance knows.
    Change {
        /// The change.
        order: Order,
    },
    /// This instance alone goes to a phase, without Redis.
    Override {
        /// The phase.
        phase: Phase,
        /// Why.
        reason: String,
    },
    /// This instance alone follows the shared record again.
    Follow,
    /// The gates for the next step.
    Gates,
    /// Why a request went as it did.
    Explain {
        /// Its id.
        id: String,
    },
}

/// Serves the socket.
pub struct ControlSocket {
    /// What is controlled.
    pub rollout: Arc<Rollout>,
    /// Changes the shared record.
    pub desk: Arc<Desk>,
    /// Who this is.
    pub instance: InstanceFacts,
    /// Knows why requests went as they did.
    pub explainer: Arc<dyn Explainer>,
    /// Time.
    pub clock: Clock,
}

/// Path of the socket.
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("crs").join("control.sock")
}

impl ControlSocket {
    /// Serves until `stop`. Without a socket everything else works, so a failure is told and no more.
    pub async fn run(self, path: PathBuf, stop: CancellationToken) {
        let listener = tokio::select! {
            () = stop.cancelled() => return,
            listener = wait_for_turn(&path) => listener,
        };
        let this = Arc::new(self);
        let mut connections = JoinSet::new();
        loop {
            while connections.len() >= CONNECTIONS_MAX {
                connections.join_next().await;
            }
            tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let this = Arc::clone(&this);
                        connections.spawn(async move { this.serve(stream).await });
                    }
                    Err(error) => {
                        tracing::debug!(%error, "control socket");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
        // While it still listens: a successor binds its own only after that.
        let _ = fs::remove_file(&path);
        drop(listener);
    }

    async fn serve(&self, stream: UnixStream) {
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        loop {
            let mut line = Vec::new();
            let mut limited = (&mut read).take(LINE_MAX);
            let got = timeout(PATIENCE, limited.read_until(b'\n', &mut line)).await;
            if !matches!(got, Ok(Ok(1..))) || line.last() != Some(&b'\n') {
                return;
            }
            let mut answer = match serde_json::from_slice(&line) {
                Ok(request) => self.answer(request).await,
                Err(error) => failed("invalid", &error.to_string(), Value::Null),
            }
            .to_string();
            answer.push('\n');
            if write.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    async fn answer(&self, request: Request) -> Value {
        match request {
            Request::Status => done(self.status()),
            Request::Gates => match self.desk.gates().await {
                Ok(gates) => done(json!({ "gates": gates })),
                Err(error) => refusal(&error),
            },
            Request::Explain { id } => match self.explainer.explain(&id) {
                Some(told) => done(told),
                None => failed("unknown", "that request is not remembered", Value::Null),
            },
            Request::Change { order } => self.change(order).await,
            Request::Override { phase, reason } => {
                if !self.rollout.has_legacy() && phase != Phase::Standalone {
                    return refusal(&RolloutError::NoLegacy);
                }
                self.rollout.override_with(Override { phase, reason });
                done(self.status())
            }
            Request::Follow => match self.rollout.end_override() {
                Ok(was) => {
                    let mut status = self.status();
                    status["ended"] = json!(was);
                    done(status)
                }
                Err(error) => refusal(&RolloutError::Disk(error.to_string())),
            },
        }
    }

    async fn change(&self, order: Order) -> Value {
        if !self.rollout.has_legacy() && !matches!(order.command, Command::Pause | Command::Resume)
        {
            return refusal(&RolloutError::NoLegacy);
        }
        match self.desk.change(&order).await {
            Ok(outcome) => {
                self.rollout.take_record(Some(outcome.record.clone()));
                done(json!({ "changed": outcome.changed, "record": outcome.record }))
            }
            Err(error) => refusal(&error),
        }
    }

    fn status(&self) -> Value {
        json!({ "instance": about(&self.instance, &self.rollout, self.clock.now_ms()),
            "plan": self.rollout.standing().plan })
    }
}

fn done(data: Value) -> Value {
    json!({ "ok": true, "data": data })
}

fn failed(code: &str, error: &str, gates: Value) -> Value {
    json!({ "ok": false, "code": code, "error": error, "gates": gates })
}

fn refusal(error: &RolloutError) -> Value {
    let gates = match error {
        RolloutError::Gates(gates) => json!(gates),
        _ => Value::Null,
    };
    failed(error.code(), &error.to_string(), gates)
}

/// Binds the socket as soon as it can be: a predecessor in the same folder first lets go of it.
async fn wait_for_turn(path: &Path) -> UnixListener {
    let mut told = false;
    loop {
        match bind(path).await {
            Ok(listener) => return listener,
            Err(error) if !told => {
                told = true;
                tracing::warn!(%error, path = %path.display(), "no control socket yet");
            }
            Err(_) => {}
        }
        tokio::time::sleep(TURN).await;
    }
}

/// Binds the socket. One that a process which is gone left behind is replaced; that of a living one,
/// another instance in the same folder, is left alone.
async fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    if UnixStream::connect(path).await.is_ok() {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another instance serves it from this folder",
        ));
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Asks the instance behind `path`.
///
/// # Errors
/// When nobody answers there.
pub async fn ask(path: &Path, request: &Request) -> io::Result<Value> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "the instance does not answer");
    let work = async {
        let mut stream = UnixStream::connect(path).await?;
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        stream.write_all(line.as_bytes()).await?;
        let mut answer = Vec::new();
        BufReader::new(stream).take(1 << 22).read_until(b'\n', &mut answer).await?;
        Ok(serde_json::from_slice(&answer)?)
    };
    timeout(PATIENCE, work).await.map_err(|_| late())?
}
