//! Credentials that the surroundings give to Bedrock accounts without their own: AWS's "default
//! credentials". Environment, the profile of the shared files, a token for a role, the container's agent
//! and the machine are tried in this order, as AWS's client library for Node does.
//!
//! Only what is needed is asked for, and only when a request needs it: nothing here runs beside requests
//! or in second runs.

mod fetch;
mod sign_on;
#[cfg(test)]
mod tests;
mod way;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicI64},
};

use compat::clock::Clock;
use parking_lot::Mutex;

use self::way::{Start, Way};
use crate::{
    config::{AwsSurroundings, DEFAULT_PROFILE},
    platform::bedrock::{
        AccessKey, Credentials,
        documents::Lease,
        roles::{Applicant, Role},
    },
    upstream::Sender,
};

/// Credentials are fetched anew this long before they end.
const BEFORE_END_MS: i64 = 300_000;
/// How long keys that stand in a file are believed, since they may be changed there.
const FILE_MS: i64 = 60_000;
/// How long a failure is believed, so that it does not hold up every request.
const FAILURE_MS: i64 = 10_000;

/// What the surroundings give, remembered while it is good.
pub(crate) struct Ambient {
    from: AwsSurroundings,
    sender: Arc<dyn Sender>,
    clock: Clock,
    held: Mutex<Held>,
    /// One search at a time.
    search: tokio::sync::Mutex<()>,
    /// When a token of single sign-on was last renewed, or failed to be; epoch milliseconds.
    renewed_ms: AtomicI64,
}

#[derive(Default)]
struct Held {
    found: Option<Found>,
    failed: Option<(i64, Arc<AmbientError>)>,
}

#[derive(Clone)]
struct Found {
    key: AccessKey,
    /// When it is looked for anew; `None` for never.
    renew_ms: Option<i64>,
    ends_ms: Option<i64>,
}

/// Where credentials may be, in the order in which they are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Environment,
    Files,
    Token,
    Container,
    Machine,
}

impl Place {
    const ALL: [Self; 5] =
        [Self::Environment, Self::Files, Self::Token, Self::Container, Self::Machine];

    /// What messages call it.
    const fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Files => "shared files",
            Self::Token => "role by token",
            Self::Container => "container",
            Self::Machine => "machine",
        }
    }
}

/// What was tried, and why it gave nothing.
#[derive(Debug, Default)]
pub struct AmbientError(Vec<(Place, String)>);

impl fmt::Display for AmbientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AWS credentials were found nowhere")?;
        for (at, (place, why)) in self.0.iter().enumerate() {
            write!(f, "{} {}: {why}", if at == 0 { ":" } else { ";" }, place.name())?;
        }
        Ok(())
    }
}

/// A failure that ends the search, or one that leads to the next place.
#[derive(Debug)]
enum Miss {
    Next(String),
    End(String),
}

impl Ambient {
    pub(super) fn new(from: AwsSurroundings, sender: Arc<dyn Sender>, clock: Clock) -> Self {
        Self {
            from,
            sender,
            clock,
            held: Mutex::default(),
            search: tokio::sync::Mutex::default(),
            renewed_ms: AtomicI64::default(),
        }
    }

    /// Whether the environment has an access key.
    pub(super) fn has_keys(&self) -> bool {
        self.from.access_key_id.is_some() && self.from.secret_access_key.is_some()
    }

    /// Credentials that are good for five minutes more, or until they end if none are to be had.
    ///
    /// # Errors
    /// [`AmbientError`] when there are none.
    pub(super) async fn credentials(&self) -> Result<Credentials, Arc<AmbientError>> {
        if let Some(token) = &self.from.bearer_token {
            return Ok(Credentials::Bearer(token.clone()));
        }
        if let Some(known) = self.known() {
            return known.map(Credentials::AccessKey);
        }
        let _alone = self.search.lock().await;
        // Somebody else may have searched meanwhile.
        if let Some(known) = self.known() {
            return known.map(Credentials::AccessKey);
        }
        let searched = self.look().await;
        let now_ms = self.clock.now_ms();
        let mut held = self.held.lock();
        match searched {
            Ok(found) => {
                let key = found.key.clone();
                *held = Held { found: Some(found), failed: None };
                Ok(Credentials::AccessKey(key))
            }
            Err(error) => {
                let error = Arc::new(error);
                tracing::warn!(%error, "AWS credentials");
                held.failed = Some((now_ms + FAILURE_MS, error.clone()));
                match &held.found {
                    Some(old) if old.ends_ms.is_none_or(|ends| ends > now_ms) => {
                        Ok(Credentials::AccessKey(old.key.clone()))
                    }
                    _ => Err(error),
                }
            }
        }
    }

