//! The decision, in the legacy service's order (contract/anthropic.md §2.4).

use std::sync::Arc;

use compat::{
    account_state::Family,
    pool::{self, Entry, Kind, Need},
    sticky::{Mapping, Stuck},
};

use super::{
    Decision, Exclusion, Ledger, Model, Question, Seen, SelectError, SelectRequest, Via, bound,
    ccr, check, group, model, order, shared,
};
use crate::domain::AccountId;

impl Question for SelectRequest<'_> {
    type Error = SelectError;

    const FAMILY: pool::Family = pool::Family::Claude;

    fn session(&self) -> Option<&str> {
        self.session_hash
    }

    fn needs(&self, stuck: Option<&Stuck>) -> Vec<Need> {
        needs(self, stuck)
    }

    fn lists(&self) -> &'static [Need] {
        &SHARED
    }

    fn decide(&self, seen: &Seen<'_>) -> Option<Decision<SelectError>> {
        let mut run = Run { request: self, ledger: Ledger::new(*seen) };
        let result = run.choose().transpose()?;
        Some(run.ledger.close(result))
    }
}

fn needs(request: &SelectRequest<'_>, stuck: Option<&Stuck>) -> Vec<Need> {
    let account = |kind, id: &str| Need::Account(kind, Arc::from(id));
    let mut needs = Vec::new();
    if let Some(forced) = request.forced.filter(|forced| forced.account_type == "claude-official") {
        return vec![account(Kind::Official, forced.account_id)];
    }
    if let Some(mapping) = stuck.and_then(|stuck| stuck.mapping.as_ref())
        && let Some(kind) = kind(mapping)
    {
        needs.push(account(kind, &mapping.account_id));
    }
    if model::split_vendor(request.model).1 {
        needs.push(Need::List(Kind::Ccr));
        return needs;
    }
    let bindings = request.bindings;
    if let Some(group) = bindings.claude.strip_prefix("group:") {
        needs.push(Need::Group(Arc::from(group)));
        return needs;
    }
    for (kind, id) in [
        (Kind::Official, bindings.claude),
        (Kind::Console, bindings.console),
        (Kind::Bedrock, bindings.bedrock),
    ] {
        if !id.is_empty() {
            needs.push(account(kind, id));
        }
    }
    needs
}

/// Lists that the shared accounts come from.
const SHARED: [Need; 3] =
    [Need::List(Kind::Official), Need::List(Kind::Console), Need::List(Kind::Bedrock)];

struct Run<'a> {
    request: &'a SelectRequest<'a>,
    ledger: Ledger<'a>,
}

type Found = (Arc<Entry>, Via);

impl Run<'_> {
    /// `Ok(None)`: lists are missing.
    fn choose(&mut self) -> Result<Option<Found>, SelectError> {
        if let Some(found) = self.forced()? {
            return Ok(Some(found));
        }
        let (model, ccr_only) = model::split_vendor(self.request.model);
        let family = match model {
            Model::Name(name) => Family::of(name),
            _ => None,
        };
        if ccr_only {
            return self.ccr(model).map(Some);
        }
        let bindings = self.request.bindings;
        if let Some(group) = bindings.claude.strip_prefix("group:") {
            return self.group(group, model, family).map(Some);
        }
        if let Some(entry) = bound::first(&mut self.ledger, bindings, family)? {
            return Ok(Some((entry, Via::Dedicated)));
        }
        if let Some(mapping) = self.mapping() {
            if mapping.account_type != "ccr"
                && let Some(entry) = self.stays(&mapping, model, family)
            {
                return Ok(Some((entry, Via::Sticky)));
            }
            self.ledger.forget(self.request);
        }
        if !self.ledger.snapshot().covers(&SHARED) {
            return Ok(None);
        }
        let (entry, via) = match bound::again(&mut self.ledger, bindings, family)? {
            Some(entry) => (entry, Via::Dedicated),
            None => {
                let mut found = shared::eligible(&mut self.ledger, model, family)?;
                order::sort(&mut found);
                let first = found.into_iter().next().ok_or_else(|| match model {
                    Model::Unspecified => SelectError::None,
                    Model::Name(name) | Model::NotText(name) => {
                        SelectError::NoneForModel(name.to_owned())
                    }
                })?;
                (first, Via::Shared)
            }
        };
        self.ledger.stick(self.request, &entry);
        Ok(Some((entry, via)))
    }

    /// The account that the session is bound to. Bindings to other kinds are ignored.
    fn forced(&mut self) -> Result<Option<Found>, SelectError> {
        let forced = self.request.forced.filter(|forced| {
            forced.account_type == "claude-official" && !forced.account_id.is_empty()
        });
        let Some(forced) = forced else { return Ok(None) };
        let exclusion = check::forced(&mut self.ledger, forced.account_id);
        let fits = self.ledger.note(Kind::Official, &Arc::from(forced.account_id), exclusion);
        match self.ledger.get(Kind::Official, forced.account_id) {
            Some(entry) if fits => Ok(Some((entry, Via::Forced))),
            _ => {
                Err(SelectError::SessionBinding { account_id: AccountId::from(forced.account_id) })
            }
        }
    }

    fn ccr(&mut self, model: Model<'_>) -> Result<Found, SelectError> {
        if let Some(mapping) = self.mapping()
            && mapping.account_type == "ccr"
        {
            if let Some(entry) = self.stays(&mapping, model, None) {
                return Ok((entry, Via::Sticky));
            }
            self.ledger.forget(self.request);
        }
        let entry = ccr::choose(&mut self.ledger, model)?;
        self.ledger.stick(self.request, &entry);
        Ok((entry, Via::Shared))
    }

    fn group(
        &mut self,
        id: &str,
        model: Model<'_>,
        family: Option<Family>,
    ) -> Result<Found, SelectError> {
        let group = group::find(&self.ledger, id)?;
        if let Some(mapping) = self.mapping() {
            let member = group.members.iter().any(|id| **id == *mapping.account_id);
            if !member {
                let kind = kind(&mapping).unwrap_or(Kind::Official);
                let id = Arc::from(&*mapping.account_id);
                self.ledger.note(kind, &id, Some(Exclusion::NotMember));
            }
            if member
                && mapping.account_type != "ccr"
                && let Some(entry) = self.stays(&mapping, model, family)
            {
                return Ok((entry, Via::Sticky));
            }
            self.ledger.forget(self.request);
        }
        let entry = group::choose(&mut self.ledger, &group, model, family)?;
        self.ledger.stick(self.request, &entry);
        Ok((entry, Via::Group))
    }

    fn mapping(&self) -> Option<Mapping> {
        self.ledger.mapping(self.request)
    }

    /// The conversation's account if it can still serve; its mapping is renewed when that is due.
    fn stays(
        &mut self,
        mapping: &Mapping,
        model: Model<'_>,
        family: Option<Family>,
    ) -> Option<Arc<Entry>> {
        let kind = kind(mapping)?;
        let exclusion = check::sticky(&mut self.ledger, kind, &mapping.account_id, model, family);
        if !self.ledger.note(kind, &Arc::from(&*mapping.account_id), exclusion) {
            return None;
        }
        let entry = self.ledger.get(kind, &mapping.account_id)?;
        self.ledger.renew(self.request);
        Some(entry)
    }
}

fn kind(mapping: &Mapping) -> Option<Kind> {
    pool::Family::Claude.kind(&mapping.account_type)
}
