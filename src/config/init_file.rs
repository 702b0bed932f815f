//! `data/init.json`: the administrator that setup made.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::domain::Secret;

/// Content of `data/init.json`, the same file as the legacy setup script writes.
#[derive(Clone, Debug)]
pub struct InitFile {
    /// Administrator's name.
    pub admin_username: String,
    /// Administrator's password in plain text, as the legacy service stores it here.
    pub admin_password: Secret,
    /// When setup ran, ISO 8601.
    pub initialized_at: Option<String>,
    /// When the credentials were last changed, ISO 8601.
    pub updated_at: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spelling {
    #[serde(skip_serializing_if = "Option::is_none")]
    initialized_at: Option<String>,
    admin_username: String,
    admin_password: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
}

impl InitFile {
    /// Reads the file; `None` when there is none.
    ///
    /// # Errors
    /// When it exists but cannot be read, or holds no credentials. The legacy service does not start
    /// either then.
    pub fn read(path: &Path) -> Result<Option<Self>, ConfigError> {
        let shown = path.display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ConfigError::Unreadable { path: shown, error }),
        };
        // The parser's message may quote the file, so it is not passed on.
        let spelled: Spelling =
            serde_json::from_str(&text).map_err(|_| ConfigError::InitFile { path: shown })?;
        Ok(Some(Self {
            admin_username: spelled.admin_username,
            admin_password: spelled.admin_password.into(),
            initialized_at: spelled.initialized_at,
            updated_at: spelled.updated_at,
        }))
    }

    /// The file's text, spelled and ordered as the legacy setup script does.
    pub fn to_json(&self) -> String {
        let spelled = Spelling {
            initialized_at: self.initialized_at.clone(),
            admin_username: self.admin_username.clone(),
            admin_password: self.admin_password.expose().to_owned(),
            version: Some("1.0.0".to_owned()),
            updated_at: self.updated_at.clone(),
        };
        serde_json::to_string_pretty(&spelled).unwrap_or_default()
    }
}
