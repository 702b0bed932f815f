//! Keys: conversations and their accounts.

use super::keys;

keys! {
    /// Account of a Claude conversation as JSON.
    fn claude_session(session_hash) = "unified_claude_session_mapping:{session_hash}";
    /// Account of an `OpenAI` conversation as JSON.
    fn openai_session(session_hash) = "unified_openai_session_mapping:{session_hash}";
    /// Account of a Gemini conversation as JSON.
    fn gemini_session(session_hash) = "unified_gemini_session_mapping:{session_hash}";
    /// The same for one OAuth provider.
    fn gemini_provider_session(provider, session_hash) = "unified_gemini_session_mapping:{provider}:{session_hash}";
    /// Account id of a conversation; older form.
    fn old_claude_session(session_hash) = "sticky_session:{session_hash}";
    /// Droid account id of a conversation; key id or the word default.
    fn droid_session(endpoint, key_id, session_hash) = "sticky_session:droid:{endpoint}:{key_id}:{session_hash}";
    /// Which API key of a Droid account a conversation uses.
    fn droid_key_session(account_id, endpoint, session_hash) = "sticky_session:droid_api_key:{account_id}:{endpoint}:{session_hash}";
    /// Azure account id of a conversation.
    fn azure_session(session_id) = "azure_openai_session_account_mapping:{session_id}";
    /// `OpenAI` account id of a conversation; older form.
    fn old_openai_session(session_hash) = "openai_session_account_mapping:{session_hash}";
    /// Conversations of an `OpenAI` account; older form.
    fn old_openai_account_sessions(account_id) = "openai_account_sessions:{account_id}";
    /// Gemini account id of a conversation; older form.
    fn old_gemini_session(session_hash) = "gemini_session_account_mapping:{session_hash}";
    /// Conversations of a Gemini account; older form.
    fn old_gemini_account_sessions(account_id) = "gemini_account_sessions:{account_id}";
    /// Lasting binding of a client session to an account as JSON.
    fn session_binding(session_id) = "original_session_binding:{session_id}";
}
