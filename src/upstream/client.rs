//! The sender that makes real connections.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    SendError, SendErrorKind, Sender, SenderSettings, SettingsError, SurroundingProxies,
    UpstreamRequest, UpstreamResponse,
    answer::{Answer, Home, header_list},
    decode::Coding,
    dial::{self, Family},
    failure,
    head::RequestHead,
    host_map::HostMap,
    line::{IdleTimer, Line, Payload},
    mail::{self, Mail, MailSender},
    pool::{Pool, Route},
    socks,
    tls::Tls,
    tunnel::{self, Tunnel},
    wire::{Refusal, Transport},
};
use crate::domain::{HeaderList, ProxyConfig, ProxyKind};

/// [`Sender`] over real connections. Build one and share it: it holds the pool.
pub struct HttpSender {
    host_map: HostMap,
    tls: Tls,
    pool: Arc<Pool>,
    /// Open connections, idle ones included; when none is free, requests wait.
    connections: Arc<Semaphore>,
    proxy_family: Family,
    surroundings: SurroundingProxies,
    connect_timeout: Duration,
    refused: Option<fn(IpAddr) -> Option<&'static str>>,
    extra_roots: Vec<PathBuf>,
}

impl HttpSender {
    /// Loads the trust roots and opens nothing yet.
    pub fn new(settings: SenderSettings) -> Result<Self, SettingsError> {
        Ok(Self {
            tls: Tls::new(&settings.extra_roots)?,
            pool: Arc::new(Pool::new(&settings)),
            connections: Arc::new(Semaphore::new(
                settings.max_connections.clamp(1, Semaphore::MAX_PERMITS),
            )),
            proxy_family: if settings.proxy_ipv4 { Family::V4 } else { Family::V6 },
            surroundings: settings.surroundings,
            connect_timeout: settings.connect_timeout,
            refused: settings.refused,
            extra_roots: settings.extra_roots,
            host_map: settings.host_map,
        })
    }

    /// The redirections in force, for the start-up warning and `/health`.
    pub fn host_map(&self) -> &HostMap {
        &self.host_map
    }

    /// Closes idle connections past their time. Also happens along the way while there is traffic;
    /// call it every few seconds for when there is none.
    pub fn close_expired(&self) {
        self.pool.close_expired();
    }

    /// Number of idle connections.
    pub fn idle_connections(&self) -> usize {
        self.pool.idle()
    }

    async fn exchange(
        &self,
        request: UpstreamRequest,
        heeds_surroundings: bool,
    ) -> Result<UpstreamResponse, SendError> {
        let mut head = RequestHead::build(&request)?;
        let mapped = self.host_map.find(&head.endpoint.host).cloned();
        let around = match &request.proxy {
            None if heeds_surroundings => self.surroundings.of(&request.url)?,
            _ => None,
        };
        let endpoint = mapped.unwrap_or_else(|| head.endpoint.clone());
        // Such a proxy is handed open requests as they are; for all else it opens a tunnel.
        let handed_on = !head.endpoint.tls
            && !endpoint.tls
            && around.as_ref().is_some_and(|proxy| proxy.kind != ProxyKind::Socks5);
        if let Some(proxy) = around.as_ref().filter(|_| handed_on) {
            let told = tunnel::authorization(proxy);
            head = RequestHead::for_proxy(&request, &endpoint, told.as_deref())?;
        }
        let route = Route { endpoint, proxy: request.proxy.or(around), handed_on };
        let mut timer = IdleTimer::new(request.idle_timeout);

        // A kept connection was looked at before it was taken. Should the vendor close it under this
        // very request, the request is not sent again: it may have been acted on.
        let mut line = match self.pool.take(&route) {
            Some(line) => line,
            None => self.open(&route, request.idle_timeout).await?,
        };
        let payload = Payload::new(request.body, head.chunked);
        let response = line.exchange(request.method, head.bytes, payload, &mut timer).await?;

        let (parts, incoming) = response.into_parts();
        let mut headers = header_list(&parts.headers);
        let home = self.pool.keeps(&route).then(|| Home {
            pool: self.pool.clone(),
            route,
            hint: keep_alive_hint(&headers),
        });
        let mut body = Answer::new(incoming, line, timer, home).boxed();
        let coding = headers.get("content-encoding").and_then(Coding::named);
        if let Some(coding) = coding.filter(|_| request.decode_body) {
            headers.remove("content-encoding");
            body = coding.decode(body);
        }
        Ok(UpstreamResponse { status: parts.status.as_u16(), headers, body })
    }

