//! TLS and outbound proxies, with the bytes the proxies see.

use std::path::PathBuf;

use parking_lot::Mutex;
use rstest::rstest;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::io::copy_bidirectional;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{
    domain::{ProxyConfig, ProxyKind, Secret},
    upstream::{SendErrorKind, SurroundingProxies},
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What a proxy saw of its client, in order.
type Log = Arc<Mutex<Vec<String>>>;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

fn acceptor() -> TlsAcceptor {
    let read = |name: &str| std::io::BufReader::new(std::fs::File::open(fixture(name)).unwrap());
    let chain: Vec<CertificateDer<'static>> =
        rustls_pemfile::certs(&mut read("localhost.pem")).collect::<Result<_, _>>().unwrap();
    let key: PrivateKeyDer<'static> =
        rustls_pemfile::private_key(&mut read("localhost.key")).unwrap().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// A vendor that speaks TLS and answers every request.
async fn tls_vendor() -> Peer {
    let acceptor = acceptor();
    Peer::start(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            while read_request(&mut stream).await.is_some() {
                stream.write_all(OK).await.unwrap();
            }
        }
    })
    .await
}

/// An HTTP proxy that logs each `CONNECT` head and leads to where it says.
async fn http_proxy(log: Log, tls: bool) -> Peer {
    let acceptor = acceptor();
    Peer::start(move |_, stream| {
        let (log, acceptor) = (log.clone(), acceptor.clone());
        async move {
            if tls {
                tunnel(acceptor.accept(stream).await.unwrap(), log).await;
            } else {
                tunnel(stream, log).await;
            }
        }
    })
    .await
}

async fn tunnel(mut client: impl AsyncRead + tokio::io::AsyncWrite + Unpin, log: Log) {
    let (head, _) = read_request(&mut client).await.unwrap();
    let target = head.split(' ').nth(1).unwrap().to_owned();
    log.lock().push(head);
    client.write_all(b"HTTP/1.1 200 Connection established\r\nVia: t\r\n\r\n").await.unwrap();
    let mut vendor = TcpStream::connect(target).await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut vendor).await;
}

/// A SOCKS5 proxy with optional credentials; resolves `localhost` itself.
async fn socks_proxy(log: Log, credentials: Option<&'static str>, reply: u8) -> Peer {
    Peer::start(move |_, mut client| {
        let log = log.clone();
        async move {
            let mut two = [0; 2];
            client.read_exact(&mut two).await.unwrap();
            let mut methods = vec![0; usize::from(two[1])];
            client.read_exact(&mut methods).await.unwrap();
            client.write_all(&[5, if credentials.is_some() { 2 } else { 0 }]).await.unwrap();
            if let Some(expected) = credentials {
                client.read_exact(&mut two).await.unwrap();
                let mut user = vec![0; usize::from(two[1])];
                client.read_exact(&mut user).await.unwrap();
                let mut password = vec![0; usize::from(client.read_u8().await.unwrap())];
                client.read_exact(&mut password).await.unwrap();
                let given = [user, password].map(|part| String::from_utf8(part).unwrap()).join(":");
                let refused = u8::from(given != expected);
                client.write_all(&[1, refused]).await.unwrap();
                if refused == 1 {
                    return;
                }
            }
            let mut command = [0; 4];
            client.read_exact(&mut command).await.unwrap();
            let host = if command[3] == 3 {
                let mut name = vec![0; usize::from(client.read_u8().await.unwrap())];
                client.read_exact(&mut name).await.unwrap();
                String::from_utf8(name).unwrap()
            } else {
                let mut ip = [0; 4];
                client.read_exact(&mut ip).await.unwrap();
                std::net::Ipv4Addr::from(ip).to_string()
            };
            let port = client.read_u16().await.unwrap();
            log.lock().push(format!("{} {host}:{port}", command[3]));
            client.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            if reply == 0 {
                let mut vendor = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut vendor).await;
            }
        }
    })
    .await
}

