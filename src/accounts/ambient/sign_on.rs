//! Single sign-on: the token that `aws sso login` left is renewed when it is about to end, and exchanged for
//! the credentials of a role. As in AWS's client library, a renewal that fails leaves the token as it is.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use http::Method;
use serde_json::Value;
use sha1::{Digest, Sha1};

use super::{
    Ambient,
    fetch::{ATTEMPTS, FAR_PATIENCE, PAUSE, Told, read},
    way::SignOn,
};
use crate::platform::{
    BuiltRequest,
    bedrock::{
        documents::{self, Lease},
        sign_on::{self, Token},
    },
};

/// Tokens are renewed this long before they end.
const BEFORE_END_MS: i64 = 300_000;
/// Least time between two renewals, also of one that failed.
const RENEWAL_MS: i64 = 30_000;

/// Longest lifetime of a token that is believed: 30 years.
const LONGEST_S: f64 = 1e9;

const LOG_IN: &str = "run `aws sso login`";

impl Ambient {
    /// Exchanges the token that `aws sso login` left for credentials.
    pub(super) async fn sign_on(&self, wanted: &SignOn) -> Result<Lease, String> {
        let name = hex::encode(Sha1::digest(&wanted.session));
        let file = self.from.sso_cache.join(format!("{name}.json"));
        let gone = || format!("no token of single sign-on in {}; {LOG_IN}", file.display());
        let stored = read(&file).map_err(|_| gone())?;
        let mut token = Token::read(stored.expose()).ok_or_else(gone)?;
        if wanted.renewable {
            token = self.renewed(token, wanted, &file).await?;
        }
        if ends_ms(&token).is_none_or(|ends| ends <= self.clock.now_ms()) {
            return Err(format!("the token of single sign-on has ended; {LOG_IN}"));
        }
        let base = self.from.sso_url.as_deref();
        let (region, account, role) = (&wanted.region, &wanted.account, &wanted.role);
        let built = sign_on::credentials(region, base, account, role, &token.bearer());
        let built = built.map_err(|error| error.to_string())?;
        let told = self.ask_far(Method::GET, &built).await?;
        match told.status {
            200 => documents::of_sign_on(&told.body),
            401 => Err(format!("the token of single sign-on was refused; {LOG_IN}")),
            status => Err(format!("single sign-on answered with status {status}")),
        }
    }

    /// The token, newer if it was about to end.
    async fn renewed(&self, token: Token, wanted: &SignOn, file: &Path) -> Result<Token, String> {
        let now_ms = self.clock.now_ms();
        if ends_ms(&token).is_some_and(|ends| ends - now_ms > BEFORE_END_MS) {
            return Ok(token);
        }
        if now_ms - self.renewed_ms.load(Ordering::Relaxed) < RENEWAL_MS {
            return Ok(token);
        }
        let Some(built) = token.renewal(&wanted.region, self.from.sso_oidc_url.as_deref()) else {
            return Err(format!(
                "the token of single sign-on is about to end and {} does not say how to renew it; {LOG_IN}",
                file.display()
            ));
        };
        self.renewed_ms.store(now_ms, Ordering::Relaxed);
        let answered = match built.map_err(|error| error.to_string()) {
            Ok(built) => self.ask_far(Method::POST, &built).await,
            Err(why) => Err(why),
        };
        match answered.and_then(|told| sign_on::renewal_answer(told.status, &told.body)) {
            Ok(answer) => {
                // Whole milliseconds.
                #[expect(clippy::cast_possible_truncation, reason = "clamped")]
                let ends_ms = now_ms + (answer.seconds.clamp(0.0, LONGEST_S) * 1000.0) as i64;
                let token = token.renewed(answer, compat::clock::iso(ends_ms));
                tracing::info!(ends_ms, "token of AWS single sign-on renewed");
                // It serves all the same; the next renewal may fail, since its refresh token is gone.
                if let Err(error) = keep(file, token.text().expose()) {
                    tracing::warn!(%error, file = %file.display(), "token of AWS single sign-on not kept");
                }
                Ok(token)
            }
            Err(why) => {
                tracing::warn!(%why, "token of AWS single sign-on not renewed");
                Ok(token)
            }
        }
    }

    async fn ask_far(&self, method: Method, built: &BuiltRequest) -> Result<Told, String> {
        let mut asked = Err(String::new());
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let (headers, body) = (built.headers.clone(), built.body.clone());
            asked = self.ask(method.clone(), &built.url, headers, body, FAR_PATIENCE).await;
            if asked.as_ref().is_ok_and(|told| told.status < 500 && told.status != 429) {
                break;
            }
        }
        asked
    }
}

/// When a token ends, epoch milliseconds; `None` when that cannot be read.
fn ends_ms(token: &Token) -> Option<i64> {
    match token.ends() {
        Value::String(text) => compat::js::date_ms(text),
        other => other.as_i64(),
    }
}

/// Writes the file whole and for its owner alone, so that nobody reads half of it and no crash loses it.
fn keep(file: &Path, text: &str) -> io::Result<()> {
    // A link leads to where the token is kept.
    let file = fs::canonicalize(file).unwrap_or_else(|_| PathBuf::from(file));
    let draft = file.with_extension(format!("json.{}", std::process::id()));
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&draft, &file));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}
