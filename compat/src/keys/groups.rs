//! Keys: groups of accounts.

use super::keys;

keys! {
    /// Ids of all groups.
    const GROUPS = "account_groups";
    /// Group record.
    fn group(group_id) = "account_group:{group_id}";
    /// Account ids in a group.
    fn group_members(group_id) = "account_group_members:{group_id}";
    /// Group ids of an account; platform is that of the group.
    fn groups_of_account(platform, account_id) = "account_groups_reverse:{platform}:{account_id}";
    /// true once the reverse sets are complete.
    const GROUPS_OF_ACCOUNTS_READY = "account_groups_reverse:migrated";
}