fn through(kind: ProxyKind, port: u16, credentials: Option<(&str, &str)>) -> Option<ProxyConfig> {
    Some(ProxyConfig {
        kind,
        host: "127.0.0.1".to_owned(),
        port,
        credentials: credentials.map(|(user, password)| (user.to_owned(), Secret::from(password))),
    })
}

fn trusting() -> HttpSender {
    let settings =
        SenderSettings { extra_roots: vec![fixture("root.pem")], ..SenderSettings::default() };
    HttpSender::new(settings).unwrap()
}

#[tokio::test]
async fn extra_roots_are_trusted_and_others_are_not() {
    let vendor = tls_vendor().await;
    let url = format!("https://localhost:{}/", vendor.port);
    let response = trusting().send(post(&url, b"{}")).await.unwrap();
    assert_eq!(drain(response).await.0, b"ok");

    let error = failure(&url).await;
    assert_eq!(error.kind, SendErrorKind::Tls);
    assert_eq!(error.message, "unable to get local issuer certificate");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let vendor = tls_vendor().await;
    let url = format!("https://127.0.0.2:{}/", vendor.port);
    // 127.0.0.2 is the same machine but not in the certificate; the peer listens on 127.0.0.1 only,
    // so a redirected connection is needed to get to the handshake.
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let url =
        url.replace(&vendor.port.to_string(), &listener.local_addr().unwrap().port().to_string());
    let port = vendor.port;
    let forward = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut vendor = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let _ = copy_bidirectional(&mut client, &mut vendor).await;
    });
    let error = trusting().send(post(&url, b"{}")).await.err().unwrap();
    assert_eq!(error.code, Some("ERR_TLS_CERT_ALTNAME_INVALID"));
    forward.abort();
}

#[tokio::test]
async fn a_peer_that_hangs_up_in_the_handshake_is_a_reset() {
    let peer = Peer::start(|_, mut stream| async move {
        let _ = stream.read(&mut [0; 64]).await;
    })
    .await;
    let error = failure(&format!("https://127.0.0.1:{}/", peer.port)).await;
    assert_eq!((error.kind, error.code), (SendErrorKind::Reset, Some("ECONNRESET")));
    assert!(error.message.starts_with("Client network socket disconnected"), "{}", error.message);
}

#[rstest]
#[case::plain_proxy_plain_target(ProxyKind::Http, false)]
#[case::plain_proxy_tls_target(ProxyKind::Http, true)]
#[case::tls_proxy_plain_target(ProxyKind::Https, false)]
#[case::tls_proxy_tls_target(ProxyKind::Https, true)]
#[tokio::test]
async fn http_proxies_are_asked_to_connect(#[case] kind: ProxyKind, #[case] tls: bool) {
    let vendor = if tls { tls_vendor().await } else { Peer::answering(OK).await };
    let log = Log::default();
    let proxy = http_proxy(log.clone(), kind == ProxyKind::Https).await;
    let scheme = if tls { "https" } else { "http" };
    let request = UpstreamRequest {
        proxy: through(kind, proxy.port, Some(("us%40er", "p:w/d"))),
        ..post(&format!("{scheme}://localhost:{}/v1", vendor.port), b"{}")
    };
    let sender = trusting();
    let response = sender.send(request).await.unwrap();
    assert_eq!(drain(response).await.0, b"ok");
    assert_eq!(sender.idle_connections(), 0, "proxied connections are not kept by default");
    let target = format!("localhost:{}", vendor.port);
    assert_eq!(
        *log.lock(),
        [format!(
            "CONNECT {target} HTTP/1.1\r\nProxy-Authorization: Basic dXNAZXI6cDp3L2Q=\r\n\
             Host: {target}\r\nProxy-Connection: close\r\n\r\n"
        )]
    );
}

