//! Restarting without a closed door: on SIGUSR2 the program starts anew on the same listening socket;
//! the new process asks the old one to stop once it serves, and the old one drains.
//!
//! Between the two, systemd is told which process counts (`NOTIFY_SOCKET`). Nothing here serves anything.

use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::Stdio,
};

use rustix::process::{Pid, Signal, getpid, getppid, kill_process};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

/// Process that the new one replaces; set for it alone.
const REPLACES: &str = "CRS_REPLACES";
/// Puts the socket where the protocol wants it, in a process that keeps its id.
const SCRIPT: &str = r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@" 3<&0 </dev/null"#;

/// Starts a successor at every SIGUSR2; one at a time. Never ends.
pub(super) async fn start_on_signal(listener: OwnedFd) {
    let Ok(mut asked) = signal(SignalKind::user_defined2()) else {
        return std::future::pending().await;
    };
    loop {
        if asked.recv().await.is_none() {
            return std::future::pending().await;
        }
        tracing::info!("SIGUSR2: starting a successor on the same socket");
        let ended = match listener.try_clone().and_then(start) {
            Ok(mut successor) => successor.wait().await.map(|status| status.to_string()),
            Err(error) => Err(error),
        };
        let ended = ended.unwrap_or_else(|error| error.to_string());
        tracing::error!("The successor did not take over ({ended}); this process goes on serving");
    }
}

fn start(listener: OwnedFd) -> io::Result<Child> {
    let mut words = std::env::args_os();
    // As it was typed, so that a new file at the same place is what starts.
    let program = words.next().unwrap_or_else(|| OsString::from("crs"));
    Command::new("/bin/sh")
        .arg("-c")
        .arg(SCRIPT)
        .arg(program)
        .args(words)
        .env(REPLACES, getpid().as_raw_nonzero().to_string())
        .stdin(Stdio::from(listener))
        .spawn()
}

/// Called once when requests are served: tells systemd, and the process that this one replaces.
pub(super) fn serving() {
    if let Err(error) = tell_systemd() {
        tracing::warn!(%error, "systemd was not told that the service is ready");
    }
    let replaced = std::env::var(REPLACES).ok().and_then(|pid| pid.parse().ok());
    // Only the parent can have asked for it.
    if let Some(pid) = replaced.and_then(Pid::from_raw).filter(|pid| getppid() == Some(*pid)) {
        tracing::info!(pid = pid.as_raw_nonzero().get(), "Taking over");
        if let Err(error) = kill_process(pid, Signal::TERM) {
            tracing::warn!(%error, "the replaced process was not asked to stop");
        }
    }
}

fn tell_systemd() -> io::Result<()> {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let text = format!("READY=1\nMAINPID={}\n", getpid().as_raw_nonzero());
    let socket = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = path.to_string_lossy().strip_prefix('@') {
        use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
        let address = SocketAddr::from_abstract_name(name)?;
        return socket.send_to_addr(text.as_bytes(), &address).map(|_| ());
    }
    socket.send_to(text.as_bytes(), path).map(|_| ())
}
