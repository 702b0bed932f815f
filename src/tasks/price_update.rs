//! Keeps `data/model_pricing.json` as new as the price mirror, as the legacy service does: the file is
//! fetched when it is missing or a day old, and when the mirror's checksum differs from the one on record.
//!
//! A failed download changes nothing. (The legacy service then copies its bundled table over an outdated
//! file; here the operator's file stays.)

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    billing::{Billing, PriceBook},
    config::PricesConfig,
    domain::HeaderList,
    upstream::{SendError, Sender, UpstreamRequest},
};

const CHECKSUM_INTERVAL: Duration = Duration::from_secs(10 * 60);
const AGE_INTERVAL: Duration = Duration::from_secs(24 * 3600);
const PATIENCE: Duration = Duration::from_secs(30);
/// Larger answers are not taken for a price file.
const MOST_BYTES: usize = 64 << 20;

/// Why prices could not be fetched.
#[derive(Debug, Error)]
enum FetchError {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("HTTP {0}")]
    Status(u16),
    #[error("no answer within 30 seconds")]
    Slow,
    #[error("the answer is too large")]
    TooLarge,
    #[error("bad address {0}")]
    Address(String),
    #[error("the answer is not usable: {0}")]
    Content(String),
}

/// Looks after the price file; never returns. Drop it to stop.
pub async fn keep_updated(billing: &Billing, sender: &Arc<dyn Sender>, mirror: &PricesConfig) {
    if !mirror.download {
        return std::future::pending().await;
    }
    let mut aged_at = None::<Instant>;
    loop {
        let aged = aged_at.is_none_or(|at| at.elapsed() >= AGE_INTERVAL);
        if aged {
            aged_at = Some(Instant::now());
        }
        if let Err(error) = look(billing.price_book(), sender, mirror, aged).await {
            tracing::warn!(%error, "prices were not updated; those at hand stay in force");
        }
        sleep(CHECKSUM_INTERVAL).await;
    }
}

/// One look at the mirror: fetches the file if it is `aged` and a day old or missing, then compares
/// checksums. What fails ends the look: the next is minutes away, and one reason is enough to tell.
async fn look(
    book: &PriceBook,
    sender: &Arc<dyn Sender>,
    mirror: &PricesConfig,
    aged: bool,
) -> Result<(), FetchError> {
    if aged && book.is_outdated(AGE_INTERVAL) {
        download(book, sender, mirror).await?;
    }
    compare(book, sender, mirror).await.map(drop)
}

/// Fetches the file now if the mirror's checksum is another than ours; whether it did.
///
/// # Errors
/// When the mirror cannot be read or what it has is no price file.
pub async fn refresh(
    book: &PriceBook,
    sender: &Arc<dyn Sender>,
    mirror: &PricesConfig,
) -> anyhow::Result<bool> {
    Ok(compare(book, sender, mirror).await?)
}

/// Fetches the file when the mirror's checksum is another than ours; whether it did.
async fn compare(
    book: &PriceBook,
    sender: &Arc<dyn Sender>,
    mirror: &PricesConfig,
) -> Result<bool, FetchError> {
    let text = fetch(sender, &mirror.hash_url).await?;
    let text = String::from_utf8_lossy(&text);
    let Some(theirs) = text.split_whitespace().next() else {
        return Err(FetchError::Content("empty checksum".into()));
    };
    if book.checksum().as_deref() == Some(theirs) {
        return Ok(false);
    }
    download(book, sender, mirror).await.map(|()| true)
}

async fn download(
    book: &PriceBook,
    sender: &Arc<dyn Sender>,
    mirror: &PricesConfig,
) -> Result<(), FetchError> {
    let content = fetch(sender, &mirror.json_url).await?;
    let installed = book.install(&content);
    installed.map_err(|error| FetchError::Content(error.to_string()))
}

/// What an address answers, within the bounds of a price list.
///
/// # Errors
/// An address that is none, or one that does not answer with such a thing.
pub async fn fetch_list(sender: &Arc<dyn Sender>, url: &str) -> anyhow::Result<Bytes> {
    Ok(fetch(sender, url).await?)
}

