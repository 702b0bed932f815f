//! What answers clients: the own front alone, or the gateway with the legacy service behind it.

use std::{pin::Pin, sync::Arc, time::Instant};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{App, AppState, beside::Beside, steering::Steering};
use crate::{
    api::{
        middleware::Front,
        server::{self, Limits, Shutdown},
        service::{Facts, OwnHealth},
    },
    rollout::Rollout,
    sidecar::{forward::Forwarder, gateway::Gateway, routing::Routing, shadow::Shadow, standing},
};

/// The legacy service, while it is there.
#[derive(Clone)]
struct Legacy {
    forwarder: Arc<Forwarder>,
    routing: Arc<dyn Routing>,
}

/// What clients come in by.
pub(super) struct Doors {
    legacy: Option<Legacy>,
    trust_proxy: bool,
    beside: Mutex<Option<Beside>>,
}

impl Doors {
    pub fn new(app: &App, rollout: &Arc<Rollout>) -> anyhow::Result<Self> {
        let config = &app.config;
        let trust_proxy = config.server.trust_proxy;
        let mut beside = None;
        let legacy = match Forwarder::new(&config.sidecar, trust_proxy) {
            None => None,
            Some(forwarder) => {
                let second = Beside::new(app)?;
                let routing = Arc::new(Steering {
                    rollout: Arc::clone(rollout),
                    shadow: Arc::clone(&second.shadow),
                });
                beside = Some(second);
                let told = Arc::clone(&routing);
                let forwarder = forwarder
                    .telling(Arc::new(move |first_byte| told.answered(false, false, first_byte)));
                Some(Legacy { forwarder: Arc::new(forwarder), routing })
            }
        };
        if let Some(url) = &config.sidecar.legacy_url {
            tracing::info!("Forwarding to the legacy service at {}", url.text());
            tracing::info!(
                "The legacy service must run with TRUST_PROXY=true to see its clients' addresses; \
                 TRUST_PROXY={trust_proxy} here says whether a proxy in front of crs is believed"
            );
        }
        Ok(Self { legacy, trust_proxy, beside: Mutex::new(beside) })
    }

    /// What does requests again, while there is a legacy service.
    pub fn shadow(&self) -> Option<Arc<Shadow>> {
        self.beside.lock().as_ref().map(|beside| Arc::clone(&beside.shadow))
    }

    /// Starts what works beside the requests.
    pub fn start(
        &self,
        stop: &CancellationToken,
        ending: &CancellationToken,
    ) -> anyhow::Result<()> {
        match self.beside.lock().take() {
            Some(beside) => beside.start(stop.clone(), ending.clone()),
            None => Ok(()),
        }
    }

    pub fn health(&self, app: &AppState) -> Health {
        Health { app: Arc::clone(app), legacy: self.legacy.clone(), started: Instant::now() }
    }

    /// Serves until `shutdown.stop`, then drains.
    pub fn serve(
        &self,
        listener: TcpListener,
        front: Front,
        shutdown: Shutdown,
        limits: Limits,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        match self.legacy.clone() {
            None => Box::pin(server::run(listener, front, shutdown, limits)),
            Some(Legacy { forwarder, routing }) => {
                let gateway = Gateway::new(front, forwarder, routing, self.trust_proxy);
                Box::pin(server::run(listener, gateway, shutdown, limits))
            }
        }
    }
}

/// Answers `/crs/health`.
pub(super) struct Health {
    app: AppState,
    legacy: Option<Legacy>,
    started: Instant,
}

impl Health {
    async fn own(&self) -> (bool, Value) {
        let (well, redis) = match self.app.redis_latency_ms().await {
            Ok(ms) => (true, json!({ "connected": true, "latencyMs": ms as u64 })),
            Err(error) => (false, json!({ "connected": false, "error": error })),
        };
        let warnings = self.app.warnings();
        let shown = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "uptime": self.started.elapsed().as_secs_f64(),
            "redis": redis,
            "warnings": warnings,
        });
        (well, shown)
    }
}

impl OwnHealth for Health {
    fn report(&self) -> BoxFuture<'_, (bool, Value)> {
        Box::pin(async {
            let Some(legacy) = &self.legacy else {
                let (well, own) = self.own().await;
                let status = if well { "healthy" } else { "degraded" };
                let shown =
                    json!({ "status": status, "phase": "standalone", "crs": own, "legacy": null });
                return (true, shown);
            };
            let ((well, own), node) = tokio::join!(self.own(), standing::ask(&legacy.forwarder));
            let status = match (node.is_up(), well) {
                (false, _) => "unhealthy",
                (true, false) => "degraded",
                (true, true) => "healthy",
            };
            let shown = json!({
                "status": status,
                "phase": legacy.routing.phase(),
                "crs": own,
                "legacy": node.to_json(),
            });
            (node.is_up(), shown)
        })
    }
}
