//! Background jobs, one per file. They call services, never `api`; who starts them also stops them.

pub mod price_update;
