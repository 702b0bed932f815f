//! What the surroundings say about AWS: credentials for accounts that have none of their own, and the
//! files that AWS's tools share ([`Profiles`]).

mod profiles;

use std::path::{Path, PathBuf};

use super::reader::Reader;
use crate::domain::Secret;

pub use profiles::{DEFAULT_PROFILE, Profiles, Section, SharedFiles};

/// Where AWS's client libraries look for credentials, one after the other.
#[derive(Clone, Debug, Default)]
pub struct AwsSurroundings {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: Option<String>,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Option<Secret>,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<Secret>,
    /// `AWS_BEARER_TOKEN_BEDROCK`: used before any access key, also an account's.
    pub bearer_token: Option<Secret>,
    /// `AWS_PROFILE`: when set, the keys above are passed over.
    pub profile: Option<String>,
    /// `AWS_CONFIG_FILE`, `AWS_SHARED_CREDENTIALS_FILE`.
    pub files: SharedFiles,
    /// Folder of tokens that `aws sso login` left: `~/.aws/sso/cache`.
    pub sso_cache: PathBuf,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`.
    pub token_file: Option<PathBuf>,
    /// `AWS_ROLE_ARN`: taken on with that token.
    pub role_arn: Option<String>,
    /// `AWS_ROLE_SESSION_NAME`.
    pub role_session_name: Option<String>,
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI`, else `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` on the
    /// container agent's address.
    pub container_url: Option<String>,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN`.
    pub container_token: Option<Secret>,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`: read each time.
    pub container_token_file: Option<PathBuf>,
    /// `AWS_EC2_METADATA_DISABLED`: the machine is not asked.
    pub metadata_disabled: bool,
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT`, or that of `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE`.
    pub metadata_url: String,
    /// `AWS_EC2_METADATA_V1_DISABLED`: the machine is not asked without a token.
    pub metadata_v1_disabled: bool,
    /// `AWS_ENDPOINT_URL_STS`, else `AWS_ENDPOINT_URL`: asked for roles in place of the regions'.
    pub sts_url: Option<String>,
    /// `AWS_ENDPOINT_URL_SSO`, else `AWS_ENDPOINT_URL`: asked for credentials under single sign-on.
    pub sso_url: Option<String>,
    /// `AWS_ENDPOINT_URL_SSO_OIDC`, else `AWS_ENDPOINT_URL`: asked to renew tokens of single sign-on.
    pub sso_oidc_url: Option<String>,
    /// `CRS_AWS_MFA_PROGRAM`: prints codes of second factors that profiles name with `mfa_serial`.
    pub mfa_program: Option<String>,
    /// Asked for roles where a profile names no region: `AWS_REGION`.
    pub region: String,
    /// Whether any of these was set up, other than the machine, which is not known before it is asked.
    pub named: bool,
}

const CONTAINER_AGENT: &str = "http://169.254.170.2";
const METADATA_V4: &str = "http://169.254.169.254";
const METADATA_V6: &str = "http://[fd00:ec2::254]";

impl AwsSurroundings {
    pub(super) fn read(reader: &Reader<'_>, region: &str) -> Self {
        let home = reader.optional("HOME").map(PathBuf::from);
        let path = |name| reader.optional(name).map(PathBuf::from);
        // Without a home there are no files in it.
        let at_home = |rest: &Path| home.as_ref().map(|home| home.join(rest)).unwrap_or_default();
        let file = |name, own: &str| match path(name) {
            None => at_home(Path::new(own)),
            Some(path) => path.strip_prefix("~").map(at_home).unwrap_or(path.clone()),
        };
        let files = SharedFiles {
            config: file("AWS_CONFIG_FILE", ".aws/config"),
            credentials: file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
        };
        let profile = reader.optional("AWS_PROFILE");
        let shared = Shared::of(&files, profile.as_deref());
        let relative = reader.optional("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let relative = relative.map(|path| format!("{CONTAINER_AGENT}{path}"));
        let secret = |name| reader.optional(name).map(Secret::from);
        let on = |text: Option<String>| text.is_some_and(|text| text != "false");
        let v1 = reader.raw("AWS_EC2_METADATA_V1_DISABLED").filter(|text| !text.is_empty());
        let mode = reader.optional("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
        let mode = mode.or_else(|| shared.text("ec2_metadata_service_endpoint_mode"));
        let metadata = reader.optional("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        let metadata = metadata.or_else(|| shared.text("ec2_metadata_service_endpoint"));
        let everywhere = reader.optional("AWS_ENDPOINT_URL");
        let endpoint = |variable, service| {
            let own = reader.optional(variable).or_else(|| everywhere.clone());
            own.or_else(|| shared.endpoint(service))
        };
        let mut read = Self {
            named: profile.is_some() || shared.exists(),
            access_key_id: reader.optional("AWS_ACCESS_KEY_ID"),
            secret_access_key: secret("AWS_SECRET_ACCESS_KEY"),
            session_token: secret("AWS_SESSION_TOKEN"),
            bearer_token: secret("AWS_BEARER_TOKEN_BEDROCK"),
            sso_cache: at_home(Path::new(".aws/sso/cache")),
            token_file: path("AWS_WEB_IDENTITY_TOKEN_FILE"),
            role_arn: reader.optional("AWS_ROLE_ARN"),
            role_session_name: reader.optional("AWS_ROLE_SESSION_NAME"),
            container_url: reader.optional("AWS_CONTAINER_CREDENTIALS_FULL_URI").or(relative),
            container_token: secret("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
            container_token_file: path("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
            metadata_disabled: on(reader.optional("AWS_EC2_METADATA_DISABLED")),
            metadata_url: metadata.unwrap_or_else(|| {
                let v6 = mode.is_some_and(|mode| mode == "IPv6");
                if v6 { METADATA_V6 } else { METADATA_V4 }.to_owned()
            }),
            metadata_v1_disabled: on(v1.or_else(|| shared.text("ec2_metadata_v1_disabled"))),
            sts_url: endpoint("AWS_ENDPOINT_URL_STS", "sts"),
            sso_url: endpoint("AWS_ENDPOINT_URL_SSO", "sso"),
            sso_oidc_url: endpoint("AWS_ENDPOINT_URL_SSO_OIDC", "sso_oidc"),
            mfa_program: reader.optional("CRS_AWS_MFA_PROGRAM"),
            region: region.to_owned(),
            profile,
            files,
        };
        read.named |= read.bearer_token.is_some()
            || read.access_key_id.is_some() && read.secret_access_key.is_some()
            || read.token_file.is_some() && read.role_arn.is_some()
            || read.container_url.is_some();
        read
    }
}

/// The profile in force, for settings.
pub(super) struct Shared {
    profiles: Profiles,
    profile: String,
}

impl Shared {
    pub(super) fn of(files: &SharedFiles, profile: Option<&str>) -> Self {
        let profile = profile.unwrap_or(DEFAULT_PROFILE).to_owned();
        Self { profiles: files.read(), profile }
    }

    fn exists(&self) -> bool {
        self.profiles.for_credentials(&self.profile).is_some()
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.profiles.setting(&self.profile, name).map(str::to_owned)
    }

    /// Another endpoint of a service: in the block of the `services` section that the profile names,
    /// else the profile's own for all.
    pub(super) fn endpoint(&self, service: &str) -> Option<String> {
        let named = self.text("services").and_then(|name| {
            self.profiles.named("services", &name)?.get(&format!("{service}.endpoint_url")).cloned()
        });
        named.or_else(|| self.text("endpoint_url"))
    }
}
