//! What a request cost, in real and in rated dollars, and booking it.
//!
//! Prices come from a [`PriceBook`]; [`cost`] turns token counts into dollars with the legacy service's
//! two calculators, bit for bit; [`rates`] turns real into rated dollars; [`Billing`] books the outcome
//! in the usage ledger. Nothing here estimates tokens, and limits are enforced elsewhere.

mod account_cost;
pub mod cost;
mod detail;
pub mod price_book;
pub mod prices;
pub mod rates;
mod record;
mod table_text;
#[cfg(test)]
mod tests;
mod told;

use std::sync::Arc;

use arc_swap::ArcSwap;
use compat::{
    clock::LocalCalendar,
    store::{Batch, Cmd, Store, StoreError},
    usage::{Books, Ticket},
};
use parking_lot::Mutex;

pub use account_cost::account_daily_costs;
pub use compat::usage::Recording;
pub use cost::{Cost, PricingSource, Usage};
pub use price_book::PriceBook;
pub use prices::{Price, PriceTable};
pub use rates::{KeyRates, ServiceRates};
pub use record::{BilledAccount, BilledKey, DetailRequest, RequestFacts, UsageRecord};
pub use table_text::table_text;
pub use told::Told;

/// Key of the stored global rates.
pub const RATES_KEY: &str = "system:service_rates";

/// Prices, rates and the ledger in one hand.
pub struct Billing {
    prices: Arc<PriceBook>,
    rates: ArcSwap<ServiceRates>,
    /// The text that the rates were read from.
    rates_text: Mutex<Option<String>>,
    books: Arc<dyn Books>,
}

/// What was booked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recorded {
    /// Real cost, USD.
    pub real_cost: f64,
    /// Rated cost, USD: what limits compare.
    pub rated_cost: f64,
    /// To wait until Redis has it, see [`Billing::settled`].
    pub ticket: Ticket,
}

impl Billing {
    /// Billing with these prices into these books; global rates are 1 until they are read.
    pub fn new(prices: Arc<PriceBook>, books: Arc<dyn Books>) -> Self {
        Self { prices, rates: ArcSwap::default(), rates_text: Mutex::default(), books }
    }

    /// Prices a finished request and books it. Does not wait: the event is in the local journal when
    /// this returns, and in Redis within the ledger's window.
    pub fn record(&self, record: &UsageRecord<'_>) -> Recorded {
        let event = record::event(record, &self.prices.current(), &self.rates.load());
        let (real_cost, rated_cost) = (event.cost.total, event.rated);
        let ticket = self.books.append(event);
        Recorded { real_cost, rated_cost, ticket }
    }

    /// Waits until a booked request is in Redis. Keys with cost limits or a rate window need this before
    /// their client may send the next request. Bound it: during an outage of Redis it does not return.
    pub async fn settled(&self, ticket: Ticket) {
        self.books.settled(ticket).await;
    }

    /// The books, for their status and for waiting before statistics are read.
    pub fn books(&self) -> &dyn Books {
        &*self.books
    }

    /// Where prices come from.
    pub fn price_book(&self) -> &Arc<PriceBook> {
        &self.prices
    }

    /// The prices in force now.
    pub fn prices(&self) -> Arc<PriceTable> {
        self.prices.current()
    }

    /// Real cost of each account today, from its counters; for quotas.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn account_daily_costs(
        &self,
        store: &dyn Store,
        calendar: LocalCalendar,
        now_ms: i64,
        accounts: &[&str],
    ) -> Result<Vec<f64>, StoreError> {
        account_daily_costs(store, &self.prices.current(), calendar, now_ms, accounts).await
    }

    /// Takes the stored text of [`RATES_KEY`] into use; for callers that read it along with other keys.
    pub fn observe_rates(&self, stored: Option<&str>) {
        let mut text = self.rates_text.lock();
        if text.as_deref() == stored {
            return;
        }
        *text = stored.map(str::to_owned);
        self.rates.store(Arc::new(ServiceRates::parse(stored)));
    }

    /// Reads the global rates.
    ///
    /// # Errors
    /// When Redis cannot be asked; the rates then stay as they are.
    pub async fn refresh_rates(&self, store: &dyn Store) -> Result<(), StoreError> {
        let replies = store.run(Batch::from(Cmd::new("GET").arg(RATES_KEY))).await?;
        if let Some(reply) = replies.into_iter().next() {
            self.observe_rates(reply.text()?.as_deref());
        }
        Ok(())
    }

    /// Follows changes of the price file; never returns. Drop it to stop. The global rates come with
    /// each request, see [`Billing::observe_rates`].
    pub async fn keep_fresh(&self) {
        self.prices.watch().await;
    }
}
