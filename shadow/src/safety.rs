//! Which routes may be run a second time, by what they do and not by their method: nearly all traffic
//! is POST. What is not listed may not.

use serde::Serialize;

use crate::rules::matches;

/// What a second run of a route would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Safety {
    /// Its effects are an upstream exchange and Redis writes, both of which a shadow run replays.
    Replayed,
    /// It only reads.
    ReadOnly,
    /// It has effects that a second run would repeat, or nothing that could be compared.
    Never(&'static str),
}

impl Safety {
    /// May be run a second time.
    pub fn allowed(self) -> bool {
        !matches!(self, Self::Never(_))
    }
}

/// Methods, route glob, safety. The first that fits counts.
const ROUTES: &[(&str, &str, Safety)] = &[
    ("POST", "/**/event_logging/batch", Safety::Never("is answered without being read")),
    ("POST", "/**:onboardUser", Safety::Never("sets up a vendor's project")),
    ("POST", "/**/redeem-card", Safety::Never("uses up a card")),
    ("*", "/admin/**", Safety::Never("administration writes records")),
    ("*", "/web/**", Safety::Never("sessions and assets")),
    ("*", "/users/**", Safety::Never("sessions and accounts of people")),
    ("*", "/apiStats/**", Safety::Never("tests reach vendors, cards are used up")),
    ("POST", "/**/v1/messages", Safety::Replayed),
    ("POST", "/**/v1/messages/count_tokens", Safety::Replayed),
    ("POST", "/**/chat/completions", Safety::Replayed),
    ("POST", "/**/completions", Safety::Replayed),
    ("POST", "/openai/**/responses", Safety::Replayed),
    ("POST", "/openai/**/responses/compact", Safety::Replayed),
    ("POST", "/openai/**/images/generations", Safety::Replayed),
    ("POST", "/droid/openai/**", Safety::Replayed),
    ("POST", "/azure/*", Safety::Replayed),
    ("POST", "/gemini/messages", Safety::Replayed),
    ("POST", "/gemini/**:generateContent", Safety::Replayed),
    ("POST", "/gemini/**:streamGenerateContent", Safety::Replayed),
    ("POST", "/gemini/**:countTokens", Safety::Replayed),
    ("POST", "/gemini/**:loadCodeAssist", Safety::Replayed),
    ("POST", "/gemini/**:listExperiments", Safety::Replayed),
    ("POST", "/gemini/**:retrieveUserQuota", Safety::Replayed),
    ("GET", "/**/models", Safety::ReadOnly),
    ("GET", "/**/models/*", Safety::ReadOnly),
    ("GET", "/**/key-info", Safety::ReadOnly),
    ("GET", "/**/usage", Safety::ReadOnly),
    ("GET", "/**/v1/me", Safety::ReadOnly),
];

/// What a second run of a route would do.
pub fn of(method: &str, route: &str) -> Safety {
    let fits = |(methods, glob, _): &&(&str, &str, Safety)| {
        (*methods == "*" || methods.eq_ignore_ascii_case(method)) && fits_route(glob, route)
    };
    let unknown = Safety::Never("its effects are not known");
    ROUTES.iter().find(fits).map_or(unknown, |(_, _, safety)| *safety)
}

/// `/**:name` means any path whose last segment ends with `:name`.
fn fits_route(glob: &str, route: &str) -> bool {
    match glob.split_once("**:") {
        Some((start, action)) => {
            route.starts_with(start.trim_end_matches('/'))
                && route.strip_suffix(action).is_some_and(|rest| rest.ends_with(':'))
        }
        None => matches(glob, route),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("POST", "/api/v1/messages", true)]
    #[case("POST", "/claude/v1/messages/count_tokens", true)]
    #[case("POST", "/openai/responses", true)]
    #[case("POST", "/openai/v1/responses/compact", true)]
    #[case("POST", "/gemini/v1beta/models/{model}:generateContent", true)]
    #[case("POST", "/gemini/v1internal:onboardUser", false)]
    #[case("GET", "/api/v1/models", true)]
    #[case("GET", "/api/v1/key-info", true)]
    #[case("POST", "/api/v1/key-info", false)]
    #[case("POST", "/admin/api-keys", false)]
    #[case("POST", "/apiStats/api/redeem-card", false)]
    #[case("POST", "/apiStats/api/user-stats", false)]
    #[case("POST", "/api/api/event_logging/batch", false)]
    #[case("GET", "/web/assets/x.js", false)]
    #[case("DELETE", "/api/v1/messages", false)]
    #[case("GET", "/unknown", false)]
    fn routes(#[case] method: &str, #[case] route: &str, #[case] allowed: bool) {
        assert_eq!(of(method, route).allowed(), allowed, "{:?}", of(method, route));
    }
}