    /// Opens a connection within `limit`; the legacy service's idle timeout covers this part too.
    async fn open(&self, route: &Route, limit: Duration) -> Result<Line, SendError> {
        let opening = async {
            let permit = self.permit().await?;
            let transport = match &route.proxy {
                None => self.direct(route).await?,
                Some(proxy) => self.proxied(route, proxy).await?,
            };
            Line::open(transport, permit).await
        };
        // Boxed: dialling is rare and its state large.
        match timeout(limit, Box::pin(opening)).await {
            Ok(line) => line,
            Err(_) => Err(failure::silence()),
        }
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, SendError> {
        if let Ok(permit) = self.connections.clone().try_acquire_owned() {
            return Ok(permit);
        }
        // Idle connections to elsewhere must not keep requests waiting.
        self.pool.close_oldest();
        let permit = self.connections.clone().acquire_owned().await;
        permit.map_err(|_| SendError::new(SendErrorKind::Network, "sender is shut down"))
    }

    async fn dial(&self, host: &str, port: u16, family: Family) -> Result<TcpStream, SendError> {
        let stream = dial::connect(host, port, family, self.connect_timeout).await?;
        // Nothing was sent yet; a name is looked up once only, so it cannot turn into another address.
        let peer = self.refused.zip(stream.peer_addr().ok());
        match peer.and_then(|(refused, peer)| refused(peer.ip())) {
            Some(why) => Err(SendError::new(SendErrorKind::Invalid, why)),
            None => Ok(stream),
        }
    }

    /// Sends mail to the addresses of its server that are not refused.
    async fn mail(&self, mail: Mail) -> Result<(), SendError> {
        let mapped = self.host_map.find(&mail.host);
        let (host, port) =
            mapped.map_or((mail.host.as_str(), mail.port), |to| (to.host.as_str(), to.port));
        let mut addresses = dial::addresses(host, port).await?;
        let why = |address: &SocketAddr| self.refused.and_then(|refused| refused(address.ip()));
        let refusal = addresses.iter().find_map(why);
        addresses.retain(|address| why(address).is_none());
        match (addresses.is_empty(), refusal) {
            (true, Some(why)) => Err(SendError::new(SendErrorKind::Invalid, why)),
            _ => mail::send(mail, &addresses, self.extra_roots.clone()).await,
        }
    }

    async fn direct(&self, route: &Route) -> Result<Transport, SendError> {
        let target = &route.endpoint;
        let stream = self.dial(&target.host, target.port, Family::Any).await?;
        if target.tls {
            let stream = self.tls.wrap(stream, &target.host).await?;
            return Ok(Transport::Tls(Box::new(stream)));
        }
        Ok(Transport::Plain(stream))
    }

    async fn proxied(&self, route: &Route, proxy: &ProxyConfig) -> Result<Transport, SendError> {
        let target = &route.endpoint;
        // The legacy SOCKS library leaves the family to the resolver.
        let family = if proxy.kind == ProxyKind::Socks5 { Family::Any } else { self.proxy_family };
        let dialled = self.dial(&proxy.host, proxy.port, family).await;
        let keep_alive = self.pool.keeps(route);
        match proxy.kind {
            _ if route.handed_on && proxy.kind == ProxyKind::Http => Ok(Transport::Plain(dialled?)),
            _ if route.handed_on => {
                let stream = self.tls.wrap(dialled?, &proxy.host).await?;
                Ok(Transport::Tls(Box::new(stream)))
            }
            ProxyKind::Socks5 => {
                // That library hides the socket's error code as well.
                let stream =
                    dialled.map_err(|error| SendError::new(SendErrorKind::Proxy, error.message))?;
                let stream = socks::open(stream, proxy, target).await?;
                self.finish_plain(stream, route).await
            }
            ProxyKind::Http => {
                let mut stream = dialled?;
                match tunnel::open(&mut stream, proxy, target, keep_alive).await? {
                    Tunnel::Refused(answer) => Ok(Transport::Refusal(Refusal::new(answer))),
                    Tunnel::Open => self.finish_plain(stream, route).await,
                }
            }
            ProxyKind::Https => {
                let mut stream = self.tls.wrap(dialled?, &proxy.host).await?;
                match tunnel::open(&mut stream, proxy, target, keep_alive).await? {
                    Tunnel::Refused(answer) => Ok(Transport::Refusal(Refusal::new(answer))),
                    Tunnel::Open if target.tls => {
                        let stream = self.tls.wrap(stream, &target.host).await?;
                        Ok(Transport::Nested(Box::new(stream)))
                    }
                    Tunnel::Open => Ok(Transport::Tls(Box::new(stream))),
                }
            }
        }
    }

    async fn finish_plain(&self, stream: TcpStream, route: &Route) -> Result<Transport, SendError> {
        if !route.endpoint.tls {
            return Ok(Transport::Plain(stream));
        }
        let stream = self.tls.wrap(stream, &route.endpoint.host).await?;
        Ok(Transport::Tls(Box::new(stream)))
    }
}

impl Sender for HttpSender {
    fn send(&self, request: UpstreamRequest) -> BoxFuture<'_, Result<UpstreamResponse, SendError>> {
        self.exchange(request, true).boxed()
    }

    fn send_past(
        &self,
        request: UpstreamRequest,
    ) -> BoxFuture<'_, Result<UpstreamResponse, SendError>> {
        self.exchange(request, false).boxed()
    }
}

impl MailSender for HttpSender {
    fn send_mail(&self, mail: Mail) -> BoxFuture<'_, Result<(), SendError>> {
        self.mail(mail).boxed()
    }
}

/// Seconds of `keep-alive: timeout=N`.
fn keep_alive_hint(headers: &HeaderList) -> Option<u64> {
    let value = headers.get("keep-alive")?.strip_prefix("timeout=")?;
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    value[..digits].parse().ok()
}
