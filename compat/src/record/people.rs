//! Users and administrators, and their sessions (contract/redis.md §i).

use serde_json::json;

use super::{
    Json,
    field::{Date, Hidden, Late, Text},
    layout::record,
};

/// A user of the console, `user:{id}`: JSON with native types.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// The stored object.
    pub json: Json,
}

impl User {
    /// Reads the stored text; `None` when it is not a JSON object.
    pub fn from_stored(stored: &str) -> Option<Self> {
        Json::parse(stored).map(|json| Self { json })
    }

    /// The text to store.
    pub fn to_stored(&self) -> String {
        self.json.to_stored()
    }

    /// User id, 32 hex digits.
    pub fn id(&self) -> &str {
        self.json.text("id")
    }

    /// Login name.
    pub fn username(&self) -> &str {
        self.json.text("username")
    }

    /// `user` or `admin`.
    pub fn role(&self) -> &str {
        self.json.text("role")
    }

    /// Whether the user, and so every key of theirs, may be used.
    pub fn is_active(&self) -> bool {
        self.json.truthy("isActive")
    }
}

/// A login of a user, `user_session:{token}`.
#[derive(Clone, Debug, PartialEq)]
pub struct UserSession {
    /// The stored object; may carry extra fields.
    pub json: Json,
}

impl UserSession {
    /// A new session; times as ISO text.
    pub fn new(token: &str, user_id: &str, created_at: &str, expires_at: &str) -> Self {
        let fields = json!({
            "token": token, "userId": user_id, "createdAt": created_at, "expiresAt": expires_at,
        });
        Self { json: Json::from(fields) }
    }

    /// Reads the stored text; `None` when it is not a JSON object.
    pub fn from_stored(stored: &str) -> Option<Self> {
        Json::parse(stored).map(|json| Self { json })
    }

    /// The text to store.
    pub fn to_stored(&self) -> String {
        self.json.to_stored()
    }

    /// Whose session.
    pub fn user_id(&self) -> &str {
        self.json.text("userId")
    }

    /// When it ends, ISO text; use does not extend it.
    pub fn expires_at(&self) -> &str {
        self.json.text("expiresAt")
    }
}

record! {
    /// A login of the administrator, `session:{token}`. `id` is the token.
    pub struct AdminSession {
        /// Administrator's name.
        username: Text => "username",
        /// When the login was.
        login_time: Date => "loginTime",
        /// Last request; a session sleeps 24 hours at most.
        last_activity: Date => "lastActivity",
    }
}

impl AdminSession {
    /// Whether the record is a login at all: without name or login time it is some other hash under the
    /// same prefix and must never count.
    pub fn is_login(&self) -> bool {
        !self.username.is_empty() && self.login_time.is_some()
    }
}

record! {
    /// The administrator, `session:admin_credentials`; a copy of `data/init.json`.
    pub struct AdminCredentials {
        /// Login name.
        username: Text => "username",
        /// bcrypt hash of the password.
        password_hash: Hidden => "passwordHash",
        /// Creation time.
        created_at: Date => "createdAt",
        /// Last login.
        last_login: Date => "lastLogin",
        /// Last change of the password.
        updated_at: Late<Date> => "updatedAt",
    }
}
