//! Clients get what Node sends, byte for byte and chunk for chunk, whatever happens beside: second runs
//! that panic, hang or block their thread, a full queue, full memory, a tap that says nothing.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use compat::{
    clock::Clock,
    store::{Batch, Reply, Store, StoreError},
};
use crs::{
    api::{
        middleware::{Cors, Front, FrontSettings},
        server::{self, Limits, Shutdown},
    },
    config::{LegacyUrl, SidecarConfig},
    sidecar::{
        forward::{Forwarder, RequestHead},
        gateway::Gateway,
        routing::{Answer, Route, Routing},
        shadow::{Candidate, Case, Run, Seals, Shadow, ShadowParts, Shelf, ShelfLimits},
        tap::{Tap, TapSettings},
    },
};
use futures_util::future::BoxFuture;
use rand::{SeedableRng, rngs::StdRng};
use rstest::rstest;
use shadow::{Rules, Tally, sample::SampleSettings};
use tokio::{
    net::{TcpListener, UnixStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    harness::service::scratch,
    place::until,
    sidecar::{Wire, node::Node, random::exchange},
};

const CLIENTS: u64 = 20;
const EACH: u64 = 50;
const ALL: u64 = CLIENTS * EACH;
/// What the shadow side takes in at once: its queue, and the second runs under way.
const TAKEN: u64 = 256 + 4;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Second runs panic.
    Panics,
    /// Second runs never end.
    Hangs,
    /// Second runs keep their thread.
    Blocks,
    /// What waits fills its memory, as second runs never end.
    Fills,
    /// A tap is there and tells nothing.
    Mute,
}

struct Misbehaving {
    trouble: Trouble,
    begun: AtomicUsize,
}

impl Candidate for Misbehaving {
    fn run(&self, _: Case) -> BoxFuture<'_, Run> {
        let n = self.begun.fetch_add(1, Ordering::Relaxed);
        // Half of them before there is anything to wait for.
        assert!(self.trouble != Trouble::Panics || n.is_multiple_of(2), "on purpose");
        Box::pin(async move {
            match self.trouble {
                Trouble::Panics => {
                    tokio::task::yield_now().await;
                    panic!("on purpose");
                }
                Trouble::Blocks => loop {
                    std::thread::park();
                },
                Trouble::Hangs | Trouble::Fills | Trouble::Mute => std::future::pending().await,
            }
        })
    }
}

/// Nothing here has to be read from a database.
struct Untouched;

impl Store for Untouched {
    fn run(&self, batch: Batch) -> BoxFuture<'_, Result<Vec<Reply>, StoreError>> {
        panic!("the database is asked: {batch:?}");
    }
}

impl Seals for Untouched {
    fn fingerprint(&self, _: &str, _: &str) -> Option<String> {
        None
    }
}

/// Shows every request to the shadow side.
struct Shown(Arc<Shadow>);

impl Routing for Shown {
    fn decide(&self, head: &RequestHead, peer: IpAddr) -> Answer {
        Answer::Now(Route::Legacy { trace: self.0.begin(head, &peer.to_string()) })
    }

    fn phase(&self) -> String {
        "shadow".to_owned()
    }
}

