//! From the operator's settings to each room's own.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use compat::{
    clock::{Clock, LocalCalendar},
    cooldown::CooldownTimes,
    crypto::Vault,
    sticky::StickyTtl,
    store::Store,
    usage::{Ledger, LedgerConfig, UsageSettings},
};
use jiff::tz::TimeZone;

use crate::{
    accounts::AccountRules,
    config::{BedrockConfig, Config, SecurityConfig},
    domain::Secret,
    keys::{ClaudeCodeRules, KeySettings},
    notify::{Locale, Postman, refuses_link_local},
    platform::bedrock,
    relay::{AfterClient, RelaySettings},
    schedule::Rules,
    upstream::{HttpSender, SenderSettings, SurroundingProxies, Unusable, host_map::HostMap},
    wire::anthropic::{UserId, prompt_similarity},
};

/// Pause before a vendor's 403 is tried again, fixed in the legacy service.
const FORBIDDEN_PAUSE: Duration = Duration::from_secs(2);
/// How long and how far a reply is read on after its client left.
const AFTER_CLIENT: AfterClient = AfterClient { time: Duration::from_secs(5), bytes: 1 << 20 };

pub(super) fn usage_settings(config: &Config) -> UsageSettings {
    UsageSettings {
        calendar: LocalCalendar::new(i64::from(config.time.offset_hours)),
        metrics_window_minutes: signed(config.limits.metrics_window_minutes),
        billing_events: config.limits.billing_events,
    }
}

pub(super) fn open_ledger(config: &Config, store: Arc<dyn Store>) -> anyhow::Result<Ledger> {
    let journal = LedgerConfig {
        name: config.service.instance.clone(),
        window: config.service.flush_window,
        ..LedgerConfig::new(journal_dir(&config.service.data_dir))
    };
    Ok(Ledger::open(journal, usage_settings(config), store)?)
}

fn journal_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("crs").join("journal")
}

/// Stored secrets of this installation.
pub fn vault(security: &SecurityConfig) -> Vault {
    let salt = security.azure_salt.as_ref().map(Secret::expose);
    Vault::with_azure_salt(security.encryption_key.expose(), salt)
}

/// How Redis is reached.
pub fn redis_config(config: &Config) -> compat::store::RedisConfig {
    let redis = &config.redis;
    compat::store::RedisConfig {
        host: redis.host.clone(),
        port: redis.port,
        password: redis.password.as_ref().map(|p| p.expose().to_owned()).unwrap_or_default(),
        db: i64::from(redis.db),
        tls: redis.tls,
        timeout: redis.timeout,
    }
}

/// What a command says when that Redis is not there.
pub fn no_redis(config: &Config) -> String {
    format!(
        "Redis at {}:{} does not answer (REDIS_HOST and REDIS_PORT of the .env in this folder, which should be \
         that of the service)",
        config.redis.host, config.redis.port
    )
}

pub(super) fn key_settings(config: &Config, calendar: LocalCalendar) -> KeySettings {
    let minutes = config.limits.concurrency_max_lifetime.as_secs() / 60;
    KeySettings {
        prefix: config.security.api_key_prefix.clone(),
        encryption_key: config.security.encryption_key.clone(),
        calendar,
        process_zone: process_zone(config),
        slot_lifetime_minutes: signed(minutes),
    }
}

