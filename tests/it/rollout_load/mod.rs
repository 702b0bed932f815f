//! The rollout under load: real processes, many streams, phases that go to and fro, and the books
//! afterwards. Node is the stand-in of `legacy-node/` with the tap, or, with `LEGACY_DIR`, the legacy
//! service that is installed there.

mod flips;
mod share;
mod sums;
mod trip;
mod vendor;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Map, Value, json};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::{
    harness::service::{ENCRYPTION_KEY, free_port},
    place::{Crs, Home, Place, until},
};
use vendor::Vendor;

/// Everything around the service, with the stand-in for Node.
pub struct Scene {
    pub place: Place,
    pub vendor: Vendor,
    pub home: Home,
    pub node: Node,
}

impl Scene {
    /// `keys` by alias; `redis_port` of crs, when it is not the database's own; `env` of crs.
    pub async fn new(keys: Value, redis_port: Option<u16>, env: &[(&str, &str)]) -> Self {
        let place = Place::new(keys).await;
        Self::on(place, redis_port, env).await
    }

    pub async fn on(place: Place, redis_port: Option<u16>, env: &[(&str, &str)]) -> Self {
        let vendor = Vendor::start().await;
        let port = free_port().await.unwrap();
        let legacy = format!("http://127.0.0.1:{port}");
        let map = format!("api.anthropic.com=http://127.0.0.1:{}", vendor.ports[1]);
        let mut all =
            vec![("CRS_LEGACY_URL", legacy.as_str()), ("UPSTREAM_HOST_MAP", map.as_str())];
        all.extend_from_slice(env);
        let redis = redis_port.unwrap_or(place.redis_addr().port());
        let home = Home::new(&place, redis, &all);
        let node = Node::start(&place, &home.folder, port, vendor.ports[0]).await;
        Self { place, vendor, home, node }
    }

    /// A request that must be answered whole; gives the body.
    pub async fn serve(&self, crs: &Crs, request: Value) -> String {
        let answer = crs.send(&self.place, request).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!((answer.status, answer.ended), (200, "complete"), "{text}");
        assert!(!text.contains("event: error"), "{text}");
        text
    }

    /// `crs rollout …` with these words; must succeed.
    pub async fn rollout(&self, words: &[&str]) {
        let words = [&["rollout"], words].concat();
        let output = command_line(&self.home.folder, &words).await;
        assert!(output.status.success(), "{words:?}: {output:?}");
    }

    /// Changes the phase and waits until the process follows; tells how long that took.
    pub async fn to_phase(&self, words: &[&str], phase: &str) -> std::time::Duration {
        self.rollout(words).await;
        let since = tokio::time::Instant::now();
        until(phase, async || {
            let output =
                command_line(&self.home.folder, &["rollout", "status", "--local", "--json"]).await;
            let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            status["instance"]["phase"] == phase
        })
        .await;
        since.elapsed()
    }
}

/// The command line in a folder.
async fn command_line(folder: &Path, words: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_crs"))
        .args(words)
        .current_dir(folder)
        .env_clear()
        .env("USER", "alice")
        .output()
        .await
        .unwrap()
}

/// So many keys `k00`…, with counted slots.
pub fn keys(count: usize) -> Value {
    let keys = (0..count).map(|n| (alias(n), json!({ "concurrencyLimit": "1000" })));
    Value::Object(keys.collect::<Map<_, _>>())
}

pub fn alias(number: usize) -> String {
    format!("k{number:02}")
}

fn legacy_node() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("legacy-node")
}

/// Folder of an installed legacy service that is to take the stand-in's place.
fn legacy_service() -> Option<PathBuf> {
    std::env::var_os("LEGACY_DIR").map(PathBuf::from)
}

/// Whether the stand-in for Node can run here. Like its own tests, these are skipped where its packages
/// cannot be installed (`make node-tests` tries).
pub fn node_is_installed() -> bool {
    let installed =
        legacy_service().is_some() || legacy_node().join("node_modules/ioredis").is_dir();
    if !installed {
        eprintln!(
            "skipped: the stand-in for Node lacks its packages (npm ci --prefix legacy-node)"
        );
    }
    installed
}

/// The stand-in for Node, with the tap.
pub struct Node {
    pub port: u16,
    child: Child,
}

impl Node {
    async fn start(place: &Place, folder: &Path, port: u16, vendor: u16) -> Self {
        let legacy = legacy_node();
        let log = fs::File::create(folder.join("node.log")).unwrap();
        let mut command = Command::new("node");
        command.arg("--require").arg(legacy.join("tap.cjs"));
        if let Some(installed) = legacy_service() {
            let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
            command.arg("--require").arg(tests.join("conform/redirect.cjs"));
            command.arg("src/app.js").current_dir(installed);
        } else {
            command.arg(legacy.join("standin/server.cjs")).current_dir(folder);
        }
        let child = command
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("PORT", port.to_string())
            .env("REDIS_PORT", place.redis_addr().port().to_string())
            .env("ENCRYPTION_KEY", ENCRYPTION_KEY)
            .env("UPSTREAM", format!("http://127.0.0.1:{vendor}"))
            .env("CRS_TAP_SOCKET", folder.join("data/crs/tap.sock"))
            // What the legacy service needs beyond the stand-in.
            .envs([("NODE_ENV", "production"), ("HOST", "127.0.0.1"), ("REDIS_HOST", "127.0.0.1")])
            .envs([("JWT_SECRET", "conform-jwt-secret"), ("TRUST_PROXY", "true")])
            .envs([("PRICE_MIRROR_BASE_URL", "http://127.0.0.1:1"), ("LOG_LEVEL", "warn")])
            .env("UPSTREAM_HOST_MAP", format!("api.anthropic.com=http://127.0.0.1:{vendor}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("node, 18 or later, must be installed: {error}"));
        let mut node = Self { port, child };
        until("the stand-in for Node", async || {
            let ended = node.child.try_wait().unwrap();
            let said = || fs::read_to_string(folder.join("node.log")).unwrap_or_default();
            assert!(ended.is_none(), "it ended with {ended:?}:\n{}", said());
            TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        node
    }
}