    /// What is known without a search; `None` when one is due.
    fn known(&self) -> Option<Result<AccessKey, Arc<AmbientError>>> {
        let now_ms = self.clock.now_ms();
        let held = self.held.lock();
        let found = held.found.as_ref();
        if let Some(found) = found.filter(|found| found.renew_ms.is_none_or(|at| at > now_ms)) {
            return Some(Ok(found.key.clone()));
        }
        let (until, error) = held.failed.as_ref()?;
        if *until <= now_ms {
            return None;
        }
        let usable = found.filter(|found| found.ends_ms.is_none_or(|ends| ends > now_ms));
        Some(usable.map_or_else(|| Err(error.clone()), |found| Ok(found.key.clone())))
    }

    async fn look(&self) -> Result<Found, AmbientError> {
        let mut tried = AmbientError::default();
        for place in Place::ALL {
            let asked = match place {
                Place::Environment => self.environment(),
                Place::Files => self.files().await,
                Place::Token => self.token().await,
                Place::Container => self.container().await.map(leased).map_err(Miss::Next),
                Place::Machine => self.metadata().await.map(leased).map_err(Miss::Next),
            };
            match asked {
                Ok(found) => {
                    let from = place.name();
                    tracing::info!(from, ends_ms = found.ends_ms, "AWS credentials found");
                    return Ok(found);
                }
                Err(Miss::Next(why)) => tried.0.push((place, why)),
                Err(Miss::End(why)) => {
                    tried.0.push((place, why));
                    break;
                }
            }
            // A container's agent stands for the machine that it runs on.
            if place == Place::Container && self.from.container_url.is_some() {
                break;
            }
        }
        Err(tried)
    }

    fn environment(&self) -> Result<Found, Miss> {
        if self.from.profile.is_some() {
            return Err(Miss::Next("passed over, since AWS_PROFILE is set".to_owned()));
        }
        self.keys().map(for_good).map_err(Miss::Next)
    }

    fn keys(&self) -> Result<AccessKey, String> {
        let missing = |name: &str| format!("{name} is not set");
        let id = self.from.access_key_id.clone().ok_or_else(|| missing("AWS_ACCESS_KEY_ID"))?;
        let secret = self.from.secret_access_key.clone();
        let secret = secret.ok_or_else(|| missing("AWS_SECRET_ACCESS_KEY"))?;
        Ok(AccessKey { id, secret, session_token: self.from.session_token.clone() })
    }

    async fn files(&self) -> Result<Found, Miss> {
        let profiles = self.from.files.read();
        let name = self.from.profile.as_deref().unwrap_or(DEFAULT_PROFILE);
        let Way { start, roles } = way::of_profile(&profiles, name)?;
        let mut found = match start {
            Start::Keys(key) => {
                let renew_ms = Some(self.clock.now_ms() + FILE_MS);
                Found { key, renew_ms, ends_ms: None }
            }
            Start::Token(file, role) => {
                leased(self.role_by_token(file.as_ref(), &role).await.map_err(Miss::End)?)
            }
            Start::Program(command) => leased(self.program(&command).await.map_err(Miss::Next)?),
            Start::SignOn(wanted) => leased(self.sign_on(&wanted).await.map_err(Miss::End)?),
            Start::Environment => for_good(self.keys().map_err(Miss::Next)?),
            Start::Container => leased(self.container().await.map_err(Miss::Next)?),
            Start::Metadata => leased(self.metadata().await.map_err(Miss::Next)?),
        };
        for role in &roles {
            let code = self.second_factor(role).await.map_err(Miss::End)?;
            let by = Applicant::Key(&found.key, code.as_ref());
            let lease = self.role(role, by).await;
            found = leased(lease.map_err(Miss::End)?);
        }
        Ok(found)
    }

    async fn token(&self) -> Result<Found, Miss> {
        let (Some(file), Some(arn)) = (&self.from.token_file, &self.from.role_arn) else {
            let names = "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not both set";
            return Err(Miss::Next(names.to_owned()));
        };
        let role = Role {
            arn: arn.clone(),
            session: self.from.role_session_name.clone(),
            external_id: None,
            seconds: None,
            second_factor: None,
            region: None,
        };
        self.role_by_token(file, &role).await.map(leased).map_err(Miss::End)
    }
}

fn for_good(key: AccessKey) -> Found {
    Found { key, renew_ms: None, ends_ms: None }
}

fn leased(lease: Lease) -> Found {
    let renew_ms = lease.ends_ms.map(|ends| ends - BEFORE_END_MS);
    Found { key: lease.key, renew_ms, ends_ms: lease.ends_ms }
}
