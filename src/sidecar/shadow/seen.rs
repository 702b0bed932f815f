//! An exchange of a client with Node, as it passed.

use bytes::Bytes;

/// Headers in order, names as spelled.
pub type Headers = Vec<(String, String)>;

/// What the client asked.
#[derive(Clone, Debug, Default)]
pub struct SeenRequest {
    /// Arrival, epoch milliseconds.
    pub arrived_ms: i64,
    /// The client's address.
    pub peer: String,
    /// Method.
    pub method: String,
    /// Request target as sent.
    pub target: String,
    /// Headers as sent.
    pub headers: Headers,
    /// Payload.
    pub body: Bytes,
}

/// What it was answered.
#[derive(Clone, Debug, Default)]
pub struct SeenResponse {
    /// Status.
    pub status: u16,
    /// Headers as sent.
    pub headers: Headers,
    /// Payload.
    pub body: Bytes,
    /// Whether all of it arrived.
    pub complete: bool,
    /// To the first byte of the answer, microseconds.
    pub ttfb_us: u64,
    /// To its end, microseconds.
    pub total_us: u64,
}

impl SeenResponse {
    /// First header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// Both.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The request.
    pub request: SeenRequest,
    /// The answer; `None` when there was none.
    pub response: Option<SeenResponse>,
    /// The client left before its answer was complete.
    pub client_left: bool,
}

impl SeenRequest {
    /// Path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// First header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Presents another key where one is presented.
    pub fn present(&mut self, key: &str) {
        let names = ["x-api-key", "x-goog-api-key", "authorization", "api-key"];
        for (name, value) in &mut self.headers {
            if names.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                let bearer =
                    value.get(..7).is_some_and(|word| word.eq_ignore_ascii_case("bearer "));
                *value = if bearer { format!("Bearer {key}") } else { key.to_owned() };
            }
        }
    }

    /// The path with ids replaced, so that requests of a kind share it.
    pub fn route(&self) -> String {
        route_of(&self.target)
    }
}

/// The path of a request target with ids replaced, so that requests of a kind share it.
pub fn route_of(target: &str) -> String {
    let path = target.split('?').next().unwrap_or_default();
    let mut last = "";
    let mut route = String::with_capacity(path.len());
    for segment in path.split('/').skip(1) {
        route.push('/');
        let (name, action) = segment.split_once(':').map_or((segment, None), |(n, a)| (n, Some(a)));
        route.push_str(match last {
            "models" => "{model}",
            "organizations" => "{id}",
            _ if is_id(name) => "{id}",
            _ => name,
        });
        if let Some(action) = action {
            route.push(':');
            route.push_str(action);
        }
        last = segment;
    }
    route
}

/// Whether a segment names one thing rather than a kind of things.
fn is_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    (segment.len() >= 16 && digits >= 4) || (digits > 0 && digits == segment.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_have_no_ids() {
        let route =
            |target: &str| SeenRequest { target: target.into(), ..Default::default() }.route();
        assert_eq!(route("/api/v1/messages?beta=true"), "/api/v1/messages");
        assert_eq!(route("/v1/models/gpt-5"), "/v1/models/{model}");
        assert_eq!(
            route("/gemini/v1/models/g-2:countTokens"),
            "/gemini/v1/models/{model}:countTokens"
        );
        assert_eq!(route("/api/v1/organizations/o1/usage"), "/api/v1/organizations/{id}/usage");
        assert_eq!(route("/x/3f2a9c1e-0000-4000-8000-123456789abc/12"), "/x/{id}/{id}");
    }
}
