//! The stand-in for the Node service: is all there that it needs, and its process.

use std::{
    fmt, fs,
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Context;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::super::{database::free_port, service::ENCRYPTION_KEY};

/// How long Node may take to listen.
const START: Duration = Duration::from_secs(15);
/// Oldest Node that the tap and the stand-in work on.
const OLDEST: u32 = 18;
/// Packages that the stand-in needs.
const PACKAGES: [&str; 2] = ["express", "ioredis"];

/// Where the stand-in and the tap lie; all they need is installed.
#[derive(Clone, Debug)]
pub(in super::super) struct Legacy {
    dir: PathBuf,
}

/// Why act two cannot be shown, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Missing {
    /// No `node`, or one that is too old.
    Node(Option<String>),
    /// The checkout's folder.
    Folder,
    /// Packages of the stand-in; whether there is an `npm` to install them.
    Packages(PathBuf, bool),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(found) => {
                match found {
                    Some(version) => write!(f, "Node.js {version} is too old")?,
                    None => f.write_str("Node.js is not installed")?,
                }
                write!(f, ". Install {OLDEST} or later (on Debian: apt-get install nodejs npm)")
            }
            Self::Folder => f.write_str(
                "the folder legacy-node of the source checkout was not found. Run it in the checkout, \
                 or say where: --legacy-node DIR",
            ),
            Self::Packages(dir, has_npm) => {
                f.write_str("the packages of the stand-in for Node are not installed. ")?;
                if !has_npm {
                    f.write_str("Install npm (on Debian: apt-get install npm) and run: ")?;
                } else {
                    f.write_str("Run: ")?;
                }
                write!(f, "npm ci --prefix {}", dir.display())
            }
        }
    }
}

impl Legacy {
    /// Looks in `said`, or else in the working directory and above the program.
    ///
    /// # Errors
    /// [`Missing`], the first thing that is.
    pub(in super::super) async fn find(said: Option<&Path>) -> Result<Self, Missing> {
        let dir = match said {
            Some(dir) => Some(dir.to_owned()).filter(|dir| holds_standin(dir)),
            None => places().into_iter().find(|dir| holds_standin(dir)),
        };
        let dir = dir.ok_or(Missing::Folder)?;
        let dir = fs::canonicalize(dir).map_err(|_| Missing::Folder)?;
        let version = said_by("node").await.ok_or(Missing::Node(None))?;
        let major = version.trim_start_matches('v').split('.').next();
        let major = major.and_then(|text| text.parse::<u32>().ok());
        if major.is_none_or(|major| major < OLDEST) {
            return Err(Missing::Node(Some(version)));
        }
        if !PACKAGES.iter().all(|name| dir.join("node_modules").join(name).is_dir()) {
            let has_npm = said_by("npm").await.is_some();
            return Err(Missing::Packages(dir, has_npm));
        }
        Ok(Self { dir })
    }

    /// Starts the stand-in with the tap in `place`, on a port of its own, on this Redis and vendor.
    ///
    /// # Errors
    /// When it does not listen in time.
    pub(super) async fn start(
        &self,
        place: &Path,
        redis_port: u16,
        vendor: u16,
        tap_socket: &Path,
    ) -> anyhow::Result<Node> {
        let port = free_port()?;
        let log_path = place.join("node.log");
        let log = File::create(&log_path)?;
        let child = Command::new("node")
            .arg("--require")
            .arg(self.dir.join("tap.cjs"))
            .arg(self.dir.join("standin/server.cjs"))
            .current_dir(place)
            .env_remove("NODE_OPTIONS")
            .env_remove("STANDIN_FAULTS")
            .env_remove("CRS_TAP")
            .env("HOST", "127.0.0.1")
            .env("TRUST_PROXY", "true")
            .env("PORT", port.to_string())
            .env("REDIS_HOST", "127.0.0.1")
            .env("REDIS_PORT", redis_port.to_string())
            .env_remove("REDIS_PASSWORD")
            .env_remove("REDIS_DB")
            .env_remove("API_KEY_PREFIX")
            .env_remove("TIMEZONE_OFFSET")
            .env("ENCRYPTION_KEY", ENCRYPTION_KEY)
            .env("UPSTREAM", format!("http://127.0.0.1:{vendor}"))
            .env("CRS_TAP_SOCKET", tap_socket)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            // Ctrl-C is for the demo, which ends it after the service.
            .process_group(0)
            .spawn()
            .context("node cannot be started")?;
        let mut node = Node { child, port };
        let deadline = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let ended = node.child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let said = fs::read_to_string(&log_path).unwrap_or_default();
                anyhow::bail!("the stand-in for Node does not listen: {}", said.trim());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(node)
    }
}

/// The stand-in while it runs; killed when dropped.
pub(super) struct Node {
    child: Child,
    /// Where it listens.
    pub(super) port: u16,
}

impl Node {
    /// Ends it and waits until it is gone.
    pub(super) async fn end(mut self) {
        let _ = self.child.kill().await;
    }
}

fn holds_standin(dir: &Path) -> bool {
    dir.join("tap.cjs").is_file() && dir.join("standin/server.cjs").is_file()
}

fn places() -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from("legacy-node")];
    if let Ok(program) = std::env::current_exe() {
        // target/release/crs in the checkout.
        places.extend(program.ancestors().skip(1).map(|above| above.join("legacy-node")));
    }
    places
}

/// What a program says its version is.
async fn said_by(program: &str) -> Option<String> {
    let asked = Command::new(program)
        .arg("--version")
        .env_remove("NODE_OPTIONS")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(10), asked).await.ok()?.ok()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_missing_is_said_with_the_remedy() {
        let dir = std::env::temp_dir().join(format!("crs-legacy-{}", uuid::Uuid::new_v4()));
        let missing = Legacy::find(Some(&dir)).await.unwrap_err();
        assert_eq!(missing, Missing::Folder);
        assert!(missing.to_string().contains("--legacy-node DIR"));
        fs::create_dir_all(dir.join("standin")).unwrap();
        fs::write(dir.join("tap.cjs"), "").unwrap();
        fs::write(dir.join("standin/server.cjs"), "").unwrap();
        let missing = Legacy::find(Some(&dir)).await.unwrap_err();
        // Without Node that is said first.
        if let Missing::Packages(..) = missing {
            assert!(missing.to_string().contains("npm ci --prefix /"), "{missing}");
            for name in PACKAGES {
                fs::create_dir_all(dir.join("node_modules").join(name)).unwrap();
            }
            assert!(Legacy::find(Some(&dir)).await.is_ok());
        } else {
            assert!(matches!(missing, Missing::Node(_)), "{missing}");
        }
        assert_eq!(
            Missing::Node(Some("v16.1.0".into())).to_string(),
            "Node.js v16.1.0 is too old. Install 18 or later (on Debian: apt-get install nodejs npm)"
        );
        fs::remove_dir_all(&dir).unwrap();
    }
}
