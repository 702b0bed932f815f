//! Which requests are compared: a stable share of those that the filters let through.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::rules::matches;

/// Which requests are compared; changed at run time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SampleSettings {
    /// Off means nothing is compared.
    pub enabled: bool,
    /// Share of requests, 0 to 1.
    pub rate: f64,
    /// Routes (globs); all when empty.
    pub routes: Vec<String>,
    /// Routes (globs) that are left out.
    pub except_routes: Vec<String>,
    /// Ids of API keys; all when empty.
    pub keys: Vec<String>,
    /// Tags of API keys, one of which must fit; all when empty.
    pub tags: Vec<String>,
    /// Methods; all when empty.
    pub methods: Vec<String>,
    /// Largest request body, bytes.
    pub max_body: u64,
    /// Share of agreeing requests that are captured, too; differing ones always are.
    pub capture_agreeing: f64,
    /// Whether texts of captures are replaced by stand-ins.
    pub replace_prompts: bool,
}

impl Default for SampleSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            rate: 1.0,
            routes: Vec::new(),
            except_routes: Vec::new(),
            keys: Vec::new(),
            tags: Vec::new(),
            methods: Vec::new(),
            max_body: 4 * 1024 * 1024,
            capture_agreeing: 0.0,
            replace_prompts: true,
        }
    }
}

/// What the filters look at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidate<'a> {
    /// Id of the request.
    pub id: &'a str,
    /// Method.
    pub method: &'a str,
    /// Normalised route.
    pub route: &'a str,
    /// Id of the API key.
    pub key_id: Option<&'a str>,
    /// Tags of the API key.
    pub tags: &'a [String],
    /// Length of the request body, bytes.
    pub body: u64,
}

/// Compared or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Compared.
    Take,
    /// Comparing is switched off.
    Disabled,
    /// The route is not asked for.
    Route,
    /// The method is not asked for.
    Method,
    /// The key is not asked for.
    Key,
    /// No tag is asked for.
    Tag,
    /// The body is too large.
    Body,
    /// Not in the sample.
    Rate,
}

impl SampleSettings {
    /// Clear sentence when a setting cannot be meant.
    pub fn check(&self) -> Result<(), String> {
        for (name, share) in [("rate", self.rate), ("capture_agreeing", self.capture_agreeing)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(format!("`{name}` is a share from 0 to 1, not {share}"));
            }
        }
        Ok(())
    }

    /// Whether a request is compared. The same id always gets the same answer, and one that is in at
    /// some rate is in at every higher one.
    pub fn decide(&self, request: &Candidate<'_>) -> Decision {
        let fits = |globs: &[String]| globs.iter().any(|glob| matches(glob, request.route));
        let named = |list: &[String], name: &str| list.iter().any(|n| n.eq_ignore_ascii_case(name));
        if !self.enabled {
            Decision::Disabled
        } else if (!self.routes.is_empty() && !fits(&self.routes)) || fits(&self.except_routes) {
            Decision::Route
        } else if !self.methods.is_empty() && !named(&self.methods, request.method) {
            Decision::Method
        } else if !self.keys.is_empty() && !request.key_id.is_some_and(|id| named(&self.keys, id)) {
            Decision::Key
        } else if !self.tags.is_empty() && !request.tags.iter().any(|tag| self.tags.contains(tag)) {
            Decision::Tag
        } else if request.body > self.max_body {
            Decision::Body
        } else if share(request.id) >= self.rate {
            Decision::Rate
        } else {
            Decision::Take
        }
    }

    /// Whether an agreeing request is captured.
    pub fn captures_agreeing(&self, id: &str) -> bool {
        // Another hash than the sample's, or a small sample would be captured whole.
        share(&format!("capture {id}")) < self.capture_agreeing
    }
}

/// A number from 0 up to 1 that an id always gets.
pub fn share(id: &str) -> f64 {
    let digest = Sha256::digest(id.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    // The 53 bits that a double holds exactly; never 1.
    (u64::from_be_bytes(first) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_sample_is_stable_monotone_and_about_as_large_as_asked() {
        let taken = |rate: f64| -> Vec<usize> {
            let settings = SampleSettings { rate, ..SampleSettings::default() };
            let takes = |n: &usize| {
                let id = format!("request-{n}");
                settings.decide(&Candidate { id: &id, ..Candidate::default() }) == Decision::Take
            };
            (0..4_000).filter(takes).collect()
        };
        let (few, more) = (taken(0.1), taken(0.3));
        assert_eq!(few, taken(0.1));
        assert!(few.iter().all(|n| more.contains(n)));
        assert!((300..500).contains(&few.len()), "{}", few.len());
        assert_eq!((taken(0.0).len(), taken(1.0).len()), (0, 4_000));
    }

    #[rstest]
    #[case(r#"{}"#, Decision::Take)]
    #[case(r#"{"enabled": false}"#, Decision::Disabled)]
    #[case(r#"{"routes": ["/api/**"]}"#, Decision::Take)]
    #[case(r#"{"routes": ["/gemini/**"]}"#, Decision::Route)]
    #[case(r#"{"except_routes": ["/api/**"]}"#, Decision::Route)]
    #[case(r#"{"methods": ["get"]}"#, Decision::Method)]
    #[case(r#"{"methods": ["post"]}"#, Decision::Take)]
    #[case(r#"{"keys": ["other"]}"#, Decision::Key)]
    #[case(r#"{"tags": ["team-b"]}"#, Decision::Tag)]
    #[case(r#"{"tags": ["team-a"]}"#, Decision::Take)]
    #[case(r#"{"max_body": 99}"#, Decision::Body)]
    fn filters(#[case] settings: &str, #[case] decision: Decision) {
        let settings: SampleSettings = serde_json::from_str(settings).unwrap();
        let tags = ["team-a".to_owned()];
        let request = Candidate {
            id: "r",
            method: "POST",
            route: "/api/v1/messages",
            key_id: Some("key-1"),
            tags: &tags,
            body: 100,
        };
        assert_eq!(settings.decide(&request), decision);
    }

    #[test]
    fn shares_beyond_bounds_are_refused() {
        assert!(SampleSettings { rate: 1.5, ..Default::default() }.check().is_err());
        assert!(SampleSettings { rate: f64::NAN, ..Default::default() }.check().is_err());
        assert!(SampleSettings::default().check().is_ok());
    }
}
