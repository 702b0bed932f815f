//! The truth test's machinery: scenarios, the scripted outside world, observation, comparison.
//!
//! A scenario seeds Redis, scripts the vendors and sends client requests; a run yields an
//! observation (client answers, upstream requests, net Redis change) in which everything that must
//! differ between two runs has been replaced by a named placeholder. Observations of the legacy
//! service are kept as goldens and compared with those of `crs`. Nothing here is part of the
//! product, and nothing here may use the product's own code: it would hide its mistakes.

pub mod aws;
pub mod client;
pub mod compare;
pub mod crypto;
pub mod h2;
pub mod http;
pub mod instructions;
pub mod jobs;
pub mod message;
pub mod normal;
pub mod openai;
pub mod operate;
pub mod proxy;
pub mod redis;
pub mod report;
pub mod responses;
pub mod run;
pub mod scenario;
pub mod seed;
pub mod service;
pub mod snapshot;
pub mod standin;
pub mod template;
pub mod webhook;
pub mod world;
