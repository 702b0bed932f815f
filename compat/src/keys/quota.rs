//! Keys: quota cards.

use super::keys;

keys! {
    /// Quota card record.
    fn quota_card(card_id) = "quota_card:{card_id}";
    /// Card id of a code.
    fn quota_card_code(code) = "quota_card_code:{code}";
    /// Ids of all cards.
    const QUOTA_CARDS = "quota_cards:all";
    /// Ids of cards in a status.
    fn quota_cards_in_status(status) = "quota_cards:status:{status}";
    /// What a redeemed card changed.
    fn redemption(redemption_id) = "redemption:{redemption_id}";
    /// Ids of all redemptions.
    const REDEMPTIONS = "redemptions:all";
    /// Redemptions of a user; the word null for the public page.
    fn redemptions_of_user(user_id) = "redemptions:user:{user_id}";
    /// Redemptions for a key.
    fn redemptions_of_key(key_id) = "redemptions:apikey:{key_id}";
    /// Failed attempts of an address.
    fn redeem_failures(ip) = "redeem_card:fail:{ip}";
    /// Attempts of an address in a UTC hour.
    fn redeem_attempts(ip, utc_hour) = "redeem_card:ip:{ip}:{utc_hour}";
}
