//! Open files: each client and each upstream connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process open as many files as the system allows it, as the Node runtime does at its
/// start. The usual soft limit of 1,024 is some 500 streams. Returns the limit now in force; `None` is
/// none.
pub fn raise_limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // A refusal leaves the limit as it was, which is then the answer.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    if raised.is_ok() { maximum } else { current }
}

/// Files that are open whoever is served: Redis, logs, journal, listeners, background work.
const RESERVED: u64 = 64;

/// How many clients may be connected under a limit, so that the upstream connection of each can be opened
/// too. Without this, clients that were let in fill the table and all of them fail.
pub fn most_clients(limit: u64) -> u32 {
    let clients = limit.saturating_sub(RESERVED) / 2;
    u32::try_from(clients.max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let limit = raise_limit();
        assert_eq!(getrlimit(Resource::Nofile).current, limit);
        assert_eq!(getrlimit(Resource::Nofile).maximum, limit);
    }

    #[test]
    fn each_client_has_room_for_its_upstream() {
        assert_eq!(most_clients(200), 68);
        assert_eq!(most_clients(1_024), 480);
        assert_eq!(most_clients(0), 1);
        assert_eq!(most_clients(u64::MAX), u32::MAX);
    }
}
