//! Every HTTP path; the only code that names axum.

pub mod admin;
pub mod middleware;
pub mod relay;
pub mod render;
pub mod router;
pub mod server;
pub mod service;
