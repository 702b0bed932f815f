//! Mail over SMTP, the only traffic here that is not HTTP.
//!
//! Speaks as the legacy service's mailer does: TLS from the start or by `STARTTLS` when the server offers
//! it, a login when the server takes one, and one recipient that is refused does not keep the others from
//! theirs. Messages come ready made.

mod login;

use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

use futures_util::future::BoxFuture;
use lettre::{
    Address,
    transport::smtp::{
        Error,
        client::{
            AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
        },
        commands::{Data, Mail as From, Rcpt},
        extension::{ClientId, Extension, MailParameter},
    },
};
use tokio::task::spawn_blocking;

use super::{SendError, SendErrorKind};
use crate::domain::Secret;

/// A message and the server that takes it.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS from the start; otherwise by `STARTTLS` when the server offers it.
    pub secure: bool,
    /// Any certificate will do.
    pub trust_any: bool,
    /// User and password.
    pub login: Option<(String, Secret)>,
    /// Sender; `None` is the empty one.
    pub from: Option<Address>,
    /// Recipients.
    pub to: Vec<Address>,
    /// Headers and body.
    pub message: Vec<u8>,
    /// Longest wait for the connection.
    pub connect_timeout: Duration,
}

/// Hands mail to servers.
pub trait MailSender: Send + Sync + 'static {
    /// Resolves when the server has taken the message for at least one recipient.
    fn send_mail(&self, mail: Mail) -> BoxFuture<'_, Result<(), SendError>>;
}

/// Sends over a new connection to one of these addresses.
pub(super) async fn send(
    mail: Mail,
    addresses: &[SocketAddr],
    roots: Vec<PathBuf>,
) -> Result<(), SendError> {
    let (host, trust_any) = (mail.host.clone(), mail.trust_any);
    // Reads trust roots from the disk.
    let tls = spawn_blocking(move || tls(host, trust_any, &roots)).await;
    let tls = tls.map_err(|error| fault(SendErrorKind::Tls, error.to_string()))??;
    let hello = ClientId::default();
    let from_start = mail.secure.then(|| tls.clone());
    let limit = Some(mail.connect_timeout);
    let mut line = AsyncSmtpConnection::connect_tokio1(addresses, limit, &hello, from_start, None)
        .await
        .map_err(failed)?;
    // A line whose encryption failed can only be dropped.
    if !mail.secure && line.can_starttls() {
        line.starttls(tls, &hello).await.map_err(failed)?;
    }
    let outcome = converse(&mut line, &mail).await;
    match outcome {
        // The message is taken; how they part is nobody's business.
        Ok(()) => drop(line.quit().await),
        Err(_) => line.abort().await,
    }
    outcome
}

async fn converse(line: &mut AsyncSmtpConnection, mail: &Mail) -> Result<(), SendError> {
    if let Some((user, password)) = &mail.login {
        login::log_in(line, user, password).await?;
    }
    let plain = |address: &Address| <Address as AsRef<str>>::as_ref(address).is_ascii();
    let utf8 = !mail.to.iter().chain(&mail.from).all(plain);
    let utf8 = utf8 && line.server_info().supports_feature(Extension::SmtpUtfEight);
    let parameters = if utf8 { vec![MailParameter::SmtpUtfEight] } else { Vec::new() };
    line.command(From::new(mail.from.clone(), parameters)).await.map_err(failed)?;
    let mut refusal = None;
    let mut taken = 0;
    for to in &mail.to {
        match line.command(Rcpt::new(to.clone(), Vec::new())).await {
            Ok(_) => taken += 1,
            Err(error) if error.is_response() || error.status().is_some() => refusal = Some(error),
            Err(error) => return Err(failed(error)),
        }
    }
    match refusal {
        Some(error) if taken == 0 => {
            let text = format!("Can't send mail - all recipients were rejected: {}", told(&error));
            return Err(fault(SendErrorKind::Invalid, text));
        }
        Some(error) => tracing::warn!(error = told(&error), "a recipient of a mail was refused"),
        None => {}
    }
    line.command(Data).await.map_err(failed)?;
    line.message(&mail.message).await.map_err(failed)?;
    Ok(())
}

fn tls(host: String, trust_any: bool, roots: &[PathBuf]) -> Result<TlsParameters, SendError> {
    let mut builder = TlsParameters::builder(host)
        .certificate_store(CertificateStore::WebpkiRoots)
        .dangerous_accept_invalid_certs(trust_any)
        .dangerous_accept_invalid_hostnames(trust_any);
    for certificate in rustls_native_certs::load_native_certs().certs {
        builder = add(builder, certificate.to_vec());
    }
    for file in roots {
        // Files that cannot be read stopped the start already.
        let Ok(pem) = std::fs::read(file) else { continue };
        let mut reader = io::BufReader::new(pem.as_slice());
        for certificate in rustls_pemfile::certs(&mut reader).flatten() {
            builder = add(builder, certificate.to_vec());
        }
    }
    builder.build_rustls().map_err(|error| fault(SendErrorKind::Tls, error.to_string()))
}

/// Trusts a certificate; one that is unusable is passed over.
fn add(builder: TlsParametersBuilder, der: Vec<u8>) -> TlsParametersBuilder {
    match Certificate::from_der(der) {
        Ok(certificate) => builder.add_root_certificate(certificate),
        Err(_) => builder,
    }
}

fn failed(error: Error) -> SendError {
    let kind = match &error {
        error if error.is_timeout() => SendErrorKind::IdleTimeout,
        error if error.is_tls() => SendErrorKind::Tls,
        error if error.status().is_some() => SendErrorKind::Invalid,
        _ => SendErrorKind::Network,
    };
    fault(kind, told(&error))
}

/// The server's words, or what went wrong on the way to it.
fn told(error: &Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    match (error.status(), source) {
        (Some(code), Some(words)) => format!("{code} {words}"),
        (None, Some(cause)) => cause,
        (_, None) => error.to_string(),
    }
}

fn fault(kind: SendErrorKind, text: String) -> SendError {
    SendError::new(kind, text).with_code(None)
}
