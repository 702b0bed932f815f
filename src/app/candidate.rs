//! The same service on other ports: what `crs` would have done, without effects.
//!
//! Each run gets services of its own over a database in memory and a sender that replays, so nothing of
//! one run is seen by another. It is served over HTTP like a real client, so that the answer is compared
//! as it would stand on the wire.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use compat::{
    keys,
    memory::Memory,
    store::Store,
    usage::{Books, ScratchBooks},
};
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use metrics::NoopRecorder;
use tokio::{
    runtime::Builder,
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::subscriber::NoSubscriber;

use super::{
    assembly::{Ports, assemble},
    front_settings, settings,
};
use crate::{
    api::{
        middleware::Front,
        router::router,
        server::{Activity, exchanges},
        service::{Exposition, Facts, NoHealth, ServiceState},
    },
    billing::PriceBook,
    config::Config,
    logs::LogStats,
    relay::Instructions,
    sidecar::shadow::{Candidate, Case, Run, SeenRequest, SeenResponse, move_to},
    upstream::{
        Sender,
        replay::{Pace, ReplayingSender},
    },
};

/// Longest a run may take to its last byte, and again to settle.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the answer may be ahead of its reader.
const PIPE: usize = 256 * 1024;

/// Second runs at a time; further ones wait.
const AT_ONCE: usize = 8;

/// Does requests again, on a thread that logs and counts nothing: what a second run says of itself must
/// not be taken for the service's own doing. If that thread hangs, nobody else does.
pub(super) struct SecondRuns {
    cases: mpsc::Sender<(Case, oneshot::Sender<Run>)>,
}

impl SecondRuns {
    /// Starts the thread; it ends when this is dropped.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(
        config: Arc<Config>,
        prices: Arc<PriceBook>,
        instructions: Instructions,
    ) -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let version = config.server.version.as_str().into();
        let service = Arc::new(ScratchService { config, prices, instructions, version });
        let (cases, waiting) = mpsc::channel(1);
        std::thread::Builder::new().name("second-runs".to_owned()).spawn(move || {
            let _unheard = tracing::subscriber::set_default(NoSubscriber::default());
            let _uncounted = metrics::set_default_local_recorder(&NoopRecorder);
            runtime.block_on(service.serve_all(waiting));
        })?;
        Ok(Self { cases })
    }
}

impl Candidate for SecondRuns {
    fn run(&self, case: Case) -> BoxFuture<'_, Run> {
        Box::pin(async {
            let (done, run) = oneshot::channel();
            let lost =
                || Run { gaps: vec!["the second run was lost".to_owned()], ..Run::default() };
            if self.cases.send((case, done)).await.is_err() {
                return lost();
            }
            run.await.unwrap_or_else(|_| lost())
        })
    }
}

/// Services made for one run each.
struct ScratchService {
    config: Arc<Config>,
    prices: Arc<PriceBook>,
    instructions: Instructions,
    version: Arc<str>,
}

impl ScratchService {
    async fn serve_all(self: Arc<Self>, mut waiting: mpsc::Receiver<(Case, oneshot::Sender<Run>)>) {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = running.join_next() => {}
                case = waiting.recv(), if running.len() < AT_ONCE => {
                    let Some((case, done)) = case else { return };
                    let service = Arc::clone(&self);
                    running.spawn(async move {
                        // Nobody may wait any more.
                        let _ = done.send(service.serve(case).await);
                    });
                }
            }
        }
    }

    async fn serve(&self, case: Case) -> Run {
        let Case { request, recorded, base, leaves_after, clock } = case;
        let memory = Arc::new(Memory::new(base, clock.clone()).writing_late());
        let store: Arc<dyn Store> = Arc::clone(&memory) as Arc<dyn Store>;
        let pace: Pace = {
            let clock = clock.clone();
            Arc::new(move |at_ms| move_to(&clock, at_ms))
        };
        let around = settings::surrounding_proxies(&self.config);
        let sender = Arc::new(ReplayingSender::new(recorded, pace, around));
        let usage = settings::usage_settings(&self.config);
        let books = Arc::new(ScratchBooks::new(usage, Arc::clone(&store)));
        let ports = Ports {
            hot: Arc::clone(&store),
            bulk: store,
            redis: None,
            sender: Arc::clone(&sender) as Arc<dyn Sender>,
            clock: clock.clone(),
            books: Arc::clone(&books) as Arc<dyn Books>,
            prices: Arc::clone(&self.prices),
            instructions: Some(self.instructions.for_second_runs()),
            notifier: None,
        };
        let cut = CancellationToken::new();
        let (app, loops) = assemble(Arc::clone(&self.config), ports, cut.clone());
        let state = ServiceState {
            facts: Arc::clone(&app) as Arc<dyn Facts>,
            log_stats: Arc::new(LogStats::default()),
            version: Arc::clone(&self.version),
            started: Instant::now(),
            exposition: Exposition::new(String::new),
            own_health: Arc::new(NoHealth),
        };
        let front =
            Front::new(front_settings(&self.config, clock), router(Arc::clone(&app), state, None));
        let mut services = JoinSet::new();
        let ending = CancellationToken::new();
        loops.start(&mut services, &ending);
        let mut run = Run::default();
        let asked = tokio::time::timeout(PATIENCE, ask(front, &request, leaves_after)).await;
        match asked {
            Ok(Ok(response)) => run.response = Some(response),
            Ok(Err(why)) => run.gaps.push(why),
            Err(_) => run.gaps.push("the second run gave no whole answer in time".to_owned()),
        }
        // In the order in which a service ends, so that everything is written down.
        app.relay.tasks.close();
        let settled = async {
            app.relay.tasks.wait().await;
            app.relay.accounts.drain().await;
            books.flushed().await;
            ending.cancel();
            while services.join_next().await.is_some() {}
        };
        if tokio::time::timeout(PATIENCE, settled).await.is_err() {
            cut.cancel();
            run.gaps.push("the second run did not settle in time".to_owned());
        }
        run.explained = app.relay.trails.last();
        run.sent = sender.sent();
        run.changes = memory.changes();
        run.keys = memory.loaded();
        let ids: Vec<&str> =
            run.keys.iter().filter_map(|key| key.strip_prefix("apikey:")).collect();
        run.base = memory.snapshot(keys::API_KEY_MAP, |_, id| ids.contains(&id));
        let unknown = memory.unsupported().into_keys();
        let unread = memory.failure();
        run.unread = unread.map(|error| format!("the database could not be read: {error}"));
        run.gaps.extend(unknown.map(|name| format!("the command {name} is not known here")));
        run
    }
}

