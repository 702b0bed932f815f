//! Keys: API keys, their indexes and lookups.

use super::keys;

keys! {
    /// API-key record; every full save renews its year.
    fn api_key(key_id) = "apikey:{key_id}";
    /// Lookup hash to key id; what authentication reads.
    const API_KEY_MAP = "apikey:hash_map";
    /// Older lookup record with id, name and isActive; written on restore.
    fn old_api_key_hash(hash) = "apikey_hash:{hash}";
    /// Key ids by creation time in epoch milliseconds.
    const API_KEYS_BY_CREATION = "apikey:idx:createdAt";
    /// Key ids by last use in epoch milliseconds, 0 for never.
    const API_KEYS_BY_LAST_USE = "apikey:idx:lastUsedAt";
    /// Lower-case name, NUL, key id; all with score 0.
    const API_KEYS_BY_NAME = "apikey:idx:name";
    /// Every key id, deleted ones included.
    const API_KEYS_ALL = "apikey:idx:all";
    /// Ids of keys that are active and not deleted.
    const API_KEYS_ACTIVE = "apikey:set:active";
    /// Ids of keys deleted but restorable.
    const API_KEYS_DELETED = "apikey:set:deleted";
    /// Ids of keys with a tag; the tag is part of the name as it is.
    fn api_keys_with_tag(tag) = "apikey:tag:{tag}";
    /// Every tag, also those no key carries.
    const API_KEY_TAGS = "apikey:tags:all";
    /// 2 or more: the indexes above are complete.
    const API_KEY_INDEX_VERSION = "apikey:index:version";
    /// Scratch set of one list query.
    fn api_key_query_inactive(uuid) = "apikey:tmp:inactive:{uuid}";
    /// Scratch set of one list query.
    fn api_key_query_not_deleted(uuid) = "apikey:tmp:notdeleted:{uuid}";
    /// Scratch set of one list query.
    fn api_key_query_tag(uuid) = "apikey:tmp:tag:{uuid}";
    /// Scratch zset of one list query.
    fn api_key_query_filter(uuid) = "apikey:tmp:filter:{uuid}";
    /// Scratch zset of one list query.
    fn api_key_query_sorted(uuid) = "apikey:tmp:sorted:{uuid}";
    /// List of key ids from before the present layout; never written now.
    const OLD_API_KEYS = "api_keys";
    /// Record from before the present layout.
    fn old_api_key(key_id) = "api_key:{key_id}";
}
