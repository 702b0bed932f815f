//! The Node service behind a sidecar: does it answer, is the tap in it, does it stand on the same data?

use std::{net::IpAddr, path::Path};

use serde_json::{Value, json};

use super::{
    super::status::{ask, fetch},
    check::Check,
    process::Listener,
    report::Findings,
};
use crate::config::{Config, LegacyUrl};

/// Longest path that can be a unix socket, in bytes.
const SOCKET_PATH_MAX: usize = 107;

/// What was seen of both services.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Where the Node service is looked for.
    pub url: String,
    /// Its own word for its state, and its version.
    pub health: Option<(String, String)>,
    /// Taps of the running crs; `None` when crs does not run here.
    pub taps: Option<u64>,
    /// Whether the Node process was seen.
    pub seen: bool,
}

impl Beside {
    /// Looks at the Node service that the settings name; `None` without one.
    pub(super) async fn look(config: &Config, dir: &Path, findings: &mut Findings) -> Option<Self> {
        let legacy = config.sidecar.legacy_url.as_ref()?;
        let health = ask(&legacy.host, legacy.port, "/health").await;
        let mut beside = Self { url: health.url.clone(), ..Self::default() };
        match &health.up {
            Ok(answer) => {
                let text = |name: &str| answer[name].as_str().unwrap_or("?").to_owned();
                beside.health = Some((text("status"), text("version")));
                beside.is_node(legacy, findings).await;
            }
            Err(error) => findings.add(Check::NodeUnreachable, &*health.url, error),
        }
        beside.tap(config, dir, findings).await;
        if beside.health.is_some() {
            beside.process(config, legacy, findings);
        }
        Some(beside)
    }

    async fn is_node(&self, legacy: &LegacyUrl, findings: &mut Findings) {
        let own = ask(&legacy.host, legacy.port, "/crs/health").await;
        if own.up.is_ok_and(|answer| answer.get("crs").is_some()) {
            findings.add(Check::NotNode, &*self.url, "");
        }
    }

    /// The running crs, and its end of the tap.
    async fn tap(&mut self, config: &Config, dir: &Path, findings: &mut Findings) {
        let socket = dir.join(&config.sidecar.tap_socket);
        // A relative path is used as it is.
        let length = config.sidecar.tap_socket.as_os_str().len();
        if length > SOCKET_PATH_MAX {
            findings.add(Check::TapPath, socket.display().to_string(), format!("{length} bytes"));
        }
        let (host, port) = (config.server.host.as_str(), config.server.port);
        let crs = ask(host, port, "/crs/health").await;
        match crs.up {
            Ok(answer) if answer.get("crs").is_some() => {
                let metrics = fetch(host, port, "/crs/metrics").await.unwrap_or_default();
                let metrics = String::from_utf8_lossy(&metrics).into_owned();
                let taps = metrics.lines().find_map(|line| line.strip_prefix("crs_shadow_taps "));
                let taps = taps.and_then(|number| number.trim().parse().ok()).unwrap_or(0);
                self.taps = Some(taps);
                if taps == 0 {
                    findings.add(Check::TapAlone, socket.display().to_string(), "");
                }
            }
            // Whatever answers, be it no JSON, is not crs.
            Ok(_) => findings.add(Check::PortTaken, crs.url, ""),
            Err(error) if fetch(host, port, "/").await.is_ok() => {
                findings.add(Check::PortTaken, crs.url, error);
            }
            Err(_) => {}
        }
    }

    /// The settings of the Node process, where they can be seen.
    fn process(&mut self, config: &Config, legacy: &LegacyUrl, findings: &mut Findings) {
        let local = legacy.host == "localhost"
            || legacy.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let Some(node) = Listener::on(legacy.port).filter(|_| local) else {
            findings.add(Check::NodeUnseen, &*self.url, "");
            return;
        };
        self.seen = true;
        let subject =
            node.dir.as_ref().map_or_else(|| self.url.clone(), |dir| dir.display().to_string());
        let set = |name: &str, default: &str| match node.get(name) {
            None | Some("") => default.to_owned(),
            Some(value) => value.to_owned(),
        };
        let redis = &config.redis;
        for (name, own, default) in [
            ("REDIS_HOST", redis.host.clone(), "127.0.0.1"),
            ("REDIS_PORT", redis.port.to_string(), "6379"),
            ("REDIS_DB", redis.db.to_string(), "0"),
        ] {
            let theirs = set(name, default);
            if !same(&own, &theirs) {
                findings.add(
                    Check::OtherRedis,
                    &*subject,
                    format!("{name}: Node {theirs}, crs {own}"),
                );
            }
        }
        let key = node.get("ENCRYPTION_KEY");
        if key.is_some_and(|key| key != config.security.encryption_key.expose()) {
            findings.add(Check::OtherKey, &*subject, "");
        }
        if node.get("TRUST_PROXY") != Some("true") {
            let found = node.get("TRUST_PROXY").unwrap_or("(not set)").to_owned();
            findings.add(Check::TrustProxy, &*subject, format!("TRUST_PROXY: {found}"));
        }
        let options = node.get("NODE_OPTIONS").unwrap_or_default();
        // With a tap connected, it was loaded in some way.
        if !options.contains("tap.cjs") && self.taps.is_none_or(|taps| taps == 0) {
            findings.add(Check::TapNotLoaded, &*subject, "");
        }
        if node.open {
            findings.add(Check::NodeOpen, &*subject, format!("port {}", legacy.port));
        }
    }

