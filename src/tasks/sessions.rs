//! Sessions of administrators that no login made: older versions took any hash for a login.

use compat::{
    keys,
    store::{Cmd, Reply},
};

use super::{Done, Jobs, counted};

impl Jobs {
    /// Removes every session without a name or a time of login, but the stored credentials.
    pub(super) async fn remove_forged_sessions(&self) -> Done {
        let mut sessions = self.scan(&keys::admin_session("*")).await?;
        sessions.retain(|key| key != keys::ADMIN_CREDENTIALS);
        let fields = ["username", "loginTime"];
        let read = sessions.iter().map(|key| Cmd::new("HMGET").arg(key).args(fields)).collect();
        let forged = sessions.iter().zip(self.run(read).await?).filter(|(_, reply)| match reply {
            Reply::Array(fields) => {
                !fields.iter().all(|field| matches!(field, Reply::Data(text) if !text.is_empty()))
            }
            // Of another type: no session.
            _ => true,
        });
        let gone: Vec<Cmd> = forged.map(|(key, _)| Cmd::new("DEL").arg(key)).collect();
        let count = gone.len();
        self.run(gone).await?;
        Ok(counted(count, "forged session removed", "forged sessions removed"))
    }
}
