//! Families of accounts: those that one kind of request chooses among. Each has a pool of its own, so that
//! none reads what only another needs.

use std::{sync::Arc, time::Instant};

use super::{AccountPool, Kind};
use crate::{
    clock::{Clock, LocalCalendar},
    crypto::Vault,
    store::Store,
};

/// Accounts that requests of one platform choose among.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Claude requests.
    Claude,
    /// Requests to the responses API and to chat completions of its models.
    OpenAi,
    /// Requests to Azure.
    Azure,
}

impl Family {
    /// All families.
    pub const ALL: [Self; 3] = [Self::Claude, Self::OpenAi, Self::Azure];

    /// The kinds it is made of.
    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Claude => &[Kind::Official, Kind::Console, Kind::Ccr, Kind::Bedrock],
            Self::OpenAi => &[Kind::OpenAi, Kind::OpenAiResponses],
            Self::Azure => &[Kind::Azure],
        }
    }

    /// The kind of that legacy account type, if it belongs here.
    pub fn kind(self, account_type: &str) -> Option<Kind> {
        Kind::parse(account_type).filter(|kind| kind.family() == self)
    }

    /// Kinds that a member of a group is looked up as, in this order. Azure has no groups.
    pub fn members(self) -> &'static [Kind] {
        match self {
            Self::Claude => &[Kind::Official, Kind::Console],
            Self::OpenAi => &[Kind::OpenAi, Kind::OpenAiResponses],
            Self::Azure => &[],
        }
    }
}

/// The pool of each family.
pub struct Pools {
    claude: Arc<AccountPool>,
    openai: Arc<AccountPool>,
    azure: Arc<AccountPool>,
}

impl Pools {
    /// Pools over `store`; nothing is read yet.
    pub fn new(
        store: &Arc<dyn Store>,
        clock: &Clock,
        calendar: LocalCalendar,
        vault: &Vault,
    ) -> Self {
        let pool = |family| {
            let (store, clock) = (Arc::clone(store), clock.clone());
            Arc::new(AccountPool::new(family, store, clock, calendar, vault.clone()))
        };
        Self {
            claude: pool(Family::Claude),
            openai: pool(Family::OpenAi),
            azure: pool(Family::Azure),
        }
    }

    /// Redis has every own write that was noted until then, see [`AccountPool::landed`].
    pub fn landed(&self, until: Instant) {
        for pool in [&self.claude, &self.openai, &self.azure] {
            pool.landed(until);
        }
    }

    /// The pool of a family.
    pub fn of(&self, family: Family) -> &Arc<AccountPool> {
        match family {
            Family::Claude => &self.claude,
            Family::OpenAi => &self.openai,
            Family::Azure => &self.azure,
        }
    }

    /// The pool that accounts of this kind are in.
    pub fn with(&self, kind: Kind) -> &Arc<AccountPool> {
        self.of(kind.family())
    }
}
