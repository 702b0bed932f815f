//! Who answers one request. Pure: the same plan and the same facts give the same decision, but for the
//! draw that decides about shadow work.

use super::{OwnedRoute, Phase, Plan, key_facts::KeyFacts, routes::Access, share::Membership};

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serve {
    /// crs.
    Own,
    /// Node.
    Legacy,
}

/// Why; what reports, metrics and `explain` show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Nobody is served by crs in this phase.
    Phase,
    /// crs does not own the route.
    RouteNotOwned,
    /// The route is about the service that answers, which is Node until `primary`.
    NodesUntilPrimary,
    /// No API key, or none that Redis knows.
    KeyUnknown,
    /// An account of a kind that crs cannot use may have to serve it.
    Unfit(&'static str),
    /// Kept out by name.
    Excluded,
    /// In by name.
    Named,
    /// In by the place of its key.
    InShare,
    /// Its key is not in the share.
    OutsideShare,
    /// crs answers what it owns.
    Owned,
    /// crs answers everything.
    Standalone,
}

/// What is known of the key of a request.
#[derive(Clone, Copy, Debug)]
pub enum KeyOf<'a> {
    /// The plan does not depend on it.
    NotAsked,
    /// There is none, or none that Redis knows.
    Unknown,
    /// This one.
    Known(&'a KeyFacts),
}

/// The decision about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Who answers the client.
    pub serve: Serve,
    /// Whether crs does the request in shadow as well.
    pub shadow: bool,
    /// Whether Node may still answer when crs cannot, before the first byte and before any upstream
    /// was called.
    pub fallback: bool,
    /// Why.
    pub reason: Reason,
}

impl Reason {
    /// Fixed label for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Phase => "phase",
            Self::RouteNotOwned => "route_not_owned",
            Self::NodesUntilPrimary => "nodes_until_primary",
            Self::KeyUnknown => "key_unknown",
            Self::Unfit(_) => "unfit",
            Self::Excluded => "excluded",
            Self::Named => "named",
            Self::InShare => "in_share",
            Self::OutsideShare => "outside_share",
            Self::Owned => "owned",
            Self::Standalone => "standalone",
        }
    }
}

/// Decides about a request to `route` (`None`: crs does not own it). `unfit`: why crs must not serve it.
/// `draw`: any number from 0 to 9999, decides whether the request is in the sample.
pub fn decide(
    plan: &Plan,
    route: Option<&OwnedRoute>,
    key: KeyOf<'_>,
    unfit: Option<&'static str>,
    draw: u16,
) -> Decision {
    let own = |reason| Decision {
        serve: Serve::Own,
        shadow: false,
        fallback: plan.phase != Phase::Standalone,
        reason,
    };
    let legacy =
        |reason, shadow| Decision { serve: Serve::Legacy, shadow, fallback: false, reason };
    if plan.phase == Phase::Standalone {
        return own(Reason::Standalone);
    }
    let Some(route) = route else { return legacy(Reason::RouteNotOwned, false) };
    // Answers about the answering service itself are never alike.
    let comparable = route.access == Access::Key;
    let sampled = comparable && plan.shadow.of(route.name).holds(draw);
    match plan.phase {
        Phase::Observe => legacy(Reason::Phase, false),
        Phase::Shadow if unfit.is_some() => legacy(Reason::Phase, false),
        Phase::Shadow => legacy(Reason::Phase, sampled),
        Phase::Canary => {
            if route.access == Access::Open {
                return legacy(Reason::NodesUntilPrimary, false);
            }
            let KeyOf::Known(key) = key else { return legacy(Reason::KeyUnknown, sampled) };
            if let Some(why) = unfit {
                return legacy(Reason::Unfit(why), false);
            }
            match plan.share.membership(key, route) {
                Membership::Excluded => legacy(Reason::Excluded, sampled),
                Membership::Named => own(Reason::Named),
                Membership::InShare => own(Reason::InShare),
                Membership::Outside => legacy(Reason::OutsideShare, sampled),
            }
        }
        Phase::Primary | Phase::Standalone => match unfit {
            Some(why) => legacy(Reason::Unfit(why), false),
            None => own(Reason::Owned),
        },
    }
}