/// Asks a front as a client would, over a connection in memory.
async fn ask(
    front: Front,
    seen: &SeenRequest,
    leaves_after: Option<usize>,
) -> Result<SeenResponse, String> {
    let request = request(seen)?;
    let (client, server) = tokio::io::duplex(PIPE);
    let activity = Arc::new(Activity::begin());
    let stop = CancellationToken::new();
    let serving = exchanges(server, &activity, &stop, |request, closing| {
        let front = front.clone();
        async move { front.handle(request, &seen.peer, closing).await }
    });
    let asking = async {
        let text = |error: hyper::Error| format!("the second run broke off: {error}");
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_headers(512)
            .handshake(TokioIo::new(client))
            .await
            .map_err(text)?;
        let started = Instant::now();
        let exchange = async move {
            let response = sender.send_request(request).await.map_err(text)?;
            read(response, leaves_after, started).await
        };
        tokio::select! {
            answered = exchange => answered,
            Err(error) = connection => Err(text(error)),
        }
    };
    let (mut serving, mut asking) = (std::pin::pin!(serving), std::pin::pin!(asking));
    tokio::select! {
        answered = &mut asking => {
            // The client has closed; what serves it notices.
            let _ = tokio::time::timeout(Duration::from_secs(1), &mut serving).await;
            answered
        }
        // As a request with `Connection: close` wants it. The rest of the answer lies in the pipe, and
        // after it the end.
        () = &mut serving => asking.await,
    }
}

fn request(seen: &SeenRequest) -> Result<http::Request<Full<Bytes>>, String> {
    // How the body was framed is the connection's own matter.
    const FRAMING: [&str; 3] = ["content-length", "transfer-encoding", "expect"];
    let mut request =
        http::Request::builder().method(seen.method.as_str()).uri(seen.target.as_str());
    for (name, value) in &seen.headers {
        if FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing)) {
            continue;
        }
        let value: Vec<u8> =
            value.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
        request = request.header(name.as_str(), value);
    }
    request.body(Full::new(seen.body.clone())).map_err(|error| format!("the request: {error}"))
}

async fn read(
    response: http::Response<hyper::body::Incoming>,
    leaves_after: Option<usize>,
    started: Instant,
) -> Result<SeenResponse, String> {
    let micros = || u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let ttfb_us = micros();
    let (head, mut body) = response.into_parts();
    let headers = head.headers.iter().map(|(name, value)| {
        let value = value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
        (name.as_str().to_owned(), value)
    });
    let headers = headers.collect();
    let mut whole = Vec::new();
    let mut complete = true;
    loop {
        if leaves_after.is_some_and(|most| whole.len() >= most) {
            complete = false;
            break;
        }
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    whole.extend_from_slice(&data);
                }
            }
            Some(Err(_)) => {
                complete = false;
                break;
            }
            None => break,
        }
    }
    Ok(SeenResponse {
        status: head.status.as_u16(),
        headers,
        body: whole.into(),
        complete,
        ttfb_us,
        total_us: micros(),
    })
}