#[tokio::test]
async fn proxied_connections_are_kept_when_asked() {
    let vendor = Peer::answering(OK).await;
    let log = Log::default();
    let proxy = http_proxy(log.clone(), false).await;
    let sender =
        HttpSender::new(SenderSettings { proxy_keep_alive: true, ..SenderSettings::default() })
            .unwrap();
    for _ in 0..2 {
        let proxy = through(ProxyKind::Http, proxy.port, None);
        let request = UpstreamRequest { proxy, ..post(&vendor.url(), b"{}") };
        drain(sender.send(request).await.unwrap()).await;
    }
    assert_eq!((proxy.accepted(), sender.idle_connections()), (1, 1));
    assert!(log.lock()[0].ends_with("Proxy-Connection: Keep-Alive\r\n\r\n"));
    assert!(!log.lock()[0].contains("Authorization"));
}

#[tokio::test]
async fn a_refused_tunnel_answers_the_request() {
    let (seen, mut rest) = tokio::sync::mpsc::channel(1);
    let proxy = Peer::start(move |_, mut stream| {
        let seen = seen.clone();
        async move {
            read_request(&mut stream).await;
            stream
                .write_all(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\
                      Content-Length: 6\r\n\r\ndenied",
                )
                .await
                .unwrap();
            let mut more = Vec::new();
            let _ = stream.read_to_end(&mut more).await;
            seen.send(more).await.unwrap();
        }
    })
    .await;
    let request = UpstreamRequest {
        proxy: through(ProxyKind::Http, proxy.port, Some(("u", "wrong"))),
        ..post("https://api.anthropic.com/v1/messages", b"{\"secret\":1}")
    };
    let response = sender().send(request).await.unwrap();
    assert_eq!(response.status, 407);
    assert_eq!(drain(response).await.0, b"denied");
    assert_eq!(rest.recv().await.unwrap(), b"", "the request must not reach the proxy");
}

#[tokio::test]
async fn failing_http_proxies_are_told_apart() {
    let silent = Peer::answering_once("HTTP/1.1 200").await;
    let request = UpstreamRequest {
        proxy: through(ProxyKind::Http, silent.port, None),
        ..post("http://localhost:1/", b"{}")
    };
    let error = sender().send(request.clone()).await.err().unwrap();
    assert_eq!(error.kind, SendErrorKind::Proxy);
    assert_eq!(error.message, "Proxy connection ended before receiving CONNECT response");

    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let request = UpstreamRequest { proxy: through(ProxyKind::Http, port, None), ..request };
    let error = sender().send(request).await.err().unwrap();
    assert_eq!(error.kind, SendErrorKind::Refused);
    assert_eq!(error.message, format!("connect ECONNREFUSED 127.0.0.1:{port}"));
}

#[rstest]
#[case::open(None, None)]
#[case::with_credentials(Some("us@er:p/w"), Some(("us%40er", "p/w")))]
#[tokio::test]
async fn socks_proxies_resolve_the_name(
    #[case] expected: Option<&'static str>,
    #[case] credentials: Option<(&str, &str)>,
    #[values(false, true)] tls: bool,
) {
    let vendor = if tls { tls_vendor().await } else { Peer::answering(OK).await };
    let log = Log::default();
    let proxy = socks_proxy(log.clone(), expected, 0).await;
    let scheme = if tls { "https" } else { "http" };
    // A name that only the proxy can resolve.
    let url = format!("{scheme}://api.anthropic.com:{}/v1", vendor.port);
    let proxy = through(ProxyKind::Socks5, proxy.port, credentials);
    let request = UpstreamRequest { proxy, ..post(&url, b"{}") };
    let response = trusting().send(request).await.unwrap();
    assert_eq!(drain(response).await.0, b"ok");
    assert_eq!(*log.lock(), [format!("3 api.anthropic.com:{}", vendor.port)]);
}

