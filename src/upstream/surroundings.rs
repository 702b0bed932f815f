//! The environment's proxies: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, read as the legacy
//! service's HTTP library reads them, for requests without a proxy of their own.

use url::Url;

use super::{SendError, SendErrorKind};
use crate::domain::{ProxyConfig, ProxyKind, Secret};

/// What the variables say.
#[derive(Clone, Debug, Default)]
pub struct SurroundingProxies {
    /// `http_proxy`, else `HTTP_PROXY`: for `http://` targets.
    pub http: Option<Secret>,
    /// `https_proxy`, else `HTTPS_PROXY`: for `https://` targets.
    pub https: Option<Secret>,
    /// `all_proxy`, else `ALL_PROXY`: where there is none of the two.
    pub all: Option<Secret>,
    /// `no_proxy`, else `NO_PROXY`: hosts that are asked directly.
    pub except: Option<String>,
}

/// A variable that names no proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable(pub &'static str);

impl SurroundingProxies {
    /// Whether any proxy is named.
    pub fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none() && self.all.is_none()
    }

    /// The variables that are set.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.all().into_iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name)
    }

    /// The first variable whose value names no proxy.
    pub fn unusable(&self) -> Option<Unusable> {
        let broken = |value: Option<&Secret>| value.is_some_and(|value| parse(value).is_none());
        self.all().into_iter().find(|(_, value)| broken(*value)).map(|(name, _)| Unusable(name))
    }

    fn all(&self) -> [(&'static str, Option<&Secret>); 3] {
        [
            ("HTTP_PROXY", self.http.as_ref()),
            ("HTTPS_PROXY", self.https.as_ref()),
            ("ALL_PROXY", self.all.as_ref()),
        ]
    }

    /// The proxy for an absolute URL, if it has one.
    ///
    /// # Errors
    /// When the variable for it names no proxy: going out directly would show who asks.
    pub(super) fn of(&self, url: &str) -> Result<Option<ProxyConfig>, SendError> {
        if self.is_empty() {
            return Ok(None);
        }
        let Ok(target) = Url::parse(url) else { return Ok(None) };
        let own = if target.scheme() == "https" { &self.https } else { &self.http };
        let Some(chosen) = own.as_ref().or(self.all.as_ref()) else { return Ok(None) };
        let host = target.host_str().unwrap_or_default();
        let port = target.port_or_known_default().unwrap_or_default();
        if self.except.as_ref().is_some_and(|except| excepted(except, host, port)) {
            return Ok(None);
        }
        parse(chosen).map(Some).ok_or_else(|| {
            // The legacy runtime's words.
            let readable = Url::parse(chosen.expose()).is_ok_and(|url| url.has_host());
            let message = if readable { "protocol mismatch" } else { "Invalid URL" };
            SendError::new(SendErrorKind::Invalid, message)
        })
    }
}

/// Whether a host is asked directly. Names are whole unless they begin with `.` or `*`; a port makes an
/// entry narrower.
fn excepted(except: &str, host: &str, port: u16) -> bool {
    let (except, host) = (except.to_lowercase(), host.to_lowercase());
    if except == "*" {
        return true;
    }
    except.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty()).any(
        |entry| {
            let numbered = entry.rsplit_once(':').and_then(|(name, number)| {
                let number = number
                    .bytes()
                    .all(|b| b.is_ascii_digit())
                    .then(|| number.parse::<u16>().ok())?;
                (!name.is_empty()).then_some((name, number))
            });
            let (name, fits) = match numbered {
                // A number that is no port fits no port; 0 counts as none.
                Some((name, number)) => (name, number.is_some_and(|own| own == 0 || own == port)),
                None => (entry, true),
            };
            let wild = name.strip_prefix('*').or_else(|| name.starts_with('.').then_some(name));
            fits && wild.map_or(host == name, |end| host.ends_with(end))
        },
    )
}

