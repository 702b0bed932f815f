//! The rollout of this process: its parts put together, and its services.

use std::sync::Arc;

use compat::store::{RedisStore, Store};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{App, AppState, evidence::ShadowEvidence, herald::Herald, settings};
use crate::{
    api::admin::crs::{CrsAdmin, Showing},
    identity::Admins,
    rollout::{
        ControlSocket, Desk, Explainer, InstanceFacts, KeyDirectory, Rollout, Vitals, Watcher,
        socket_path,
    },
};

/// What the endpoints and the services of the rollout share.
pub(super) struct RolloutParts {
    /// What decides about requests.
    pub rollout: Arc<Rollout>,
    admins: Arc<Admins>,
    desk: Arc<Desk>,
    instance: InstanceFacts,
    store: Arc<RedisStore>,
}

impl Vitals for App {
    fn journal_backlog(&self) -> u64 {
        self.billing.books().status().backlog
    }

    fn redis_failures(&self) -> u64 {
        let of = |stores: &compat::store::RedisStores| {
            stores.hot.counters().failures + stores.bulk.counters().failures
        };
        self.redis.as_ref().map_or(0, of)
    }
}

/// Puts the parts together. `address` is where this instance listens.
pub(super) fn prepare(app: &AppState, address: String) -> anyhow::Result<RolloutParts> {
    let config = &app.config;
    // A connection of its own: neither load nor a slow batch delays a change of phase, and what fails
    // here does not count as a failure of requests.
    let store = Arc::new(RedisStore::open(&settings::redis_config(config))?);
    let keys = KeyDirectory::new(
        Arc::clone(&app.hot),
        app.clock.clone(),
        config.security.api_key_prefix.clone(),
        config.security.encryption_key.clone(),
    );
    let legacy = config.sidecar.legacy_url.is_some();
    let rollout = Rollout::new(&config.service.data_dir, legacy, keys, None);
    let evidence = Arc::new(ShadowEvidence { store: Arc::clone(&store) as _ });
    let desk = Desk::new(Arc::clone(&store) as _, app.clock.clone(), evidence);
    Ok(RolloutParts {
        rollout: Arc::new(rollout),
        admins: Arc::new(Admins::new(Arc::clone(&app.hot), app.clock.clone())),
        desk: Arc::new(desk),
        instance: InstanceFacts::of_this_process(&config.service.instance, address, &app.clock),
        store,
    })
}

impl RolloutParts {
    /// What the endpoints use.
    pub(super) fn admin(&self, showing: Arc<dyn Showing>) -> CrsAdmin {
        CrsAdmin {
            admins: Arc::clone(&self.admins),
            rollout: Arc::clone(&self.rollout),
            desk: Arc::clone(&self.desk),
            instance: self.instance.clone(),
            showing,
        }
    }

    /// A connection that requests do not wait behind.
    pub(super) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as _
    }

    /// Starts the services. They go on while streams are drained, but for the control socket: from `stop`
    /// on it is a successor's.
    pub(super) fn start(
        &self,
        app: &AppState,
        explainer: Arc<dyn Explainer>,
        services: &mut JoinSet<()>,
        stop: &CancellationToken,
        ending: &CancellationToken,
    ) {
        let (rollout, desk) = (Arc::clone(&self.rollout), Arc::clone(&self.desk));
        let instance = self.instance.clone();
        let watcher = Watcher {
            rollout: Arc::clone(&rollout),
            desk: Arc::clone(&desk),
            store: Arc::clone(&self.store) as _,
            clock: app.clock.clone(),
            instance: instance.clone(),
            vitals: Arc::clone(app) as _,
            alarm: Arc::new(Herald(app.notifier.clone())),
        };
        services.spawn(watcher.run(ending.clone()));
        let clock = app.clock.clone();
        let socket = ControlSocket { rollout, desk, instance, explainer, clock };
        let path = socket_path(&app.config.service.data_dir);
        let (stop, ending) = (stop.clone(), ending.clone());
        services.spawn(async move {
            socket.run(path, stop).await;
            ending.cancelled().await;
        });
    }
}
