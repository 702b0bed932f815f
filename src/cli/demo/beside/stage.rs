//! Everything of act two: Redis, a vendor with a door for Node and one for crs, Node with the tap, and
//! crs in front of it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use compat::{
    clock::{Clock, iso},
    store::{RedisStore, Store},
};
use tokio::time::{Instant, sleep};

use super::{
    super::{
        database::Database,
        place::Place,
        seed::Planter,
        service::{self, ENCRYPTION_KEY},
        upstream::{Behaviour, Controls, StandIn, TokenCounts},
    },
    front::Front,
    legacy::{Legacy, Node},
    people::People,
};
use crate::{
    cli::demo::client::Ask,
    rollout::{Request, ask, socket_path},
    sidecar::shadow::records,
};

/// Tokens of every message.
pub(super) const TOKENS: TokenCounts =
    TokenCounts { input: 120, output: 80, cache_5m: 0, cache_1h: 0, cache_read: 1000 };
/// Longest wait for anything that happens by itself.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest path that can be a unix socket, in bytes.
const SOCKET_PATH_MAX: usize = 107;
const GLANCE: Duration = Duration::from_millis(20);

/// All that runs.
pub(super) struct Stage {
    pub base: String,
    pub people: Arc<People>,
    pub store: Arc<dyn Store>,
    /// Of the vendor: the door for Node and the one for crs.
    pub doors: [Controls; 2],
    pub node_port: u16,
    socket: PathBuf,
}

/// What must be ended, in this order.
pub(super) struct Parts {
    front: Front,
    node: Node,
    database: Database,
}

impl Stage {
    /// Starts everything; crs is in `observe`.
    ///
    /// # Errors
    /// When a part does not start.
    pub(super) async fn set(
        place: &Place,
        legacy: &Legacy,
        port: Option<u16>,
    ) -> anyhow::Result<(Self, Parts)> {
        let tap_socket = place.dir().join("data/crs/tap.sock");
        let length = socket_path(&place.dir().join("data")).as_os_str().len();
        anyhow::ensure!(
            length <= SOCKET_PATH_MAX,
            "the path of this folder is too long for the sockets below it ({length} bytes of at most \
             {SOCKET_PATH_MAX}); run the demo in another folder"
        );
        let database = Database::start(place.dir()).await?;
        let now_ms = Clock::system().now_ms();
        let mut planter = Planter::new(ENCRYPTION_KEY, now_ms, &iso(now_ms));
        let people = Arc::new(People::plant(&mut planter));
        service::plant(&database, planter.into_batch()).await?;
        let vendors =
            [StandIn::bind(("127.0.0.1", 0)).await?, StandIn::bind(("127.0.0.1", 0)).await?];
        let doors = vendors.each_ref().map(StandIn::controls);
        for door in &doors {
            door.set(Behaviour { usage: Some(TOKENS), cues: true, ..Behaviour::default() });
        }
        let [for_node, for_crs] = [vendors[0].address()?.port(), vendors[1].address()?.port()];
        let node = legacy.start(place.dir(), database.port(), for_node, &tap_socket).await?;
        let port = service::listen_port(port)?;
        let upstream = format!("http://127.0.0.1:{for_crs}");
        let mut settings = service::settings(port, &database, place.dir(), &upstream);
        for (name, value) in [
            ("CRS_LEGACY_URL", format!("http://127.0.0.1:{}", node.port)),
            ("CRS_TAP_SOCKET", tap_socket.display().to_string()),
            // Every request, and at once: nobody waits for a sample here.
            ("CRS_SHADOW_DUTY_PERCENT", "100".to_owned()),
            ("CRS_SHADOW_PUBLISH_MS", "200".to_owned()),
        ] {
            settings.insert(name.to_owned(), value);
        }
        let config = place.publish(settings.clone())?;
        let socket = socket_path(&config.service.data_dir);
        let store: Arc<dyn Store> = Arc::new(RedisStore::open(&database.config())?);
        let base = format!("http://127.0.0.1:{port}");
        let front = Front::start(place.dir(), &settings, &base, vendors).await?;
        let stage = Self { base, people, store, doors, node_port: node.port, socket };
        Ok((stage, Parts { front, node, database }))
    }

    /// Waits until the tap is connected.
    ///
    /// # Errors
    /// When it does not come.
    pub(super) async fn tapped(&self) -> anyhow::Result<()> {
        self.until("the tap to connect", async || {
            let metrics = Ask::get("/crs/metrics", None).send(&self.base).await?;
            Ok(metrics.body.contains("crs_shadow_taps 1\n"))
        })
        .await
    }

    /// Waits until crs stands at a phase (and share); tells how long that took.
    ///
    /// # Errors
    /// When it does not go there.
    pub(super) async fn at(&self, position: &str) -> anyhow::Result<Duration> {
        let since = Instant::now();
        self.until(position, async || {
            let status = ask(&self.socket, &Request::Status).await?;
            Ok(status["data"]["instance"]["position"] == position)
        })
        .await?;
        Ok(since.elapsed())
    }

    /// Waits until enough requests were compared.
    ///
    /// # Errors
    /// When some are dropped, or nothing happens any more.
    pub(super) async fn compared(&self, enough: impl Fn(u64) -> bool) -> anyhow::Result<()> {
        let (mut seen, mut deadline) = (0, Instant::now() + PATIENCE);
        loop {
            let tally = records::together(&*self.store).await?;
            let dropped: u64 = tally.dropped.values().sum();
            anyhow::ensure!(dropped == 0, "some were not compared: {:?}", tally.dropped);
            if enough(tally.observations) {
                return Ok(());
            }
            // As long as there is progress, there is hope.
            if tally.observations != seen {
                (seen, deadline) = (tally.observations, Instant::now() + PATIENCE);
            }
            anyhow::ensure!(Instant::now() < deadline, "only {seen} requests were compared");
            sleep(GLANCE).await;
        }
    }

    /// Waits until so many streams are open at Node's and at crs's door.
    ///
    /// # Errors
    /// When they do not open.
    pub(super) async fn held(&self, [node, crs]: [u64; 2]) -> anyhow::Result<()> {
        self.until("streams to open", async || {
            Ok(self.doors[0].held() == node && self.doors[1].held() == crs)
        })
        .await
    }

    /// Messages that the vendor was asked for by Node and by crs.
    pub(super) fn asked(&self) -> [u64; 2] {
        self.doors.each_ref().map(Controls::requests)
    }

    /// Asks again until it is so.
    ///
    /// # Errors
    /// When it is not for too long, or asking fails for good.
    pub(super) async fn until(
        &self,
        what: &str,
        mut is_so: impl AsyncFnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match is_so().await {
                Ok(true) => return Ok(()),
                Ok(false) if Instant::now() < deadline => sleep(GLANCE).await,
                Ok(false) => anyhow::bail!("waited in vain for {what}"),
                Err(error) => return Err(error).with_context(|| format!("waiting for {what}")),
            }
        }
    }
}

impl Parts {
    /// Resolves when a part of the service ends, which none should.
    pub(super) async fn broken(&mut self) -> anyhow::Error {
        self.front.broken().await
    }

    /// Ends everything, crs first: it writes the last usage to the database.
    pub(super) async fn end(self) {
        let Self { front, node, database } = self;
        front.end().await;
        node.end().await;
        drop(database);
    }
}