async fn fetch(sender: &Arc<dyn Sender>, url: &str) -> Result<Bytes, FetchError> {
    let parsed = url::Url::parse(url).map_err(|_| FetchError::Address(url.to_owned()))?;
    let host = match (parsed.host_str(), parsed.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => return Err(FetchError::Address(url.to_owned())),
    };
    let request = UpstreamRequest {
        method: http::Method::GET,
        url: url.to_owned(),
        headers: HeaderList::from_iter([("Host", host.as_str()), ("Connection", "close")]),
        body: Bytes::new(),
        proxy: None,
        idle_timeout: PATIENCE,
        decode_body: true,
    };
    let exchange = async {
        let mut answer = sender.send_past(request).await?;
        if answer.status != 200 {
            return Err(FetchError::Status(answer.status));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.body.next().await {
            body.extend_from_slice(&chunk?);
            if body.len() > MOST_BYTES {
                return Err(FetchError::TooLarge);
            }
        }
        Ok(body.freeze())
    };
    timeout(PATIENCE, exchange).await.map_err(|_| FetchError::Slow)?
}

#[cfg(test)]
mod tests {

    use std::{
        collections::HashMap,
        fs,
        path::{Path, PathBuf},
        sync::atomic::{AtomicUsize, Ordering},
    };

    use compat::{
        testing::TestRedis,
        usage::{Ledger, LedgerConfig, UsageSettings},
    };
    use futures_util::{FutureExt, future::BoxFuture, stream};
    use parking_lot::Mutex;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::{
        billing::Told,
        upstream::{SendErrorKind, UpstreamResponse},
    };

    /// Answers by URL; unknown ones fail.
    #[derive(Default)]
    struct Mirror(Mutex<HashMap<String, String>>, AtomicUsize);

    impl Sender for Mirror {
        fn send(
            &self,
            request: UpstreamRequest,
        ) -> BoxFuture<'_, Result<UpstreamResponse, SendError>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            let found = self.0.lock().get(&request.url).cloned();
            async move {
                let text = found.ok_or_else(|| SendError::new(SendErrorKind::Refused, "no"))?;
                Ok(UpstreamResponse {
                    status: 200,
                    headers: HeaderList::new(),
                    body: stream::once(async { Ok(Bytes::from(text)) }).boxed(),
                })
            }
            .boxed()
        }
    }

    fn mirror_config() -> PricesConfig {
        PricesConfig {
            json_url: "https://m.test/p.json".into(),
            hash_url: "https://m.test/p.sha256".into(),
            download: true,
        }
    }

    fn billing(dir: &Path, redis: &TestRedis) -> Billing {
        let journal = LedgerConfig::new(dir.join("journal"));
        let store = Arc::new(redis.store());
        let ledger = Ledger::open(journal, UsageSettings::default(), store).unwrap();
        Billing::new(Arc::new(PriceBook::open(&dir.join("data"))), Arc::new(ledger))
    }

    fn folder() -> PathBuf {
        std::env::temp_dir().join(format!("crs-prices-{}", uuid::Uuid::new_v4()))
    }

    const PRICES: &str = r#"{"new-model":{"input_cost_per_token":0.5}}"#;

    #[tokio::test]
    async fn the_file_follows_the_mirror() {
        let (dir, redis) = (folder(), TestRedis::spawn());
        let billing = billing(&dir, &redis);
        let config = mirror_config();
        let mirror = Arc::new(Mirror::default());
        let sender: Arc<dyn Sender> = mirror.clone();
        assert!(look(billing.price_book(), &sender, &config, true).await.is_err());
        assert_eq!(mirror.1.load(Ordering::Relaxed), 1, "a mirror out of reach is asked once");
        assert_eq!(billing.prices().len(), 222, "the built-in table stays");

        let checksum = hex::encode(Sha256::digest(PRICES));
        mirror.0.lock().insert(config.json_url.clone(), PRICES.into());
        mirror.0.lock().insert(config.hash_url.clone(), format!("{checksum}  p.json\n"));
        assert!(billing.price_book().is_outdated(AGE_INTERVAL));
        look(billing.price_book(), &sender, &config, true).await.unwrap();
        assert_eq!(billing.prices().find("new-model").unwrap().input, Some(Told::number(0.5)));
        assert!(!billing.price_book().is_outdated(AGE_INTERVAL));
        let file = fs::read_to_string(dir.join("data/model_pricing.json")).unwrap();
        assert_eq!(file, PRICES);
        let kept = fs::read_to_string(dir.join("data/model_pricing.sha256")).unwrap();
        assert_eq!(kept, format!("{checksum}\n"));

        // Nothing is fetched while the checksums agree, and nonsense is not installed.
        mirror.0.lock().insert(config.json_url.clone(), "[]".into());
        compare(billing.price_book(), &sender, &config).await.unwrap();
        mirror.0.lock().insert(config.hash_url.clone(), "other".into());
        assert!(compare(billing.price_book(), &sender, &config).await.is_err());
        assert_eq!(billing.prices().len(), 1);
        fs::remove_dir_all(dir).unwrap();
    }
}
