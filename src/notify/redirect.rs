//! One hop after another: what is asked next when a receiver answers with another place.

use url::Url;

use super::Fault;

/// Hops at most, as in the legacy service.
pub(super) const HOPS: usize = 5;

/// A request to be made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hop {
    /// Where to.
    pub url: Url,
    /// Whether the message is sent, or only fetched.
    pub posts: bool,
    /// Whether the name and password of the first address go along.
    pub trusted: bool,
}

impl Hop {
    /// The first one.
    pub(super) fn first(url: &str) -> Result<Self, Fault> {
        let url = Url::parse(url).map_err(|_| Fault::Address)?;
        Self { url, posts: true, trusted: true }.checked()
    }

    /// The one after an answer; `None` when the answer is the end.
    pub(super) fn after(&self, status: u16, location: Option<&str>) -> Option<Result<Self, Fault>> {
        let location = location.filter(|_| (300..400).contains(&status))?;
        let Ok(url) = self.url.join(location) else { return Some(Err(Fault::Address)) };
        let weaker = self.url.scheme() == "https" && url.scheme() != "https";
        let same = url.host_str() == self.url.host_str() && url.port() == self.url.port();
        let posts = self.posts && !matches!(status, 301..=303);
        let trusted = self.trusted && same && !weaker;
        Some(Self { url, posts, trusted }.checked())
    }

    fn checked(mut self) -> Result<Self, Fault> {
        if !matches!(self.url.scheme(), "http" | "https") {
            return Err(Fault::Setup(format!("Unsupported protocol {}:", self.url.scheme())));
        }
        self.url.set_fragment(None);
        Ok(self)
    }

    /// Host and port as a header.
    pub(super) fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The URL without name and password.
    pub(super) fn target(&self) -> String {
        let mut url = self.url.clone();
        // Fails for URLs without a host only, and those have none.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.into()
    }
}
