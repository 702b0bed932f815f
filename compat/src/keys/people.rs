//! Keys: administrators, users and their logins.

use super::keys;

keys! {
    /// The administrator, copied from data/init.json.
    const ADMIN_CREDENTIALS = "session:admin_credentials";
    /// Login of the administrator; the first use cuts its life to a day.
    fn admin_session(token) = "session:{token}";
    /// Administrator written by the export scripts only.
    fn old_admin(id) = "admin:{id}";
    /// Administrator id of a name; export scripts only.
    fn old_admin_username(username) = "admin_username:{username}";
    /// An OAuth login under way.
    fn oauth_session(session_id) = "oauth:{session_id}";
    /// Result of an OAuth login; no writer is left.
    fn old_oauth_session(session_id) = "oauth_session:{session_id}";
    /// User record, one JSON text.
    fn user(user_id) = "user:{user_id}";
    /// User id of a login name.
    fn username(username) = "username:{username}";
    /// Ids of all users.
    const USERS = "user:index";
    /// 1 while there is taken to be none; hides users until removed.
    const USERS_EMPTY = "user:index:empty";
    /// Login of a user as JSON.
    fn user_session(token) = "user_session:{token}";
}