#[rstest]
#[case(Some("u:right"), 0, "Socks5 Authentication failed")]
#[case(None, 2, "Socks5 proxy rejected connection - NotAllowed")]
#[case(None, 4, "Socks5 proxy rejected connection - HostUnreachable")]
#[tokio::test]
async fn failing_socks_proxies_are_told_apart(
    #[case] expected: Option<&'static str>,
    #[case] reply: u8,
    #[case] message: &str,
) {
    let proxy = socks_proxy(Log::default(), expected, reply).await;
    let request = UpstreamRequest {
        proxy: through(ProxyKind::Socks5, proxy.port, Some(("u", "wrong"))),
        ..post("http://127.0.0.1:1/", b"{}")
    };
    let error = sender().send(request).await.err().unwrap();
    assert_eq!((error.kind, error.message.as_str()), (SendErrorKind::Proxy, message));
}

#[test]
fn unusable_root_files_are_named() {
    for (file, part) in [
        (PathBuf::from("/no/such/file.pem"), "/no/such/file.pem holds no usable certificate"),
        (fixture("README.md"), "no certificate in it"),
    ] {
        let settings = SenderSettings { extra_roots: vec![file], ..SenderSettings::default() };
        let message = HttpSender::new(settings).err().unwrap().to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn the_environments_proxies_open_tunnels_unless_a_request_goes_past() {
    let vendor = tls_vendor().await;
    let log = Log::default();
    let proxy = http_proxy(log.clone(), false).await;
    let surroundings = SurroundingProxies {
        https: Some(format!("127.0.0.1:{}", proxy.port).into()),
        ..SurroundingProxies::default()
    };
    let extra_roots = vec![fixture("root.pem")];
    let settings = SenderSettings { extra_roots, surroundings, ..SenderSettings::default() };
    let sender = HttpSender::new(settings).unwrap();
    let url = format!("https://localhost:{}/v1", vendor.port);
    let response = sender.send(post(&url, b"{}")).await.unwrap();
    assert_eq!(drain(response).await.0, b"ok");
    assert!(log.lock()[0].starts_with(&format!("CONNECT localhost:{} ", vendor.port)));
    let response = sender.send_past(post(&url, b"{}")).await.unwrap();
    assert_eq!(drain(response).await.0, b"ok");
    assert_eq!((log.lock().len(), proxy.accepted(), vendor.accepted()), (1, 1, 2));
}

#[rstest]
#[case(false)]
#[case(true)]
#[tokio::test]
async fn the_environments_proxies_are_handed_open_requests(#[case] tls: bool) {
    let (log, acceptor) = (Log::default(), acceptor());
    let heard = log.clone();
    let proxy = Peer::start(move |_, mut stream| {
        let (log, acceptor) = (heard.clone(), acceptor.clone());
        async move {
            if tls {
                let mut stream = acceptor.accept(stream).await.unwrap();
                let (head, _) = read_request(&mut stream).await.unwrap();
                log.lock().push(head);
                stream.write_all(OK).await.unwrap();
                return;
            }
            let (head, _) = read_request(&mut stream).await.unwrap();
            log.lock().push(head);
            stream.write_all(OK).await.unwrap();
        }
    })
    .await;
    let scheme = if tls { "https" } else { "http" };
    let surroundings = SurroundingProxies {
        http: Some(format!("{scheme}://us%40er:p@localhost:{}", proxy.port).into()),
        ..SurroundingProxies::default()
    };
    let extra_roots = vec![fixture("root.pem")];
    let settings = SenderSettings { extra_roots, surroundings, ..SenderSettings::default() };
    let sender = HttpSender::new(settings).unwrap();
    let response = sender.send(post("http://vendor.test/v1?a=b", b"{}")).await.unwrap();
    assert_eq!(drain(response).await.0, b"ok");
    assert_eq!(
        *log.lock(),
        ["POST http://vendor.test/v1?a=b HTTP/1.1\r\nHost: api.anthropic.com\r\n\
          Content-Length: 2\r\nProxy-Authorization: Basic dXNAZXI6cA==\r\n\r\n"]
    );
    let error = sender.send_past(post("http://vendor.test/v1", b"{}")).await.err().unwrap();
    assert_eq!(error.kind, SendErrorKind::Dns);
}
