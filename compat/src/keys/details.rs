//! Keys: request details.

use super::keys;

keys! {
    /// One request as JSON.
    fn request_detail(request_id) = "request_detail:item:{request_id}";
    /// Request ids of a UTC day by time in epoch milliseconds.
    fn request_details_of_day(date) = "request_detail:index:day:{date}";
    /// Result of one list query as JSON.
    fn request_detail_query(snapshot_id) = "request_detail:query_snapshot:{snapshot_id}";
}
