//! The shadow side, end to end: Redis, scripted vendors, the stand-in for Node with the tap, and `crs`
//! in front of it.

mod azure;
mod bedrock;
mod chat;
mod clean;
mod concurrent;
mod faults;
mod known;
mod openai;
mod passthrough;
mod real;
mod series;
mod watch;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::{Value, json};
use shadow::{
    Finding, Tally,
    capture::{Capture, Sealer},
};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::{
    harness::{
        client::Answer,
        service::{ENCRYPTION_KEY, free_port},
    },
    place::{Crs, Home, PATIENCE, Place, until},
};

/// Where the tallies lie.
const TALLY: &str = "crs:rs:shadow:tally";

/// Everything, in phase `shadow`.
pub struct Stage {
    pub crs: Crs,
    pub home: Home,
    pub place: Place,
    _node: Node,
}

impl Stage {
    /// `seed`: keys and accounts as in scenarios.
    pub async fn start(seed: Value) -> Self {
        let place = Place::seeded(seed).await;
        let redis_port = place.redis_addr().port();
        Self::on(place, redis_port, &[]).await
    }

    /// With the real service, installed in a folder, in place of the stand-in.
    pub async fn real(seed: Value, legacy: &Path) -> Self {
        let place = Place::seeded(seed).await;
        let redis_port = place.redis_addr().port();
        Self::with(place, redis_port, &[], Some(legacy)).await
    }

    /// `redis_port`: where `crs` finds Redis; `env` goes on top of its settings.
    pub async fn on(place: Place, redis_port: u16, env: &[(&str, &str)]) -> Self {
        Self::with(place, redis_port, env, None).await
    }

    async fn with(
        place: Place,
        redis_port: u16,
        env: &[(&str, &str)],
        legacy: Option<&Path>,
    ) -> Self {
        let port = free_port().await.unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let mut all = vec![
            ("CRS_LEGACY_URL", url.as_str()),
            ("CRS_SHADOW_PUBLISH_MS", "50"),
            ("CRS_SHADOW_DUTY_PERCENT", "100"),
        ];
        all.extend_from_slice(env);
        let home = Home::new(&place, redis_port, &all);
        if let Some(legacy) = legacy {
            import(&home.folder, legacy).await;
        }
        let node = Node::start(&place, &home.folder, port, legacy).await;
        let crs = home.start().await;
        advance(&home.folder).await;
        let stage = Self { crs, home, place, _node: node };
        until("phase shadow and the tap", async || stage.is_ready().await).await;
        stage
    }

    async fn is_ready(&self) -> bool {
        let metrics = self.own("/crs/metrics").await;
        metrics.contains("crs_shadow_taps 1\n")
            && self.own("/crs/health").await.contains("\"shadow\"")
    }

    /// An endpoint of `crs` itself.
    pub async fn own(&self, path: &str) -> String {
        let request = json!({ "method": "GET", "path": path, "as": "bare", "key": null });
        String::from_utf8(self.send(request).await.body).unwrap()
    }

    /// Sends a request as in scenarios.
    pub async fn send(&self, request: Value) -> Answer {
        self.crs.send(&self.place, request).await
    }

