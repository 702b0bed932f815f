//! Endpoints for administrators.

pub mod crs;
