//! From a profile of AWS's shared files to the way that leads to credentials: where it begins, and the
//! roles that are taken on from there. Nothing is read or asked here.

use super::Miss;
use crate::{
    config::{Profiles, Section},
    platform::bedrock::{AccessKey, roles::Role},
};

/// Where a way begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Keys that stand in the file.
    Keys(AccessKey),
    /// Another identity provider's token, in this file, for the role.
    Token(String, Role),
    /// A program that prints credentials.
    Program(String),
    /// Single sign-on.
    SignOn(SignOn),
    /// `credential_source = Environment`.
    Environment,
    /// `credential_source = EcsContainer`.
    Container,
    /// `credential_source = Ec2InstanceMetadata`.
    Metadata,
}

/// A role under single sign-on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignOn {
    /// Names the token's file: the session, else the start address.
    pub session: String,
    /// Whether the session has a section of its own; such tokens can be renewed.
    pub renewable: bool,
    pub region: String,
    pub account: String,
    pub role: String,
}

/// A whole way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub start: Start,
    /// Roles in the order in which they are taken on.
    pub roles: Vec<Role>,
}

/// Most profiles that lead to each other.
const STEPS_MAX: usize = 20;

/// The way that a profile describes.
///
/// # Errors
/// Why it describes none. Some profiles mean to, and nothing is looked for beyond them.
pub(super) fn of_profile(profiles: &Profiles, name: &str) -> Result<Way, Miss> {
    let mut roles = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    let (mut name, mut led) = (name.to_owned(), false);
    loop {
        let profile = profiles
            .for_credentials(&name)
            .ok_or_else(|| Miss::Next(format!("profile \"{name}\" stands in neither file")))?;
        let get = |entry: &str| profile.get(entry).cloned();
        // Keys of a profile that another one leads to go before its own role.
        if led && let Some(keys) = keys(&profile) {
            return Ok(done(Start::Keys(keys), roles));
        }
        let (source, given, arn) =
            (get("source_profile"), get("credential_source"), get("role_arn"));
        let plain_source = led && arn.is_none() && given.is_some();
        let takes_role = arn.is_some() && source.is_some() != given.is_some();
        if plain_source || takes_role {
            if let Some(arn) = arn.filter(|_| takes_role) {
                let mut role = role(arn, &profile);
                // The first profile's region is asked for all of its roles.
                role.region = match roles.first() {
                    None => get("region"),
                    Some(first) => Role::clone(first).region,
                };
                roles.push(role);
            }
            if let Some(given) = given {
                return Ok(done(given_source(&given, &name)?, roles));
            }
            let next = source.unwrap_or_default();
            if seen.contains(&next) || seen.len() >= STEPS_MAX {
                return Err(Miss::Next(format!("profile \"{next}\" leads back to itself")));
            }
            seen.push(next.clone());
            (name, led) = (next, true);
            continue;
        }
        let start = match (keys(&profile), get("web_identity_token_file"), arn) {
            (Some(keys), ..) => Start::Keys(keys),
            (None, Some(file), Some(arn)) => Start::Token(file, role(arn, &profile)),
            _ => match get("credential_process") {
                Some(command) => Start::Program(command),
                None => Start::SignOn(sign_on(&name, &profile, profiles)?),
            },
        };
        return Ok(done(start, roles));
    }
}

fn done(start: Start, mut roles: Vec<Role>) -> Way {
    roles.reverse();
    Way { start, roles }
}

fn keys(profile: &Section) -> Option<AccessKey> {
    Some(AccessKey {
        id: profile.get("aws_access_key_id")?.clone(),
        secret: profile.get("aws_secret_access_key")?.as_str().into(),
        session_token: profile.get("aws_session_token").map(|token| token.as_str().into()),
    })
}

fn role(arn: String, profile: &Section) -> Role {
    let get = |entry: &str| profile.get(entry).cloned();
    let seconds = get("duration_seconds").as_deref().and_then(js::parse_int);
    Role {
        arn,
        session: get("role_session_name"),
        external_id: get("external_id"),
        seconds: seconds.map(|seconds| seconds.to_string()),
        second_factor: get("mfa_serial").filter(|serial| !serial.is_empty()),
        region: None,
    }
}

fn given_source(given: &str, name: &str) -> Result<Start, Miss> {
    match given {
        "Environment" => Ok(Start::Environment),
        "EcsContainer" => Ok(Start::Container),
        "Ec2InstanceMetadata" => Ok(Start::Metadata),
        _ => Err(Miss::Next(format!(
            "profile \"{name}\": credential_source is \"{given}\", not Environment, EcsContainer or Ec2InstanceMetadata"
        ))),
    }
}

fn sign_on(name: &str, profile: &Section, profiles: &Profiles) -> Result<SignOn, Miss> {
    let get = |entry: &str| profile.get(entry).cloned();
    let session = get("sso_session");
    if session.is_none() && !profile.keys().any(|entry| entry.starts_with("sso_")) {
        return Err(Miss::Next(format!(
            "profile \"{name}\" has no keys, role, credential_process or single sign-on"
        )));
    }
    let named = match &session {
        Some(session) => profiles.named("sso-session", session).cloned().ok_or_else(|| {
            Miss::End(format!("profile \"{name}\": there is no [sso-session {session}]"))
        })?,
        None => Section::new(),
    };
    // A session's section alone says where it is, a profile alone what for.
    let wanted = |section: &Section, entry: &str| {
        let found = section.get(entry).filter(|text| !text.is_empty()).cloned();
        found.ok_or_else(|| Miss::End(format!("profile \"{name}\" has no {entry}")))
    };
    let place = if session.is_some() { &named } else { profile };
    let start = wanted(place, "sso_start_url")?;
    Ok(SignOn {
        renewable: session.is_some(),
        session: session.unwrap_or(start),
        region: wanted(place, "sso_region")?,
        account: wanted(profile, "sso_account_id")?,
        role: wanted(profile, "sso_role_name")?,
    })
}