    /// What was counted so far.
    pub async fn tally(&self) -> Tally {
        let text = self.place.ask(["HGET", TALLY, "default"]).await;
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// The counts once so many requests were compared or dropped.
    pub async fn compared(&self, requests: u64) -> Tally {
        // Second runs take their time in a build for tests, so each step is waited for.
        let mut last = (0, Instant::now());
        loop {
            let tally = self.tally().await;
            let done = tally.observations + tally.dropped.values().sum::<u64>();
            if done >= requests {
                assert_eq!(done, requests, "{:?}", tally.dropped);
                return tally;
            }
            if done > last.0 {
                last = (done, Instant::now());
            }
            let late = last.1.elapsed() > 2 * PATIENCE;
            assert!(!late, "{done} of {requests} compared; {:?}", tally.dropped);
            sleep(Duration::from_millis(25)).await;
        }
    }

    /// The captured cases by their id.
    pub fn cases(&self) -> BTreeMap<String, Capture> {
        let sealer = Sealer::new(ENCRYPTION_KEY).unwrap();
        let folder = self.home.folder.join("data/crs/shadow");
        let files = fs::read_dir(folder).into_iter().flatten();
        let cases = files.map(|entry| {
            let capture = sealer.open(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
            (capture.id.clone(), capture)
        });
        cases.collect()
    }

    /// What differs in the captured cases, for the message of a failed test.
    pub fn shown(&self) -> String {
        let lines = self.cases().into_values().flat_map(|case| {
            let request = format!("{} {:?}\n", case.request.path, case.control.request.client);
            let findings = case
                .verdict
                .findings
                .into_iter()
                .filter(Finding::counts)
                .map(|found| format!("  {} {:?}\n", found.plane, found.difference));
            std::iter::once(request).chain(findings).collect::<Vec<_>>()
        });
        lines.collect()
    }
}

/// Takes what the real service has in files; settings that are here already stay.
async fn import(folder: &Path, legacy: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_crs"))
        .arg("import-legacy")
        .arg(legacy)
        .current_dir(folder)
        .env_clear()
        .output()
        .await
        .unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
}

/// Moves on from `observe`.
async fn advance(folder: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_crs"))
        .args(["rollout", "advance", "--reason", "test"])
        .current_dir(folder)
        .env_clear()
        .env("USER", "alice")
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// The stand-in for the Node service, or the service itself, with the tap.
struct Node {
    child: Child,
}

impl Node {
    async fn start(place: &Place, folder: &Path, port: u16, legacy: Option<&Path>) -> Self {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let own = project.join("legacy-node");
        let log = fs::File::create(folder.join("node.log")).unwrap();
        let socket: PathBuf = folder.join("data/crs/tap.sock");
        let mut command = Command::new("node");
        command.arg("--require").arg(own.join("tap.cjs"));
        match legacy {
            Some(installed) => {
                command.arg("--require").arg(project.join("tests/conform/redirect.cjs"));
                command.arg("src/app.js").current_dir(installed);
            }
            None => {
                assert!(
                    own.join("node_modules/ioredis").is_dir(),
                    "the stand-in for Node lacks its packages: run `npm ci --prefix legacy-node`"
                );
                command.arg(own.join("standin/server.cjs")).current_dir(folder);
            }
        }
        let child = command
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("NODE_ENV", "production")
            .env("HOST", "127.0.0.1")
            .env("PORT", port.to_string())
            .env("JWT_SECRET", "it-jwt-secret")
            .env("TRUST_PROXY", "true")
            .env("REDIS_HOST", "127.0.0.1")
            .env("REDIS_PORT", place.redis_addr().port().to_string())
            .env("ENCRYPTION_KEY", ENCRYPTION_KEY)
            .env("UPSTREAM", format!("http://127.0.0.1:{}", place.outside.standin_port))
            .env("UPSTREAM_HOST_MAP", place.outside.host_map(&BTreeMap::default()))
            .env("PRICE_MIRROR_BASE_URL", "http://127.0.0.1:1")
            .env("LOG_LEVEL", "warn")
            .env("CRS_TAP_SOCKET", socket)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("node, 18 or later, must be installed: {error}"));
        let mut node = Self { child };
        until("the stand-in for Node", async || {
            let ended = node.child.try_wait().unwrap();
            let said = || fs::read_to_string(folder.join("node.log")).unwrap_or_default();
            assert!(ended.is_none(), "it ended with {ended:?}:\n{}", said());
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        node
    }
}

/// Two accounts of different priority, one key with slots.
pub fn usual_seed() -> Value {
    json!({
        "keys": {
            "main": { "concurrencyLimit": "1000" },
            "off": { "isActive": "false" },
            "bound": { "claudeAccountId": "${acc:b}" }
        },
        "accounts": { "a": { "priority": "10" }, "b": { "priority": "20" } }
    })
}
