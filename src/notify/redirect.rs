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
    /// Whether it is the address as it was set; its name and password go nowhere else.
    pub first: bool,
}

impl Hop {
    /// The first one.
    pub(super) fn first(url: &str) -> Result<Self, Fault> {
        let url = Url::parse(url).map_err(|_| Fault::Address)?;
        Self { url, posts: true, first: true }.checked()
    }

    /// The one after an answer; `None` when the answer is the end.
    pub(super) fn after(&self, status: u16, location: Option<&str>) -> Option<Result<Self, Fault>> {
        let location = location.filter(|_| (300..400).contains(&status))?;
        let Ok(url) = self.url.join(location) else { return Some(Err(Fault::Address)) };
        let posts = self.posts && !matches!(status, 301..=303);
        Some(Self { url, posts, first: false }.checked())
    }

    fn checked(mut self) -> Result<Self, Fault> {
        if !matches!(self.url.scheme(), "http" | "https") {
            return Err(Fault::Setup(format!("Unsupported protocol {}:", self.url.scheme())));
        }
        self.url.set_fragment(None);
        if self.url.query() == Some("") {
            self.url.set_query(None);
        }
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
