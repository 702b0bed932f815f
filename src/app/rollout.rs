//! The rollout of this process: its parts put together, and its services.

use std::sync::Arc;

use compat::store::RedisStore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    App, AppState,
    evidence::{ServedKinds, ShadowEvidence},
    settings,
};
use crate::{
    api::admin::crs::CrsAdmin,
    identity::Admins,
    rollout::{
        ControlSocket, Desk, InstanceFacts, KeyDirectory, LogAlarm, Rollout, Vitals, Watcher,
        socket_path,
    },
};

/// What the endpoints and the services of the rollout share.
pub(super) struct RolloutParts {
    /// For the endpoints; `rollout` in it is what decides about requests.
    pub admin: CrsAdmin,
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
    let rollout = Rollout::new(
        &config.service.data_dir,
        legacy,
        keys,
        Some(Arc::new(ServedKinds { pool: Arc::clone(&app.pool) })),
    );
    let evidence = Arc::new(ShadowEvidence { store: Arc::clone(&store) as _ });
    let desk = Desk::new(Arc::clone(&store) as _, app.clock.clone(), evidence);
    Ok(RolloutParts {
        admin: CrsAdmin {
            admins: Arc::new(Admins::new(Arc::clone(&app.hot), app.clock.clone())),
            rollout: Arc::new(rollout),
            desk: Arc::new(desk),
            instance: InstanceFacts::of_this_process(&config.service.instance, address, &app.clock),
        },
        store,
    })
}

impl RolloutParts {
    /// Starts the services. They go on while streams are drained, but for the control socket: from `stop`
    /// on it is a successor's.
    pub(super) fn start(
        &self,
        app: &AppState,
        services: &mut JoinSet<()>,
        stop: &CancellationToken,
        ending: &CancellationToken,
    ) {
        let CrsAdmin { rollout, desk, instance, .. } = self.admin.clone();
        let watcher = Watcher {
            rollout: Arc::clone(&rollout),
            desk: Arc::clone(&desk),
            store: Arc::clone(&self.store) as _,
            clock: app.clock.clone(),
            instance: instance.clone(),
            vitals: Arc::clone(app) as _,
            alarm: Arc::new(LogAlarm),
        };
        services.spawn(watcher.run(ending.clone()));
        let socket = ControlSocket { rollout, desk, instance, clock: app.clock.clone() };
        let path = socket_path(&app.config.service.data_dir);
        let (stop, ending) = (stop.clone(), ending.clone());
        services.spawn(async move {
            socket.run(path, stop).await;
            ending.cancelled().await;
        });
    }
}