/// A gateway before `node` with a shadow side that has this trouble.
async fn gateway(
    node: &Node,
    trouble: Trouble,
    folder: &Path,
    tasks: &mut JoinSet<()>,
) -> (SocketAddr, Arc<Shadow>) {
    let socket = folder.join("tap.sock");
    let room = if trouble == Trouble::Fills { 200_000 } else { 1 << 30 };
    let tap = Tap::new(socket.clone(), TapSettings::default(), room);
    let parts = ShadowParts {
        duty_percent: 100,
        candidate: Arc::new(Misbehaving { trouble, begun: AtomicUsize::new(0) }),
        tap: Arc::clone(&tap),
        store: Arc::new(Untouched),
        rules: Rules::built_in().unwrap(),
        shelf: Shelf::new(folder.join("cases"), ShelfLimits::default()),
        seals: Arc::new(Untouched),
        sealer: None,
        sample: SampleSettings::default(),
        room,
        clock: Clock::system(),
    };
    let shadow = Shadow::new(parts, Tally::default());
    // A thread of its own, as in the service. One that is blocked stays until the process ends.
    let beside = Arc::clone(&shadow);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(beside.run(CancellationToken::new()));
    });
    if trouble == Trouble::Mute {
        tasks.spawn(async move { tap.listen(CancellationToken::new()).await });
        until("the tap's socket", async || socket.exists()).await;
        let mute = UnixStream::connect(&socket).await.unwrap();
        tasks.spawn(async move {
            let _mute = mute;
            std::future::pending().await
        });
        until("the tap", async || shadow.status().taps == 1).await;
    }
    let config = SidecarConfig {
        shadow_duty_percent: 100,
        legacy_url: Some(LegacyUrl { host: "127.0.0.1".into(), port: node.address.port() }),
        connect_timeout: Duration::from_secs(5),
        head_timeout: Duration::from_secs(60),
        tap_socket: socket,
        shadow_room: room,
        shadow_publish: Duration::from_secs(5),
        reuse_port: false,
    };
    let settings = FrontSettings {
        cors: Cors::BuiltIn,
        request_max_mib: None,
        development: false,
        trust_proxy: false,
        browser_rewrite: |_| false,
        now: Arc::new(|| 0),
    };
    let front = Front::new(settings, axum::Router::new());
    let forwarder = Arc::new(Forwarder::new(&config, false).unwrap());
    let routing = Arc::new(Shown(Arc::clone(&shadow)));
    let gateway = Gateway::new(front, forwarder, routing, false);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits { max_connections: 100, drain: Duration::from_secs(1) };
    tasks.spawn(server::run(listener, gateway, Shutdown::default(), limits));
    (address, shadow)
}

#[rstest]
#[case(Trouble::Panics)]
#[case(Trouble::Hangs)]
#[case(Trouble::Blocks)]
#[case(Trouble::Fills)]
#[case(Trouble::Mute)]
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_streams_pass_as_they_are(#[case] trouble: Trouble) {
    let seed: u64 =
        std::env::var("CRS_TEST_SEED").map_or_else(|_| rand::random(), |s| s.parse().unwrap());
    eprintln!("CRS_TEST_SEED={seed}");
    let mut tasks = JoinSet::new();
    let node = Arc::new(Node::start().await);
    let folder = scratch("passthrough").unwrap();
    let (address, shadow) = gateway(&node, trouble, &folder, &mut tasks).await;
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let node = Arc::clone(&node);
        clients.spawn(async move {
            let mut rng = StdRng::seed_from_u64(seed ^ (client << 32));
            let mut wire = Wire::connect(address.port()).await;
            for n in 0..EACH {
                let (name, path) = (format!("{client}-{n}"), Some("/api/v1/messages"));
                exchange(&node, &mut wire, &mut rng, &name, path).await;
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    // Every request is accounted for: dropped with a reason, or taken in.
    let dropped = || shadow.tally().dropped.values().sum::<u64>();
    let count = |why: &str| shadow.tally().dropped.get(why).copied().unwrap_or(0);
    until("all to be accounted for", async || dropped() + shadow.status().waiting as u64 == ALL)
        .await;
    let (status, tally) = (shadow.status(), shadow.tally());
    assert_eq!(tally.observations, 0);
    // A tap that says nothing is not waited for without end.
    assert!(status.done == 0 || trouble == Trouble::Mute, "{}", status.done);
    match trouble {
        Trouble::Panics => {
            until("the last panic", async || shadow.status().waiting == 0).await;
            let (panics, full) = (shadow.status().panics, count("queue full"));
            assert_eq!((count("second run panicked"), panics + full), (panics, ALL));
            assert!(panics > 0);
            assert_eq!(shadow.status().bytes, 0);
        }
        Trouble::Hangs => {
            assert_eq!((count("queue full"), status.waiting as u64), (ALL - TAKEN, TAKEN));
        }
        Trouble::Mute => {
            assert!(count("queue full") >= ALL - TAKEN - status.done, "{:?}", tally.dropped);
        }
        // One that blocks leaves no others to be begun.
        Trouble::Blocks => {
            assert!(count("queue full") >= ALL - TAKEN, "{:?}", tally.dropped);
        }
        Trouble::Fills => {
            assert!(count("memory full") > ALL / 2, "{:?}", tally.dropped);
            assert!(status.bytes <= 200_000, "{}", status.bytes);
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}
