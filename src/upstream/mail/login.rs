//! Logging in to a mail server, in the ways and the order of the legacy service's mailer: PLAIN, LOGIN,
//! CRAM-MD5; PLAIN also where a server takes logins but none of these.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use lettre::transport::smtp::{
    Error,
    authentication::{Credentials, Mechanism},
    client::AsyncSmtpConnection,
    commands::Ehlo,
    extension::ClientId,
    response::Response,
};
use md5::Md5;

use super::{SendErrorKind, fault, told};
use crate::{domain::Secret, upstream::SendError};

/// Ways that the library knows, the first that the server takes.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// Logs in, when the server takes logins at all.
pub(super) async fn log_in(
    line: &mut AsyncSmtpConnection,
    user: &str,
    password: &Secret,
) -> Result<(), SendError> {
    let answered = if line.server_info().get_auth_mechanism(&MECHANISMS).is_some() {
        let login = Credentials::new(user.to_owned(), password.expose().to_owned());
        line.auth(&MECHANISMS, &login).await.map(drop)
    } else {
        match others(line).await? {
            Others::None => return Ok(()),
            Others::CramMd5 => cram_md5(line, user, password).await?,
            Others::Unknown => {
                let text = STANDARD.encode(format!("\0{user}\0{}", password.expose()));
                line.command(Words(format!("AUTH PLAIN {text}"))).await.map(drop)
            }
        }
    };
    answered.map_err(|error| refused(told(&error)))
}

/// What a server takes besides.
enum Others {
    None,
    CramMd5,
    Unknown,
}

/// The library drops what it does not know, so the server is asked once more.
async fn others(line: &mut AsyncSmtpConnection) -> Result<Others, SendError> {
    let hello = line.command(Ehlo::new(ClientId::default())).await.map_err(super::failed)?;
    let mut ways = hello.message().filter_map(|words| {
        let (start, ways) = words.split_at_checked(4)?;
        let fits = start.eq_ignore_ascii_case("AUTH") && ways.starts_with([' ', '=']);
        fits.then(|| ways[1..].to_ascii_uppercase())
    });
    Ok(match ways.next() {
        None => Others::None,
        Some(ways) if ways.split_whitespace().any(|way| way == "CRAM-MD5") => Others::CramMd5,
        Some(_) => Others::Unknown,
    })
}

/// Proves the password without showing it (RFC 2195).
async fn cram_md5(
    line: &mut AsyncSmtpConnection,
    user: &str,
    password: &Secret,
) -> Result<Result<(), Error>, SendError> {
    let asked = match line.command(Words("AUTH CRAM-MD5".to_owned())).await {
        Ok(asked) => asked,
        Err(error) => return Ok(Err(error)),
    };
    let challenge = challenge(&asked).ok_or_else(|| refused("no challenge came".to_owned()))?;
    let proof = proof(user, password, &challenge);
    Ok(line.command(Words(STANDARD.encode(proof))).await.map(drop))
}

fn challenge(asked: &Response) -> Option<Vec<u8>> {
    if !asked.has_code(334) {
        return None;
    }
    STANDARD.decode(asked.first_line()?.trim()).ok()
}

fn proof(user: &str, password: &Secret, challenge: &[u8]) -> String {
    // Keys of any length will do.
    let Ok(mut code) = Hmac::<Md5>::new_from_slice(password.expose().as_bytes()) else {
        return String::new();
    };
    code.update(challenge);
    format!("{user} {}", hex::encode(code.finalize().into_bytes()))
}

fn refused(why: String) -> SendError {
    fault(SendErrorKind::Invalid, format!("Invalid login: {why}"))
}

/// One line to the server.
struct Words(String);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\r\n", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::proof;

    /// The example of RFC 2195.
    #[test]
    fn passwords_are_proved() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        assert_eq!(
            proof("tim", &"tanstaaftanstaaf".into(), challenge),
            "tim b913a602c7eda7a495b4e6e7334d3890"
        );
    }
}
