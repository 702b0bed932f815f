//! The decision, in the legacy service's order (contract/anthropic.md §2.4).

use std::sync::Arc;

use compat::{
    account_state::{Family, Moment, UsageCost},
    pool::{Entry, Kind, Need, Snapshot},
    sticky::{self, Mapping, Stuck},
    store::Cmd,
};

use super::{
    Considered, Effect, Exclusion, Model, Rules, SelectError, SelectRequest, Selection, Via, bound,
    ccr, check, group, model, order, shared, work::Work,
};
use crate::domain::AccountId;

/// Outcome and consequences of a decision.
#[derive(Debug)]
pub struct Decision {
    /// The account, or why there is none.
    pub result: Result<Selection, SelectError>,
    /// What has to be carried out either way.
    pub effects: Vec<Effect>,
    /// Everything that was looked at, in order.
    pub trace: Vec<Considered>,
}

/// What the snapshot must hold before [`decide`] can answer. Lists are named only when the request
/// surely reaches them; [`missing_lists`] tells whether it did.
pub(super) fn needs(request: &SelectRequest<'_>, stuck: Option<&Stuck>) -> Vec<Need> {
    let account = |kind, id: &str| Need::Account(kind, Arc::from(id));
    let mut needs = Vec::new();
    if let Some(forced) = request.forced.filter(|forced| forced.account_type == "claude-official") {
        return vec![account(Kind::Official, forced.account_id)];
    }
    if let Some(mapping) = stuck.and_then(|stuck| stuck.mapping.as_ref())
        && let Some(kind) = Kind::parse(&mapping.account_type)
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
pub(super) const SHARED: [Need; 3] =
    [Need::List(Kind::Official), Need::List(Kind::Console), Need::List(Kind::Bedrock)];

/// Decides which account serves a request. Pure: the same arguments give the same decision.
///
/// `None` when the shared accounts are needed and the snapshot has no list of them.
pub fn decide(
    request: &SelectRequest<'_>,
    stuck: Option<&Stuck>,
    snapshot: &Snapshot,
    rules: &Rules,
    moment: Moment,
    prices: &dyn UsageCost,
) -> Option<Decision> {
    let mut run = Run { request, stuck, work: Work::new(snapshot, rules, moment, prices) };
    let result = run.choose().transpose()?;
    let Work { effects, trace, .. } = run.work;
    let result = result.map(|(account, via)| Selection { account, via, trace: trace.clone() });
    Some(Decision { result, effects, trace })
}

struct Run<'a> {
    request: &'a SelectRequest<'a>,
    stuck: Option<&'a Stuck>,
    work: Work<'a>,
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
        if let Some(entry) = bound::first(&mut self.work, bindings, family)? {
            return Ok(Some((entry, Via::Dedicated)));
        }
        if let Some(mapping) = self.mapping() {
            if mapping.account_type != "ccr"
                && let Some(entry) = self.stays(&mapping, model, family)
            {
                return Ok(Some((entry, Via::Sticky)));
            }
            self.forget();
        }
        if !self.work.snapshot.covers(&SHARED) {
            return Ok(None);
        }
        let (entry, via) = match bound::again(&mut self.work, bindings, family)? {
            Some(entry) => (entry, Via::Dedicated),
            None => {
                let mut found = shared::eligible(&mut self.work, model, family)?;
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
        self.stick(&entry);
        Ok(Some((entry, via)))
    }

    /// The account that the session is bound to. Bindings to other kinds are ignored.
    fn forced(&mut self) -> Result<Option<Found>, SelectError> {
        let forced = self.request.forced.filter(|forced| {
            forced.account_type == "claude-official" && !forced.account_id.is_empty()
        });
        let Some(forced) = forced else { return Ok(None) };
        let exclusion = check::forced(&mut self.work, forced.account_id);
        let fits = self.work.note(Kind::Official, &Arc::from(forced.account_id), exclusion);
        match self.work.get(Kind::Official, forced.account_id) {
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
            self.forget();
        }
        let entry = ccr::choose(&mut self.work, model)?;
        self.stick(&entry);
        Ok((entry, Via::Shared))
    }

    fn group(
        &mut self,
        id: &str,
        model: Model<'_>,
        family: Option<Family>,
    ) -> Result<Found, SelectError> {
        let group = group::find(&self.work, id)?;
        if let Some(mapping) = self.mapping() {
            let member = group.members.iter().any(|id| **id == *mapping.account_id);
            if !member {
                let kind = Kind::parse(&mapping.account_type).unwrap_or(Kind::Official);
                let id = Arc::from(&*mapping.account_id);
                self.work.note(kind, &id, Some(Exclusion::NotMember));
            }
            if member
                && mapping.account_type != "ccr"
                && let Some(entry) = self.stays(&mapping, model, family)
            {
                return Ok((entry, Via::Sticky));
            }
            self.forget();
        }
        let entry = group::choose(&mut self.work, &group, model, family)?;
        self.stick(&entry);
        Ok((entry, Via::Group))
    }

    fn mapping(&self) -> Option<Mapping> {
        self.request.session_hash?;
        self.stuck?.mapping.clone()
    }

    /// The conversation's account if it can still serve; its mapping is renewed when that is due.
    fn stays(
        &mut self,
        mapping: &Mapping,
        model: Model<'_>,
        family: Option<Family>,
    ) -> Option<Arc<Entry>> {
        let kind = Kind::parse(&mapping.account_type)?;
        let exclusion = check::sticky(&mut self.work, kind, &mapping.account_id, model, family);
        if !self.work.note(kind, &Arc::from(&*mapping.account_id), exclusion) {
            return None;
        }
        let entry = self.work.get(kind, &mapping.account_id)?;
        let ttl = self.work.rules.sticky;
        if self.stuck.is_some_and(|stuck| ttl.renews(stuck.remaining_s)) {
            self.on_mapping(|key| sticky::renew(key, ttl));
        }
        Some(entry)
    }

    fn forget(&mut self) {
        self.on_mapping(sticky::forget);
    }

    fn stick(&mut self, entry: &Entry) {
        let mapping = Mapping {
            account_id: entry.id.to_string(),
            account_type: entry.kind.as_str().to_owned(),
        };
        let ttl = self.work.rules.sticky;
        self.on_mapping(|key| sticky::set(key, &mapping, ttl));
    }

    fn on_mapping(&mut self, cmd: impl FnOnce(&str) -> Cmd) {
        if let Some(hash) = self.request.session_hash {
            self.work.effects.push(Effect::Cmd(cmd(&sticky::claude(hash))));
        }
    }
}