/// Zone of scheduled account tests.
pub(super) fn schedule_zone(config: &Config) -> TimeZone {
    let name = config.time.process_zone.as_deref().unwrap_or("Asia/Shanghai");
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

fn process_zone(config: &Config) -> TimeZone {
    let zone = config.time.process_zone.as_deref();
    zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(TimeZone::system)
}

pub(super) fn account_rules(config: &Config) -> AccountRules {
    let seconds = &config.cooldown;
    AccountRules {
        cooldowns: CooldownTimes {
            service_unavailable: signed(seconds.service_unavailable),
            server_error: signed(seconds.server_error),
            overload: signed(seconds.overload),
            auth_error: signed(seconds.auth_error),
            timeout: signed(seconds.timeout),
            max_custom: signed(seconds.max_custom),
            ..CooldownTimes::default()
        },
        warnings_per_window: i64::from(config.claude.five_hour_warning_limit),
        console_block_minutes: i64::from(config.claude.console_blocked_minutes),
        zone: process_zone(config),
        request_timeout: config.claude.request_timeout,
        surroundings: Some(config.bedrock.surroundings.clone()),
    }
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn claude_code_rules(config: &Config) -> ClaudeCodeRules {
    let threshold = config.clients.system_prompt_threshold;
    ClaudeCodeRules {
        min_prompt_matches: config.clients.min_system_prompt_matches as usize,
        prompt_matches: Box::new(move |text| prompt_similarity::reaches(text, threshold)),
        user_id_is_valid: Box::new(|text| UserId::parse(text).is_some()),
    }
}

/// The environment's proxies.
pub fn surrounding_proxies(config: &Config) -> SurroundingProxies {
    let named = config.upstream.proxies.clone();
    SurroundingProxies {
        http: named.http,
        https: named.https,
        all: named.all,
        except: named.except,
    }
}

pub(super) fn sender_settings(config: &Config) -> anyhow::Result<SenderSettings> {
    let defaults = SenderSettings::default();
    let proxy = &config.proxy;
    let surroundings = surrounding_proxies(config);
    if let Some(Unusable(name)) = surroundings.unusable() {
        tracing::warn!("{name} names no proxy of a known kind; requests that it is for fail");
    }
    let host_map = match &config.upstream.host_map {
        Some(text) => HostMap::parse(text).context("UPSTREAM_HOST_MAP")?,
        None => HostMap::default(),
    };
    Ok(SenderSettings {
        host_map,
        extra_roots: config.upstream.extra_roots.clone(),
        max_connections: proxy.direct_stream_sockets as usize,
        max_idle: proxy.direct_free_sockets as usize,
        idle_keep: proxy.direct_idle_timeout,
        proxy_keep_alive: proxy.keep_alive,
        proxy_max_idle: proxy.max_free_sockets.map_or(defaults.proxy_max_idle, |n| n as usize),
        proxy_ipv4: proxy.use_ipv4,
        surroundings,
        connect_timeout: defaults.connect_timeout,
        refused: None,
    })
}

/// Delivers notices, over connections of their own: what operators typed in is guarded, vendors are not.
///
/// # Errors
/// When hosts cannot be mapped or trust roots not be read.
pub fn postman(config: &Config) -> anyhow::Result<Postman> {
    let guard: fn(IpAddr) -> Option<&'static str> = refuses_link_local;
    let refused = Some(guard).filter(|_| !config.notify.allow_link_local);
    let settings = SenderSettings { refused, ..sender_settings(config)? };
    let sender = Arc::new(HttpSender::new(settings)?);
    Ok(Postman {
        mailer: Arc::clone(&sender) as _,
        sender,
        clock: Clock::system(),
        locale: Locale::new(config.time.offset_hours, &config.time.zone_name),
        refused,
    })
}

pub(super) fn scheduling_rules(config: &Config) -> Rules {
    let sticky = &config.sticky;
    Rules {
        dedicated_fallback: config.claude.dedicated_account_fallback,
        console_block_minutes: i64::from(config.claude.console_blocked_minutes),
        sticky: StickyTtl::new(sticky.ttl_hours, sticky.renewal_threshold_minutes),
        surroundings: config.bedrock.surroundings.named,
        collation: config.service.collation.clone(),
    }
}

pub(super) fn relay_settings(config: &Config) -> RelaySettings {
    RelaySettings {
        request_timeout: config.claude.request_timeout,
        proxy_keep_alive: config.proxy.keep_alive,
        api_version: config.claude.api_version.clone(),
        after_client: AFTER_CLIENT,
        forbidden_pause: FORBIDDEN_PAUSE,
        bedrock: bedrock_settings(&config.bedrock),
        azure_exact_usage: config.limits.azure_exact_usage,
    }
}

pub(super) fn bedrock_settings(config: &BedrockConfig) -> bedrock::Settings {
    let from = &config.surroundings;
    let key = from.access_key_id.clone().zip(from.secret_access_key.clone());
    bedrock::Settings {
        region: config.region.clone(),
        small_model_region: config.small_model_region.clone(),
        default_model: config.default_model.clone(),
        max_tokens: config.max_tokens,
        access_key: key.map(|(id, secret)| bedrock::AccessKey {
            id,
            secret,
            session_token: from.session_token.clone(),
        }),
        bearer: from.bearer_token.clone(),
        max_attempts: config.max_attempts,
        adaptive: config.adaptive,
        endpoints: bedrock::Endpoints {
            base: config.endpoint_url.clone(),
            fips: config.fips,
            dual_stack: config.dual_stack,
        },
    }
}