    /// In one line.
    pub(super) fn text(&self) -> String {
        let node = match &self.health {
            Some((status, version)) => format!("{status}, version {version}"),
            None => "DOWN".to_owned(),
        };
        let tap = match self.taps {
            Some(0) => ", no tap connected",
            Some(_) => ", tap connected",
            None => ", crs does not run here",
        };
        format!("node: {} {node}{tap}", self.url)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "url": self.url,
            "reachable": self.health.is_some(),
            "health": self.health.as_ref().map(|(status, _)| status),
            "version": self.health.as_ref().map(|(_, version)| version),
            "crsRuns": self.taps.is_some(),
            "taps": self.taps,
            "processSeen": self.seen,
        })
    }
}

/// Whether both name the same thing.
fn same(one: &str, other: &str) -> bool {
    let plain =
        |text: &str| if text == "localhost" { "127.0.0.1".to_owned() } else { text.to_owned() };
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Answers every request with this JSON until dropped.
    async fn service(body: &'static str) -> (u16, tokio::task::JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut running = tokio::task::JoinSet::new();
        running.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all((head + body).as_bytes()).await;
            }
        });
        (port, running)
    }

    async fn looked(
        port: u16,
        own: u16,
        more: &[(&str, &str)],
    ) -> (Option<Beside>, Vec<&'static str>) {
        let url = format!("http://127.0.0.1:{port}");
        let own = own.to_string();
        let usual = [("CRS_LEGACY_URL", url.as_str()), ("HOST", "127.0.0.1"), ("PORT", &own)];
        let settings: HashMap<String, String> =
            usual.iter().chain(more).map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let dir = Path::new("/nowhere");
        let config = Config::load(&settings, dir).unwrap();
        let mut findings = Findings::new(5);
        let beside = Beside::look(&config, dir, &mut findings).await;
        (beside, findings.into_sorted().iter().map(|finding| finding.check.as_str()).collect())
    }

    fn free_port() -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn a_service_that_is_not_there_is_told() {
        let (beside, found) = looked(free_port(), free_port(), &[]).await;
        assert_eq!(found, ["node-unreachable"]);
        assert!(beside.unwrap().text().ends_with("DOWN, crs does not run here"));
        let long = "x".repeat(120);
        let (_, found) = looked(free_port(), free_port(), &[("CRS_TAP_SOCKET", &long)]).await;
        assert_eq!(found, ["node-unreachable", "tap-path"]);
    }

    #[tokio::test]
    async fn the_settings_of_its_process_are_compared() {
        let (node, _running) = service(r#"{"status":"healthy","version":"1.1.314"}"#).await;
        let (beside, found) = looked(node, free_port(), &[("REDIS_PORT", "6380")]).await;
        let beside = beside.unwrap();
        assert_eq!(beside.health, Some(("healthy".into(), "1.1.314".into())));
        if beside.seen {
            // What listens is this process, which has none of the settings.
            assert_eq!(found, ["other-redis", "trust-proxy", "tap-not-loaded"]);
        } else {
            assert_eq!(found, ["node-unseen"]);
        }
    }

    #[tokio::test]
    async fn who_listens_in_the_wrong_place_is_told() {
        let (node, _running) = service(r#"{"status":"healthy","version":"1.1.314"}"#).await;
        let (other, _too) = service(r#"{"hello":"world"}"#).await;
        let (_, found) = looked(node, other, &[]).await;
        assert!(found.contains(&"port-taken"), "{found:?}");
        let (crs, _three) = service(r#"{"status":"healthy","crs":{"version":"0"}}"#).await;
        let (beside, found) = looked(node, crs, &[]).await;
        assert!(found.contains(&"tap-alone") && !found.contains(&"port-taken"), "{found:?}");
        assert_eq!(beside.unwrap().taps, Some(0));
        let (_, found) = looked(crs, free_port(), &[]).await;
        assert!(found.contains(&"not-node"), "{found:?}");
    }
}
