//! Settings honoured by convention beyond both services.

use super::{Setting, common};

pub(super) const CONVENTION: &[Setting] = &[
    common(
        "UPSTREAM_HOST_MAP",
        "",
        "For tests and rehearsals: `host=base-url` pairs with commas. `/health` warns while it is set.",
    ),
    common("SSL_CERT_FILE", "", "PEM file with further trust roots."),
    common("NODE_EXTRA_CA_CERTS", "", "PEM file with further trust roots."),
    common("TZ", "the system's", "Zone whose midnight a daily cost limit names in `resetAt`."),
    common("LANG", "", "Language by whose rules names are ordered where accounts are listed."),
    common("LC_ALL", "", "Goes before `LC_MESSAGES` and `LANG`."),
    common("LC_MESSAGES", "", "Goes before `LANG`."),
    common("HOME", "", "Folder in which `.aws` is looked for."),
    common(
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "",
        "With `AWS_ROLE_ARN`: token with which that role is taken on, for Bedrock accounts without credentials.",
    ),
    common("AWS_ROLE_ARN", "", "See `AWS_WEB_IDENTITY_TOKEN_FILE`."),
    common(
        "AWS_ROLE_SESSION_NAME",
        "made up",
        "Name of that use of the role in the vendor's logs.",
    ),
    common(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "",
        "Where a container's agent gives out credentials.",
    ),
    common(
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "",
        "The same as a path on ECS's agent; the full address goes before it.",
    ),
    common("AWS_CONTAINER_AUTHORIZATION_TOKEN", "", "Sent to the container's agent."),
    common("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "", "The same in a file, read each time."),
    common(
        "AWS_EC2_METADATA_DISABLED",
        "false",
        "Anything but `false`: the machine is not asked for credentials of its role.",
    ),
    common(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "`ec2_metadata_service_endpoint` of the profile, http://169.254.169.254",
        "Where the machine is asked.",
    ),
    common(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
        "`ec2_metadata_service_endpoint_mode` of the profile, IPv4",
        "`IPv6`: it is asked over IPv6.",
    ),
    common(
        "AWS_EC2_METADATA_V1_DISABLED",
        "`ec2_metadata_v1_disabled` of the profile, false",
        "Anything but `false`: it is not asked without a token.",
    ),
    common(
        "AWS_ENDPOINT_URL_STS",
        "`AWS_ENDPOINT_URL`",
        "Token service asked for roles in place of the regions'.",
    ),
    common(
        "AWS_ENDPOINT_URL_SSO",
        "`AWS_ENDPOINT_URL`",
        "Asked for credentials under single sign-on in place of the regions'.",
    ),
    common(
        "AWS_ENDPOINT_URL_SSO_OIDC",
        "`AWS_ENDPOINT_URL`",
        "Asked to renew tokens of single sign-on in place of the regions'.",
    ),
];
