//! Child processes: nginx, `crs`, Node. All end with their values.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;

use super::load::Connection;

/// The service's `ENCRYPTION_KEY` when we start it.
pub const ENCRYPTION_KEY: &str = "0123456789abcdef0123456789abcdef";

/// A process that listens.
pub struct Server {
    /// Where.
    pub address: SocketAddr,
    /// Its process id.
    pub pid: u32,
    child: Child,
    folder: PathBuf,
}

/// Where a service will be.
pub struct Place {
    folder: PathBuf,
    address: SocketAddr,
}

impl Place {
    /// Where the tap of a Node service behind a `crs` in this place reports.
    pub fn tap_socket(&self) -> PathBuf {
        self.folder.join("data/crs/tap.sock")
    }
}

impl Server {
    /// nginx as a bare proxy to `upstream`.
    pub async fn nginx(upstream: SocketAddr) -> Result<Self> {
        let (folder, address) = (scratch("nginx")?, free_address().await?);
        let dir = folder.display();
        let config = format!(
            "daemon off; pid {dir}/pid; error_log {dir}/error.log; worker_processes auto;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; client_max_body_size 100m; client_body_temp_path {dir};\n\
             proxy_temp_path {dir}; fastcgi_temp_path {dir}; uwsgi_temp_path {dir};\n\
             scgi_temp_path {dir};\n\
             upstream vendor {{ server {upstream}; keepalive 256; }}\n\
             server {{ listen {address}; keepalive_requests 1000000;\n\
             location / {{ proxy_pass http://vendor; proxy_http_version 1.1;\n\
             proxy_set_header Connection \"\"; proxy_buffering off; }} }} }}\n"
        );
        fs::write(folder.join("nginx.conf"), config)?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&folder).arg("-c").arg(folder.join("nginx.conf"));
        Self::start(command, folder, address, "/v1/models").await
    }

    /// `crs serve` on this Redis, its vendor being `upstream`.
    pub async fn crs(binary: &Path, redis: SocketAddr, upstream: SocketAddr) -> Result<Self> {
        let (folder, address) = (scratch("crs")?, free_address().await?);
        let lines: String = settings(redis, upstream, address)
            .into_iter()
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        fs::write(folder.join(".env"), lines)?;
        fs::create_dir_all(folder.join("data"))?;
        fs::write(folder.join("data/init.json"), INIT)?;
        let mut command = Command::new(binary);
        command.arg("serve").current_dir(&folder);
        Self::start(command, folder, address, "/health").await
    }

    /// A folder and an address for a service to come.
    pub async fn place(purpose: &str) -> Result<Place> {
        Ok(Place { folder: scratch(purpose)?, address: free_address().await? })
    }

    /// `crs serve` in front of `legacy`, forwarding everything.
    pub async fn observing(binary: &Path, redis: SocketAddr, legacy: SocketAddr) -> Result<Self> {
        Self::observing_at(binary, redis, legacy, Self::place("observe").await?).await
    }

    /// As [`Server::observing`], in a place made before. All requests are compared once the phase says so.
    pub async fn observing_at(
        binary: &Path,
        redis: SocketAddr,
        legacy: SocketAddr,
        place: Place,
    ) -> Result<Self> {
        let Place { folder, address } = place;
        let lines: String = settings(redis, legacy, address)
            .into_iter()
            .chain([
                ("CRS_LEGACY_URL", format!("http://{legacy}")),
                ("CRS_SHADOW_DUTY_PERCENT", "100".to_owned()),
            ])
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        fs::write(folder.join(".env"), lines)?;
        let mut command = Command::new(binary);
        command.arg("serve").current_dir(&folder);
        Self::start(command, folder, address, "/crs/health").await
    }

    /// Changes the phase of the `crs` in this folder.
    pub fn set_phase(&self, binary: &Path, phase: &str) -> Result<()> {
        let words = ["rollout", "set", phase, "--reason", "measurement"];
        let done = Command::new(binary).args(words).current_dir(&self.folder).output()?;
        if !done.status.success() {
            bail!("rollout: {}", String::from_utf8_lossy(&done.stderr));
        }
        Ok(())
    }

    /// Node in an installed legacy folder; with the tap when it is told where to report.
    pub async fn node(
        installed: &Path,
        redis: SocketAddr,
        upstream: SocketAddr,
        tap: Option<&Path>,
    ) -> Result<Self> {
        let (folder, address) = (scratch("node")?, free_address().await?);
        let preload = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conform/redirect.cjs");
        let mut command = Command::new("node");
        command.arg("--require").arg(preload);
        if let Some(socket) = tap {
            let tap = Path::new(env!("CARGO_MANIFEST_DIR")).join("legacy-node/tap.cjs");
            command.arg("--require").arg(tap).env("CRS_TAP_SOCKET", socket);
        }
        command.arg("src/app.js").current_dir(installed);
        command.envs(settings(redis, upstream, address));
        Self::start(command, folder, address, "/health").await
    }

    async fn start(
        mut command: Command,
        folder: PathBuf,
        address: SocketAddr,
        path: &str,
    ) -> Result<Self> {
        let log = fs::File::create(folder.join("output.log"))?;
        let name = format!("{command:?}");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| name.clone())?;
        let mut server = Self { address, pid: child.id(), child, folder };
        let deadline = Instant::now() + Duration::from_secs(60);
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        loop {
            if let Ok(mut connection) = Connection::open(address).await
                && connection.exchange(request.as_bytes(), b"").await.is_ok()
            {
                return Ok(server);
            }
            if server.child.try_wait()?.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(server.folder.join("output.log")).unwrap_or_default();
                bail!("{name} does not serve:\n{log}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// End of what it printed.
    pub fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.folder.join("output.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx's master must take its workers along; the others mind nothing.
        let asked = Command::new("kill").arg(self.pid.to_string()).status();
        let deadline = Instant::now() + Duration::from_secs(2);
        while asked.is_ok() && Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const INIT: &str = r#"{"initializedAt":"2024-01-02T03:04:05.678Z","adminUsername":"cr_admin_bench","adminPassword":"bench-password","version":"1.0.0"}"#;

fn settings(
    redis: SocketAddr,
    upstream: SocketAddr,
    address: SocketAddr,
) -> Vec<(&'static str, String)> {
    vec![
        ("NODE_ENV", "production".to_owned()),
        ("HOST", address.ip().to_string()),
        ("PORT", address.port().to_string()),
        ("JWT_SECRET", "bench-jwt-secret-that-is-long-enough".to_owned()),
        ("ENCRYPTION_KEY", ENCRYPTION_KEY.to_owned()),
        ("REDIS_HOST", redis.ip().to_string()),
        ("REDIS_PORT", redis.port().to_string()),
        (
            "UPSTREAM_HOST_MAP",
            ["api.anthropic.com", "platform.claude.com", "chatgpt.com"]
                .map(|host| format!("{host}=http://{upstream}"))
                .join(","),
        ),
        ("LOG_LEVEL", "warn".to_owned()),
        ("PRICE_MIRROR_BASE_URL", "http://127.0.0.1:1".to_owned()),
    ]
}

async fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?)
}

fn scratch(purpose: &str) -> Result<PathBuf> {
    let folder =
        std::env::temp_dir().join(format!("crs-bench-{purpose}-{}", uuid::Uuid::new_v4().simple()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
