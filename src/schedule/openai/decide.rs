//! The decision, in the legacy service's order.

use std::sync::Arc;

use compat::{
    pool::{Entry, Family, Kind, Need},
    sticky::{Mapping, Stuck},
};

use super::{
    Ask, Decision, Exclusion, Ledger, Question, Refusal, Seen, Via, bound, group, order, shared,
    sticky,
};

const LISTS: [Need; 2] = [Need::List(Kind::OpenAi), Need::List(Kind::OpenAiResponses)];

impl Question for Ask<'_> {
    type Error = Refusal;

    const FAMILY: Family = Family::OpenAi;

    fn session(&self) -> Option<&str> {
        self.session
    }

    fn needs(&self, stuck: Option<&Stuck>) -> Vec<Need> {
        let stuck = stuck.and_then(|stuck| stuck.mapping.as_ref());
        let mut needs: Vec<Need> = stuck.and_then(account).into_iter().collect();
        match binding(self.binding) {
            Binding::Pool if needs.is_empty() => needs.extend(LISTS),
            Binding::Pool => {}
            Binding::Group(id) => needs.push(Need::Group(Arc::from(id))),
            Binding::Account(kind, id) => needs.push(Need::Account(kind, Arc::from(id))),
        }
        needs
    }

    fn lists(&self) -> &'static [Need] {
        &LISTS
    }

    fn decide(&self, seen: &Seen<'_>) -> Option<Decision<Refusal>> {
        let mut run = Run { ask: self, ledger: Ledger::new(*seen) };
        let result = match run.choose().transpose()? {
            // Everything is looked at once more afterwards.
            Err(Refusal::Refresh(stale)) => {
                let (effects, trace) = (Vec::new(), Vec::new());
                return Some(Decision { result: Err(Refusal::Refresh(stale)), effects, trace });
            }
            result => result,
        };
        if let Ok((entry, _)) = &result {
            run.ledger.used(entry);
        }
        Some(run.ledger.close(result))
    }
}

/// What a key is bound to.
enum Binding<'a> {
    Pool,
    Group(&'a str),
    Account(Kind, &'a str),
}

fn binding(text: &str) -> Binding<'_> {
    if text.is_empty() {
        Binding::Pool
    } else if let Some(id) = text.strip_prefix("group:") {
        Binding::Group(id)
    } else if let Some(id) = text.strip_prefix("responses:") {
        Binding::Account(Kind::OpenAiResponses, id)
    } else {
        Binding::Account(Kind::OpenAi, text)
    }
}

fn account(mapping: &Mapping) -> Option<Need> {
    let kind = Family::OpenAi.kind(&mapping.account_type)?;
    Some(Need::Account(kind, Arc::from(&*mapping.account_id)))
}

struct Run<'a> {
    ask: &'a Ask<'a>,
    ledger: Ledger<'a>,
}

type Found = (Arc<Entry>, Via);

impl Run<'_> {
    /// `Ok(None)`: lists are missing.
    fn choose(&mut self) -> Result<Option<Found>, Refusal> {
        match binding(self.ask.binding) {
            Binding::Group(id) => return self.group(id).map(Some),
            Binding::Account(kind, id) => {
                if let Some(entry) = bound::choose(&mut self.ledger, self.ask, kind, id)? {
                    return Ok(Some((entry, Via::Dedicated)));
                }
            }
            Binding::Pool => {}
        }
        if let Some(mapping) = self.ledger.mapping(self.ask) {
            if let Some(entry) = self.stays(&mapping) {
                return Ok(Some((entry, Via::Sticky)));
            }
            self.ledger.forget(self.ask);
        }
        if !self.ledger.snapshot().covers(&LISTS) {
            return Ok(None);
        }
        let found = shared::eligible(&mut self.ledger, self.ask)?;
        let entry = first(found).ok_or_else(|| match self.ask.model {
            Some(model) => Refusal::NoneForModel(model.to_owned()),
            None => Refusal::None,
        })?;
        self.ledger.stick(self.ask, &entry);
        Ok(Some((entry, Via::Shared)))
    }

    fn group(&mut self, id: &str) -> Result<Found, Refusal> {
        let group = group::find(&self.ledger, id)?;
        if let Some(mapping) = self.ledger.mapping(self.ask) {
            let member = group.members.iter().any(|id| **id == *mapping.account_id);
            if member && let Some(entry) = self.stays(&mapping) {
                return Ok((entry, Via::Sticky));
            }
            if !member && let Some(kind) = Family::OpenAi.kind(&mapping.account_type) {
                let id = Arc::from(&*mapping.account_id);
                self.ledger.note(kind, &id, Some(Exclusion::NotMember));
            }
            self.ledger.forget(self.ask);
        }
        let found = group::eligible(&mut self.ledger, &group, self.ask.model)?;
        let entry = first(found).ok_or_else(|| Refusal::GroupUnavailable(group.name.clone()))?;
        self.ledger.stick(self.ask, &entry);
        Ok((entry, Via::Group))
    }

    /// The conversation's account if it can still serve; its mapping is renewed when that is due.
    fn stays(&mut self, mapping: &Mapping) -> Option<Arc<Entry>> {
        let kind = Family::OpenAi.kind(&mapping.account_type)?;
        let exclusion = sticky::check(&mut self.ledger, kind, &mapping.account_id);
        if !self.ledger.note(kind, &Arc::from(&*mapping.account_id), exclusion) {
            return None;
        }
        let entry = self.ledger.get(kind, &mapping.account_id)?;
        self.ledger.renew(self.ask);
        Some(entry)
    }
}

fn first(mut found: Vec<Arc<Entry>>) -> Option<Arc<Entry>> {
    order::sort(&mut found);
    found.into_iter().next()
}
