//! The shadow side of a sidecar: its tap, its second runs on threads of their own, and what it keeps.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use compat::{
    clock::Clock,
    crypto::{Service, Vault},
    store::{RedisConfig, RedisStore, Store},
};
use sha2::{Digest, Sha256};
use shadow::{
    Rules, Tally, Verdict,
    capture::{Capture, Sealer},
    sample::SampleSettings,
};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use super::{App, candidate::SecondRuns, settings};
use crate::sidecar::{
    shadow::{Seals, Shadow, ShadowParts, Shelf, ShelfLimits, again, records::Records},
    tap::{Tap, TapSettings},
};
use crate::{billing::PriceBook, config::Config, domain::Secret, relay::Instructions};

/// Longest wait for what second runs read.
const READ_PATIENCE: Duration = Duration::from_secs(10);

/// The shadow side, ready to run.
pub(super) struct Beside {
    /// What requests are shown to.
    pub shadow: Arc<Shadow>,
    tap: Arc<Tap>,
    store: Arc<RedisStore>,
    instance: String,
    /// How often what was counted is written to Redis.
    publish: Duration,
}

impl Beside {
    /// Puts it together; nothing runs yet.
    ///
    /// # Errors
    /// When rules cannot be read or Redis settings cannot be used.
    pub(super) fn new(app: &App) -> anyhow::Result<Self> {
        let config = &app.config;
        let data = &config.service.data_dir;
        // A connection of its own, so that second runs cannot hold up requests. Nobody waits for its
        // replies, and a read that was given up is a request that cannot be compared.
        let redis = RedisConfig { timeout: READ_PATIENCE, ..settings::redis_config(config) };
        let store = Arc::new(RedisStore::open(&redis).context("Redis settings")?);
        let tap = Tap::new(
            config.sidecar.tap_socket.clone(),
            TapSettings::default(),
            config.sidecar.shadow_room,
        );
        let sealer = Sealer::new(config.security.encryption_key.expose())
            .map_err(|error| tracing::warn!(%error, "Cases are not captured"))
            .ok();
        let candidate = SecondRuns::start(
            Arc::clone(config),
            Arc::clone(app.billing.price_book()),
            app.relay.instructions.for_second_runs(),
        )?;
        let parts = ShadowParts {
            candidate: Arc::new(candidate),
            tap: Arc::clone(&tap),
            store: Arc::clone(&store) as Arc<dyn Store>,
            rules: rules(data)?,
            shelf: shelf(data),
            seals: Arc::new(Stored(settings::vault(&config.security))),
            sealer,
            sample: SampleSettings { enabled: true, ..SampleSettings::default() },
            duty_percent: config.sidecar.shadow_duty_percent,
            room: config.sidecar.shadow_room,
            clock: Clock::system(),
        };
        let shadow = Shadow::new(parts, Tally::default());
        Ok(Self {
            shadow,
            tap,
            store,
            instance: config.service.instance.clone(),
            publish: config.sidecar.shadow_publish,
        })
    }

    /// Runs until `ending` on a thread of its own: whatever a second run does, requests are not behind it.
    /// The tap's socket is a successor's from `stop` on.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(
        self,
        stop: CancellationToken,
        ending: CancellationToken,
    ) -> anyhow::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("shadow".to_owned()).spawn(move || {
            runtime.block_on(async {
                let Self { shadow, tap, store, instance, publish: pause } = self;
                let mut records = Records::new(store, instance);
                if let Err(error) = records.resume(&shadow).await {
                    tracing::warn!(%error, "What was counted before is not known");
                }
                let publishing = async {
                    loop {
                        tokio::time::sleep(pause).await;
                        publish(&shadow, &mut records).await;
                    }
                };
                let listening = async {
                    tap.listen(stop.clone()).await;
                    std::future::pending::<()>().await;
                };
                tokio::select! {
                    () = Arc::clone(&shadow).run(ending.clone()) => {}
                    () = publishing => {}
                    () = listening => {}
                }
                publish(&shadow, &mut records).await;
            });
        })?;
        Ok(())
    }
}

/// The legacy service's encryption.
struct Stored(Vault);

impl Seals for Stored {
    fn fingerprint(&self, key: &str, text: &str) -> Option<String> {
        // `iv:ciphertext`, both in hex.
        let (iv, cipher) = text.split_once(':')?;
        let hex = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_hexdigit());
        if iv.len() != 32 || !hex(iv) || !hex(cipher) {
            return None;
        }
        let service = match key.split(':').next()? {
            "claude" => Service::Claude,
            "claude_console_account" => Service::ClaudeConsole,
            "ccr_account" => Service::Ccr,
            "openai" => Service::OpenAi,
            "openai_responses_account" => Service::OpenAiResponses,
            "azure_openai" => Service::AzureOpenAi,
            _ => return None,
        };
        let opened = self.0.decrypt(service, text).text;
        let digest = Sha256::digest(opened.as_bytes());
        Some(format!("sealed:{}", hex::encode(&digest[..8])))
    }
}

/// Built-in rules and the operator's own.
pub fn rules(data: &Path) -> anyhow::Result<Rules> {
    let own = data.join("crs").join("rules");
    if own.is_dir() {
        Rules::with_directory(&own).context("rules of shadow comparison")
    } else {
        Rules::built_in().context("rules of shadow comparison")
    }
}

/// Does captured cases again.
pub struct Again {
    runs: SecondRuns,
    stored: Stored,
    rules: Rules,
    encryption_key: Secret,
    key_prefix: String,
}

impl Again {
    /// On the settings and prices of this folder.
    ///
    /// # Errors
    /// When rules cannot be read or the thread cannot be started.
    pub fn new(config: Config) -> anyhow::Result<Self> {
        let prices = Arc::new(PriceBook::open(&config.service.data_dir));
        let encryption_key = config.security.encryption_key.clone();
        let key_prefix = config.security.api_key_prefix.clone();
        let file = config.openai.instructions_file.as_deref();
        let instructions = Instructions::of_files(file, &config.service.data_dir);
        Ok(Self {
            rules: rules(&config.service.data_dir)?,
            stored: Stored(settings::vault(&config.security)),
            runs: SecondRuns::start(Arc::new(config), prices, instructions)?,
            encryption_key,
            key_prefix,
        })
    }

    /// One case, judged anew.
    ///
    /// # Errors
    /// When the case cannot be done again.
    pub async fn run(&self, case: Capture) -> Result<Verdict, String> {
        let key = self.encryption_key.expose();
        again(case, &self.runs, &self.stored, &self.rules, key, &self.key_prefix).await
    }
}

/// Where captured cases lie.
pub fn shelf(data: &Path) -> Shelf {
    Shelf::new(data.join("crs").join("shadow"), ShelfLimits::default())
}

async fn publish(shadow: &Shadow, records: &mut Records) {
    let status = shadow.status();
    metrics::gauge!("crs_shadow_queue").set(status.waiting as f64);
    metrics::gauge!("crs_shadow_queue_bytes").set(status.bytes as f64);
    metrics::gauge!("crs_shadow_lag_seconds").set(status.lag_ms as f64 / 1000.0);
    metrics::gauge!("crs_shadow_taps").set(status.taps as f64);
    if let Err(error) = records.publish(shadow).await {
        tracing::debug!(%error, "what was counted is not in Redis yet");
    }
}
