//! Who answers a request, and whether it is done a second time: the rollout's decision put to work.

use std::sync::Arc;

use crate::sidecar::{
    forward::RequestHead,
    routing::{Route, Routing},
    shadow::Shadow,
};

/// Decides by the rollout; shows requests to the shadow side.
pub(super) struct Steering {
    pub(super) shadow: Arc<Shadow>,
}

impl Routing for Steering {
    fn decide(&self, head: &RequestHead) -> Route {
        Route::Legacy { trace: self.shadow.begin(head, "") }
    }

    fn phase(&self) -> String {
        "shadow".to_owned()
    }
}
