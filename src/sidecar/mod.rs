//! Beside the legacy service: what it does is watched here, and done a second time without effects.

pub mod tap;
