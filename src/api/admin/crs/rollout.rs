//! `/admin/crs/rollout…` and `/admin/crs/instances`.

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::Response,
};
use serde_json::json;

use super::{CrsAdmin, body::ChangeBody, done, invalid, refused};
use crate::{
    api::{
        middleware::{Arrival, path},
        service,
    },
    rollout::{Command, HISTORY_SHOWN_MAX, Order, ROUTES, RolloutError, about},
};

/// Entries of the history without `limit`.
const HISTORY_SHOWN: u32 = 100;

/// `GET /admin/crs/rollout`: the shared record, this instance, all instances, the next step's gates.
pub(super) async fn status(
    State(admin): State<CrsAdmin>,
    Extension(arrival): Extension<Arrival>,
) -> Response<Body> {
    if let Err(refusal) = admin.admin(&arrival).await {
        return refusal;
    }
    let read = async {
        let record = admin.desk.record().await?;
        let gates = admin.desk.gates().await?;
        Ok::<_, RolloutError>((record, gates, admin.desk.instances().await?))
    };
    let (record, gates, instances) = match read.await {
        Ok(read) => read,
        Err(error) => return refused(&error),
    };
    let plan = record.as_ref().map_or_else(Default::default, |record| record.plan.clone());
    let next = Command::Advance.apply(&plan, arrival.received_ms);
    let routes: Vec<_> = ROUTES
        .iter()
        .map(|route| {
            let (name, method, path) = (route.name, route.method, route.path);
            json!({
                "name": name,
                "method": method,
                "path": path,
                "platform": route.platform,
                "platformsByModel": route.by_model,
            })
        })
        .collect();
    done(json!({
        "record": record,
        "plan": plan,
        "position": plan.position(),
        "next": next.ok().map(|next| next.position()),
        "gates": gates,
        "instance": about(&admin.instance, &admin.rollout, arrival.received_ms),
        "instances": instances,
        "legacy": admin.rollout.has_legacy(),
        "routes": routes,
    }))
}

/// `GET /admin/crs/rollout/history?limit=`: newest first.
pub(super) async fn history(
    State(admin): State<CrsAdmin>,
    Extension(arrival): Extension<Arrival>,
) -> Response<Body> {
    if let Err(refusal) = admin.admin(&arrival).await {
        return refusal;
    }
    let query = arrival.original_url.split_once('?').map_or("", |(_, query)| query);
    let limit = match path::query_value(query, "limit").map(|text| text.parse::<u32>()) {
        None => HISTORY_SHOWN,
        Some(Ok(limit)) if (1..=HISTORY_SHOWN_MAX).contains(&limit) => limit,
        Some(_) => return invalid(&format!("limit is a number from 1 to {HISTORY_SHOWN_MAX}")),
    };
    match admin.desk.history(limit).await {
        Ok(records) => done(json!({ "history": records })),
        Err(error) => refused(&error),
    }
}

/// `GET /admin/crs/instances`.
pub(super) async fn instances(
    State(admin): State<CrsAdmin>,
    Extension(arrival): Extension<Arrival>,
) -> Response<Body> {
    if let Err(refusal) = admin.admin(&arrival).await {
        return refusal;
    }
    match admin.desk.instances().await {
        Ok(instances) => done(json!({ "instances": instances })),
        Err(error) => refused(&error),
    }
}

/// `POST /admin/crs/rollout/{set,advance,rollback,pause,resume}`.
pub(super) async fn change(
    State(admin): State<CrsAdmin>,
    Extension(arrival): Extension<Arrival>,
    Path(name): Path<String>,
) -> Response<Body> {
    let who = match admin.admin(&arrival).await {
        Ok(who) => who,
        Err(refusal) => return refusal,
    };
    let (command, body) = match ChangeBody::read(&name, arrival.body.bytes()) {
        None => return service::not_found(Extension(arrival)).await,
        Some(Err(message)) => return invalid(&message),
        Some(Ok(read)) => read,
    };
    if !admin.rollout.has_legacy() {
        return refused(&RolloutError::NoLegacy);
    }
    let order = Order {
        command,
        who: who.username,
        via: "api".into(),
        why: body.reason,
        force: body.force,
        expected_version: body.expected_version,
    };
    match admin.desk.change(&order).await {
        Ok(outcome) => {
            let record = outcome.record;
            done(json!({ "changed": outcome.changed, "record": record }))
        }
        Err(error) => refused(&error),
    }
}