/// A proxy's URL; without a scheme it is an HTTP proxy.
fn parse(text: &Secret) -> Option<ProxyConfig> {
    let text = text.expose();
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).ok()?;
    let (kind, port) = match url.scheme() {
        "http" => (ProxyKind::Http, 80),
        "https" => (ProxyKind::Https, 443),
        "socks" | "socks5" | "socks5h" => (ProxyKind::Socks5, 1080),
        _ => return None,
    };
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let password = url.password().unwrap_or_default();
    let credentials = Some(url.username()).filter(|user| !user.is_empty());
    Some(ProxyConfig {
        kind,
        host: host.trim_matches(['[', ']']).to_owned(),
        port: url.port().unwrap_or(port),
        credentials: credentials.map(|user| (user.to_owned(), password.into())),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn proxies(http: &str, https: &str, all: &str, except: &str) -> SurroundingProxies {
        let some = |text: &str| Some(text).filter(|text| !text.is_empty()).map(Secret::from);
        let except = Some(except.to_owned()).filter(|text| !text.is_empty());
        SurroundingProxies { http: some(http), https: some(https), all: some(all), except }
    }

    // What proxy-from-env gives for the same values.
    #[rstest]
    #[case("", true)]
    #[case("*", false)]
    #[case("*,x", false)]
    #[case("api.anthropic.com", false)]
    #[case("API.anthropic.com", false)]
    #[case("anthropic.com", true)]
    #[case(".anthropic.com", false)]
    #[case("*.anthropic.com", false)]
    #[case("*anthropic.com", false)]
    #[case("*c.com", false)]
    #[case("x, api.anthropic.com", false)]
    #[case("x api.anthropic.com", false)]
    #[case("api.anthropic.com:443", false)]
    #[case("api.anthropic.com:8443", true)]
    #[case("api.anthropic.com:0", false)]
    #[case("api.anthropic.com:99999", true)]
    #[case("api.anthropic.com:", true)]
    #[case(".anthropic.com:443", false)]
    #[case(",,", true)]
    fn exceptions_are_read_as_the_library_reads_them(#[case] except: &str, #[case] used: bool) {
        let found =
            proxies("", "http://p:1", "", except).of("https://api.anthropic.com/v1").unwrap();
        assert_eq!(found.is_some(), used, "{except}");
    }

    #[test]
    fn each_kind_of_target_has_its_variable() {
        let all = proxies("http://a:1", "http://b:2", "http://c:3", "");
        let host = |of: &SurroundingProxies, url: &str| of.of(url).unwrap().map(|p| p.host);
        assert_eq!(host(&all, "http://x.test/").as_deref(), Some("a"));
        assert_eq!(host(&all, "https://x.test/").as_deref(), Some("b"));
        let rest = proxies("", "", "http://c:3", "");
        assert_eq!(host(&rest, "https://x.test/").as_deref(), Some("c"));
        assert_eq!(host(&proxies("http://a:1", "", "", ""), "https://x.test/"), None);
        assert_eq!(host(&proxies("", "", "", "x"), "https://x.test/"), None);
        assert_eq!(host(&proxies("", "http://b:2", "", "[::1]"), "https://[::1]/"), None);
    }

    #[rstest]
    #[case("http://u:p@h", ProxyKind::Http, "h", 80, Some(("u", "p")))]
    #[case("h:3128", ProxyKind::Http, "h", 3128, None)]
    #[case("h", ProxyKind::Http, "h", 80, None)]
    #[case("https://h", ProxyKind::Https, "h", 443, None)]
    #[case("socks5h://h", ProxyKind::Socks5, "h", 1080, None)]
    #[case("socks5://u@[::1]:9/x", ProxyKind::Socks5, "::1", 9, Some(("u", "")))]
    fn proxies_are_read(
        #[case] text: &str,
        #[case] kind: ProxyKind,
        #[case] host: &str,
        #[case] port: u16,
        #[case] credentials: Option<(&str, &str)>,
    ) {
        let credentials = credentials.map(|(user, password)| (user.to_owned(), password.into()));
        let wanted = ProxyConfig { kind, host: host.to_owned(), port, credentials };
        assert_eq!(parse(&text.into()), Some(wanted));
    }

    #[test]
    fn what_names_no_proxy_fails_rather_than_goes_past() {
        let broken = proxies("", "ftp://u:secret@h", "", "y.test");
        assert_eq!(broken.unusable(), Some(Unusable("HTTPS_PROXY")));
        let error = broken.of("https://x.test/").unwrap_err();
        assert_eq!(error.message, "protocol mismatch");
        assert!(broken.of("https://y.test/").unwrap().is_none());
        assert!(broken.of("http://x.test/").unwrap().is_none());
    }
}
