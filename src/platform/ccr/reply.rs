//! What clients of streams that could not be started get (`contract/anthropic.md §5.2`).

use bytes::Bytes;

/// Body of the answer, sent as JSON with status 500 although it is framed as an event.
pub fn connect_failure() -> Bytes {
    Bytes::from_static(
        b"data: {\"error\":{\"type\":\"internal_error\",\"message\":\"CCR API request failed\"}}\n\n",
    )
}
