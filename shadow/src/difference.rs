//! Typed differences, keyed by field path so that they can be grouped and counted.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is compared; each plane has its own counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plane {
    /// Rejected or admitted, with which status and error body.
    Admission,
    /// Which account was chosen.
    Account,
    /// Requests to the vendor.
    UpstreamRequest,
    /// Status and headers to the client.
    ResponseHead,
    /// Body to the client.
    ResponseBody,
    /// Net change to Redis.
    Effects,
    /// Durations; reported, never a mismatch.
    Timing,
}

impl Plane {
    /// All planes in the order they are reported.
    pub const ALL: [Self; 7] = [
        Self::Admission,
        Self::Account,
        Self::UpstreamRequest,
        Self::ResponseHead,
        Self::ResponseBody,
        Self::Effects,
        Self::Timing,
    ];

    /// Name as written in rules and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admission => "admission",
            Self::Account => "account",
            Self::UpstreamRequest => "upstream_request",
            Self::ResponseHead => "response_head",
            Self::ResponseBody => "response_body",
            Self::Effects => "effects",
            Self::Timing => "timing",
        }
    }
}

impl fmt::Display for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How two values differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// The control has it, the candidate has not.
    Missing,
    /// The candidate has it, the control has not.
    Extra,
    /// Values of different types.
    Type,
    /// Values differ.
    Value,
    /// The same members in another order.
    Order,
    /// Lists of different length.
    Count,
}

impl DifferenceKind {
    /// Name as written in rules and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Type => "type",
            Self::Value => "value",
            Self::Order => "order",
            Self::Count => "count",
        }
    }
}

impl fmt::Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One difference at one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// JSON-pointer-like path, e.g. `/headers/anthropic-beta`.
    pub path: String,
    /// Kind.
    pub kind: DifferenceKind,
    /// The control's value, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Value>,
    /// The candidate's value, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Value>,
}

impl Difference {
    /// The control has it, the candidate has not.
    pub fn missing(path: impl Into<String>, control: impl Into<Value>) -> Self {
        let control = Some(control.into());
        Self { path: path.into(), kind: DifferenceKind::Missing, control, candidate: None }
    }

    /// The candidate has it, the control has not.
    pub fn extra(path: impl Into<String>, candidate: impl Into<Value>) -> Self {
        let candidate = Some(candidate.into());
        Self { path: path.into(), kind: DifferenceKind::Extra, control: None, candidate }
    }

    /// Both have it, and it differs.
    pub fn between(
        kind: DifferenceKind,
        path: impl Into<String>,
        control: impl Into<Value>,
        candidate: impl Into<Value>,
    ) -> Self {
        let (control, candidate) = (Some(control.into()), Some(candidate.into()));
        Self { path: path.into(), kind, control, candidate }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<Value>| value.as_ref().map_or("-".into(), Value::to_string);
        write!(
            f,
            "{} {}: {} | {}",
            self.path,
            self.kind,
            show(&self.control),
            show(&self.candidate)
        )
    }
}

/// How much a difference matters.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Told, never a mismatch: order and spelling of headers, bytes that mean the same.
    Note,
    /// An ordinary difference.
    #[default]
    Plain,
    /// Someone is charged another amount, or a spending limit counts otherwise.
    Money,
}

/// A difference on a plane, with the name it is counted under.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Plane.
    pub plane: Plane,
    /// The path with ids, dates and numbers replaced by placeholders.
    pub group: String,
    /// How much it matters.
    #[serde(default)]
    pub weight: Weight,
    /// The difference itself, at its raw path.
    #[serde(flatten)]
    pub difference: Difference,
    /// The rule that speaks for it, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

impl Finding {
    /// A mismatch: no rule speaks for it, and it is more than a note.
    pub fn counts(&self) -> bool {
        self.rule.is_none() && self.weight != Weight::Note && self.plane != Plane::Timing
    }
}
