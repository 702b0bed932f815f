//! Every HTTP path; the only code that names axum.

pub mod middleware;
pub mod server;
pub mod service;
