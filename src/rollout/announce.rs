//! Tells operators what became of the rollout. Trips of guards are told by the instance that tripped
//! (`watch`); here is what people and automatic ramps do.

use compat::{clock::iso, rollout};

use super::{
    Change, Override, Phase, Record, Source, Standing, Watcher,
    ports::{Notice, NoticeKind},
};

impl Watcher {
    /// Tells of a new record. All instances see it; the first to say so tells.
    pub(super) async fn announce(&self, record: &Record) {
        let Some(kind) = kind(&record.change) else { return };
        let claim = rollout::tell(record.version, &self.instance.id);
        let claimed = match self.store.run(claim.into()).await {
            Ok(mut replies) => replies.pop().is_some_and(rollout::is_mine),
            // Better told twice than not at all.
            Err(_) => true,
        };
        if claimed {
            self.alarm.raise(notice(kind, &record.change));
        }
    }

    /// Tells when this instance leaves the shared record and when it comes back.
    pub(super) async fn tell_overrides(&self) {
        let mut changes = self.rollout.changes();
        let mut before = overridden(&self.rollout.standing());
        while changes.changed().await.is_ok() {
            let standing = self.rollout.standing();
            let after = overridden(&standing);
            if after == before {
                continue;
            }
            let (kind, title) = match &after {
                Some(said) => {
                    (NoticeKind::KillSwitch, format!("crs is overridden here: {}", said.phase))
                }
                None => (
                    NoticeKind::KillSwitchEnded,
                    format!("crs follows the rollout again: {}", standing.plan.position()),
                ),
            };
            let place = format!("instance {} on {}", self.instance.name, self.instance.host);
            let text = match after.as_ref().map(|said| said.reason.as_str()) {
                None | Some("") => place,
                Some(reason) => format!("{reason} ({place})"),
            };
            self.alarm.raise(Notice { kind, title, text, at: iso(self.clock.now_ms()) });
            before = after;
        }
    }
}

fn overridden(standing: &Standing) -> Option<Override> {
    (standing.source == Source::Override).then(|| Override {
        phase: standing.plan.phase,
        reason: standing.why.clone().unwrap_or_default(),
    })
}

/// What a change was; `None` when there is nothing to tell.
fn kind(change: &Change) -> Option<NoticeKind> {
    match change.action.as_str() {
        // Told by the instance that tripped.
        "trip" => None,
        "pause" => Some(NoticeKind::Paused),
        "resume" => Some(NoticeKind::Resumed),
        _ if change.from == change.to => None,
        _ if reach(&change.to) < reach(&change.from) => Some(NoticeKind::RolledBack),
        _ => Some(NoticeKind::Advanced),
    }
}

/// How far a position goes, to compare two.
fn reach(position: &str) -> (Option<Phase>, f64) {
    let mut words = position.split(' ');
    let phase = words.next().and_then(|word| word.parse().ok());
    (phase, words.next().and_then(|percent| percent.parse().ok()).unwrap_or_default())
}

fn notice(kind: NoticeKind, change: &Change) -> Notice {
    let Change { action, from, to, who, via, at, why, forced, .. } = change;
    let title = match kind {
        NoticeKind::Paused => format!("crs rollout paused at {to}"),
        NoticeKind::Resumed => format!("crs rollout goes on from {to}"),
        _ => format!("crs rollout: {from} -> {to}"),
    };
    let mut text = format!("{action} by {who} via {via}");
    if *forced {
        text.push_str(", red gates overruled");
    }
    if let Some(why) = why.as_deref().filter(|why| !why.is_empty()) {
        text.push_str(": ");
        text.push_str(why);
    }
    Notice { kind, title, text, at: at.clone() }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn change(action: &str, from: &str, to: &str) -> Change {
        Change { action: action.into(), from: from.into(), to: to.into(), ..Change::default() }
    }

    #[test]
    fn what_is_told_depends_on_the_direction() {
        for (action, from, to, expected) in [
            ("advance", "shadow", "canary 1 %", Some(NoticeKind::Advanced)),
            ("advance", "canary 5 %", "canary 25 % and named", Some(NoticeKind::Advanced)),
            ("set", "canary 100 %", "canary 25 %", Some(NoticeKind::RolledBack)),
            ("set", "primary", "canary 100 %", Some(NoticeKind::RolledBack)),
            ("rollback", "canary 1 %", "shadow", Some(NoticeKind::RolledBack)),
            ("set", "canary 5 %", "canary 5 %", None),
            ("pause", "canary 5 %", "canary 5 %", Some(NoticeKind::Paused)),
            ("resume", "canary 5 %", "canary 5 %", Some(NoticeKind::Resumed)),
            ("trip", "primary", "shadow", None),
        ] {
            assert_eq!(kind(&change(action, from, to)), expected, "{action} {from} {to}");
        }
    }
}
