//! Keys: accounts of upstream vendors.

use super::keys;

keys! {
    /// Written under the wrong name by a status reset; nothing reads it.
    fn stray_bedrock_account(account_id) = "bedrock:account:{account_id}";
    /// Account record from before the present layout.
    fn old_claude_account(account_id) = "claude_account:{account_id}";
    /// Account record from before the present layout.
    fn old_openai_account(account_id) = "openai_account:{account_id}";
    /// Recent 401 answers of a Claude account.
    fn unauthorized_count(account_id) = "claude_account:{account_id}:401_errors";
    /// Recent 5xx answers of a Claude account.
    fn server_error_count(account_id) = "claude_account:{account_id}:5xx_errors";
    /// Overload mark of a Claude account as JSON; not in use with the shipped settings.
    fn account_overload(account_id) = "account:overload:{account_id}";
    /// An account not to be used until this expires; JSON for display.
    fn cool_down(account_type, account_id) = "temp_unavailable:{account_type}:{account_id}";
    /// Upstream errors of an account as JSON, newest first, at most 5000.
    fn error_history(account_type, account_id) = "error_history:{account_type}:{account_id}";
    /// Client headers seen with the highest CLI version as JSON.
    fn claude_code_headers(account_id) = "claude_code_headers:{account_id}";
    /// Newest User-Agent of the CLI.
    const UNIFIED_USER_AGENT = "claude_code_user_agent:daily";
    /// First x-stainless headers seen with an account as JSON.
    fn stainless_headers(account_id) = "fmt_claude_req:stainless_headers:{account_id}";
    /// Last five test results as JSON, newest first.
    fn test_history(platform, account_id) = "account:test_history:{platform}:{account_id}";
    /// When an account is tested, and with which model.
    fn test_config(platform, account_id) = "account:test_config:{platform}:{account_id}";
    /// Last test in epoch milliseconds.
    fn last_test(platform, account_id) = "account:last_test:{platform}:{account_id}";
    /// Balance as the vendor told.
    fn balance(platform, account_id) = "account_balance:{platform}:{account_id}";
    /// Balance as computed from usage.
    fn local_balance(platform, account_id) = "account_balance_local:{platform}:{account_id}";
    /// How to ask for the balance as JSON.
    fn balance_script(platform, account_id) = "account_balance_script:{platform}:{account_id}";
}
