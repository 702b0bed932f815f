//! Who answers a request: Node or `crs`.

use std::{fmt, net::IpAddr, time::Duration};

use futures_util::future::BoxFuture;

use super::forward::{RequestHead, Trace};

/// Paths that only `crs` has. They are never forwarded, and Node has none like them.
const OWN_PREFIXES: [&str; 2] = ["/crs", "/admin/crs"];

/// Where a request goes.
pub enum Route {
    /// To Node.
    Legacy {
        /// Whether and how it is traced.
        trace: Option<Trace>,
    },
    /// To the own front.
    Own,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Legacy { trace: None } => "Legacy",
            Self::Legacy { trace: Some(_) } => "Legacy (traced)",
            Self::Own => "Own",
        })
    }
}

/// The answer to where a request goes.
pub enum Answer {
    /// Known at once.
    Now(Route),
    /// Something has to be looked up first; bounded by what a Redis call may take.
    Later(BoxFuture<'static, Route>),
    /// The beginning of the body has to be looked at first. Bounded in bytes and time by whoever reads it.
    AfterBody(Box<dyn BodyStart>),
}

/// Looks at the beginning of a body in order to decide. Sees payload without framing, in order.
pub trait BodyStart: Send {
    /// Looks at the next piece; whether it has seen enough.
    fn look(&mut self, piece: &[u8]) -> bool;
    /// Decides, however much was seen. Must not ask for the body again.
    fn decide(self: Box<Self>) -> Answer;
}

/// Decides where requests go. Asked once for each, between its head and its body, in the task that
/// serves the client.
pub trait Routing: Send + Sync + 'static {
    /// Where this request of a client at `peer` goes. Not asked for paths that only `crs` has.
    fn decide(&self, head: &RequestHead, peer: IpAddr) -> Answer;
    /// Told of each answer's head: who made it, whether it is a failure that `crs` caused, and how long
    /// it took.
    fn answered(&self, _own: bool, _fault: bool, _first_byte: Duration) {}
    /// Name of the phase, for `/crs/health`.
    fn phase(&self) -> String;
}

/// Everything goes to Node: phase `observe`.
#[derive(Clone, Copy, Debug)]
pub struct Observe;

impl Routing for Observe {
    fn decide(&self, _: &RequestHead, _: IpAddr) -> Answer {
        Answer::Now(Route::Legacy { trace: None })
    }

    fn phase(&self) -> String {
        "observe".to_owned()
    }
}

/// Whether only `crs` has this path.
pub(super) fn is_own(path: &str) -> bool {
    OWN_PREFIXES.iter().any(|prefix| {
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_paths_are_those_below_their_prefixes() {
        for own in ["/crs", "/crs/health", "/admin/crs/report"] {
            assert!(is_own(own), "{own}");
        }
        for other in ["/", "/crsx", "/admin", "/admin/crsx", "/api/crs", "*", "http://h/crs"] {
            assert!(!is_own(other), "{other}");
        }
    }
}
