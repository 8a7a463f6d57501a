//! Configuration as written: what may stand in the TOML files, key by key, before any name is resolved
//! or any default filled in. The published JSON Schemas are made from these types.
//!
//! Every key is optional here, because a missing one is reported with its remedy by `load`, together
//! with everything else that is wrong.

pub mod at;
pub mod gateway;
pub mod policy;
pub(crate) mod read;
pub mod settings;
pub mod units;
pub mod users;
