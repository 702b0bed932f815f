//! Asking for credentials: programs, containers' agents, the machine, token services.

use std::{io::Read, path::Path, process::Stdio, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::Method;
use tokio::{io::AsyncReadExt, process::Command, time::timeout};
use url::{Host, Url};

use super::Ambient;
use crate::{
    domain::{HeaderList, Secret},
    platform::bedrock::{
        Endpoints,
        documents::{self, Lease},
        roles::{self, Applicant, Role},
    },
    upstream::{SendErrorKind, UpstreamRequest},
};

/// How long a program may take.
const PROGRAM_PATIENCE: Duration = Duration::from_secs(60);
/// How long services on the machine and in its container may take.
const NEAR_PATIENCE: Duration = Duration::from_secs(1);
/// How long services of the vendor may take.
pub(super) const FAR_PATIENCE: Duration = Duration::from_secs(10);
/// How often the services are asked, and the pause after each failure.
pub(super) const ATTEMPTS: u32 = 3;
pub(super) const PAUSE: Duration = Duration::from_millis(200);
/// Longest answer that is read.
const ANSWER_MAX: u64 = 64 * 1024;

/// The operator's program that prints codes of second factors, and what tells it which one is asked for.
const MFA_PROGRAM: &str = "CRS_AWS_MFA_PROGRAM";
const MFA_SERIAL: &str = "AWS_MFA_SERIAL";

/// Where a machine says what its role's credentials are.
const METADATA_ROLE: &str = "/latest/meta-data/iam/security-credentials/";
const METADATA_TOKEN: &str = "/latest/api/token";

/// An answer.
pub(super) struct Told {
    pub status: u16,
    pub body: Bytes,
}

impl Ambient {
    /// Runs a program that prints credentials.
    pub(super) async fn program(&self, command: &str) -> Result<Lease, String> {
        let printed = printed("credential_process", command, None).await?;
        documents::of_process(&printed, self.clock.now_ms())
            .map_err(|why| format!("credential_process: {why}"))
    }

    /// The code of the second factor that a role asks for, from the operator's program.
    pub(super) async fn second_factor(&self, role: &Role) -> Result<Option<Secret>, String> {
        let Some(serial) = &role.second_factor else { return Ok(None) };
        let Some(command) = &self.from.mfa_program else {
            return Err(format!(
                "role {} wants a code of the second factor {serial}; set {MFA_PROGRAM} to a program that prints one",
                role.arn
            ));
        };
        let printed = printed(MFA_PROGRAM, command, Some(serial)).await?;
        let code = String::from_utf8_lossy(&printed).trim().to_owned();
        if code.is_empty() {
            return Err(format!("{MFA_PROGRAM} printed no code"));
        }
        Ok(Some(code.into()))
    }

    /// Asks the agent of the container.
    pub(super) async fn container(&self) -> Result<Lease, String> {
        let Some(url) = &self.from.container_url else {
            return Err(
                "neither AWS_CONTAINER_CREDENTIALS_FULL_URI nor AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set"
                    .to_owned(),
            );
        };
        let target = Url::parse(url).map_err(|_| format!("\"{url}\" is no URL"))?;
        if !is_near(&target) {
            return Err(format!(
                "{target} is neither HTTPS nor this machine nor the agent of ECS or EKS"
            ));
        }
        let mut why = String::new();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let mut headers = HeaderList::new();
            if let Some(token) = &self.from.container_token {
                headers.push("Authorization", token.expose());
            } else if let Some(file) = &self.from.container_token_file {
                headers.push("Authorization", read(file)?.expose().trim());
            }
            match self.ask(Method::GET, target.as_str(), headers, Bytes::new(), NEAR_PATIENCE).await
            {
                Ok(told) if told.status == 200 => return documents::of_metadata(&told.body),
                Ok(told) => why = format!("it answered with status {}", told.status),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// Asks the machine's metadata service for the credentials of its role.
    pub(super) async fn metadata(&self) -> Result<Lease, String> {
        if self.from.metadata_disabled {
            return Err("AWS_EC2_METADATA_DISABLED is set".to_owned());
        }
        let base = self.from.metadata_url.trim_end_matches('/');
        let mut headers = HeaderList::new();
        headers.push("x-aws-ec2-metadata-token-ttl-seconds", "21600");
        let token = self
            .ask(
                Method::PUT,
                &format!("{base}{METADATA_TOKEN}"),
                headers,
                Bytes::new(),
                NEAR_PATIENCE,
            )
            .await?;
        let mut headers = HeaderList::new();
        match token.status {
            200 => headers.push("x-aws-ec2-metadata-token", &*String::from_utf8_lossy(&token.body)),
            // Old machines know no tokens.
            403..=405 if !self.from.metadata_v1_disabled => {}
            status => {
                return Err(format!("it answered with status {status} to the wish for a token"));
            }
        }
        let url = format!("{base}{METADATA_ROLE}");
        let role = self.near(&url, headers.clone()).await?;
        let role = String::from_utf8_lossy(&role).trim().to_owned();
        documents::of_metadata(&self.near(&format!("{url}{role}"), headers).await?)
    }

    async fn near(&self, url: &str, headers: HeaderList) -> Result<Bytes, String> {
        let told = self.ask(Method::GET, url, headers, Bytes::new(), NEAR_PATIENCE).await?;
        match told.status {
            200 => Ok(told.body),
            404 => Err("the machine has no role".to_owned()),
            status => Err(format!("it answered with status {status}")),
        }
    }

    /// Takes on a role with the token that stands in a file.
    pub(super) async fn role_by_token(&self, file: &Path, role: &Role) -> Result<Lease, String> {
        let token = read(file)?;
        self.role(role, Applicant::Token(&token)).await
    }

    /// Takes on a role.
    pub(super) async fn role(&self, role: &Role, by: Applicant<'_>) -> Result<Lease, String> {
        let endpoints = Endpoints { base: self.from.sts_url.clone(), ..Endpoints::default() };
        let mut why = String::new();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let now_ms = self.clock.now_ms();
            let built = roles::request(role, by, &endpoints, &self.from.region, now_ms)
                .map_err(|error| error.to_string())?;
            let told =
                self.ask(Method::POST, &built.url, built.headers, built.body, FAR_PATIENCE).await;
            let said = match told {
                Ok(told) if told.status < 500 && told.status != 429 => {
                    return roles::answer(told.status, &told.body)
                        .map_err(|why| format!("role {}: {why}", role.arn));
                }
                Ok(told) => roles::answer(told.status, &told.body).err().unwrap_or_default(),
                Err(error) => error,
            };
            why = format!("role {}: {said}", role.arn);
        }
        Err(why)
    }

    pub(super) async fn ask(
        &self,
        method: Method,
        url: &str,
        own: HeaderList,
        body: Bytes,
        patience: Duration,
    ) -> Result<Told, String> {
        let target = Url::parse(url).map_err(|_| "the address is no URL".to_owned())?;
        let host = target.host_str().unwrap_or_default();
        let mut headers = HeaderList::new();
        if own.get("host").is_none() {
            let host =
                target.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
            headers.push("Host", host);
        }
        for (name, value) in own.iter() {
            headers.push(name, value);
        }
        if method != Method::GET && headers.get("content-length").is_none() {
            headers.push("Content-Length", body.len().to_string());
        }
        let request = UpstreamRequest {
            method,
            url: url.to_owned(),
            headers,
            body,
            proxy: None,
            idle_timeout: patience,
            decode_body: false,
        };
        let exchange = async {
            let response = self.sender.send_past(request).await?;
            let (status, mut stream) = (response.status, response.body);
            let mut body = BytesMut::new();
            while let Some(chunk) = stream.next().await {
                body.extend_from_slice(&chunk?);
                if body.len() as u64 > ANSWER_MAX {
                    break;
                }
            }
            Ok::<_, crate::upstream::SendError>(Told { status, body: body.freeze() })
        };
        let silent = || format!("{host} does not answer");
        match timeout(patience, exchange).await {
            Err(_) => Err(silent()),
            Ok(Err(error)) if error.kind == SendErrorKind::IdleTimeout => Err(silent()),
            Ok(Err(error)) => Err(error.message),
            Ok(Ok(told)) => Ok(told),
        }
    }
}

/// What a program prints. The serial number of a second factor is handed to it in the environment.
async fn printed(name: &str, command: &str, serial: Option<&String>) -> Result<Vec<u8>, String> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .envs(serial.map(|serial| (MFA_SERIAL, serial)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{name} cannot be run: {error}"))?;
    let out = child.stdout.take();
    let ran = async {
        let mut printed = Vec::new();
        if let Some(out) = out {
            let _ = out.take(ANSWER_MAX).read_to_end(&mut printed).await;
        }
        (child.wait().await, printed)
    };
    match timeout(PROGRAM_PATIENCE, ran).await {
        Err(_) => Err(format!("{name} took over {} s", PROGRAM_PATIENCE.as_secs())),
        Ok((Ok(status), printed)) if status.success() => Ok(printed),
        Ok((Ok(status), _)) => Err(format!("{name} ended with {status}")),
        Ok((Err(error), _)) => Err(format!("{name} was lost: {error}")),
    }
}

pub(super) fn read(file: &Path) -> Result<Secret, String> {
    let mut text = String::new();
    let open = std::fs::File::open(file);
    let read = open.and_then(|file| file.take(ANSWER_MAX).read_to_string(&mut text));
    read.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    Ok(text.into())
}

/// Secrets go open to nobody but this machine and the agents that have an address of their own.
fn is_near(url: &Url) -> bool {
    if url.scheme() == "https" {
        return true;
    }
    match url.host() {
        Some(Host::Ipv4(ip)) => {
            ip.is_loopback()
                || ip.octets() == [169, 254, 170, 2]
                || ip.octets() == [169, 254, 170, 23]
        }
        Some(Host::Ipv6(ip)) => {
            ip.is_loopback() || ip.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23]
        }
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
