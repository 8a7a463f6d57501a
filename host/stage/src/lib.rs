//! The stage that the demo, the end-to-end tests and the benchmarks play on: a private PostgreSQL, a
//! synthetic clinic to load into it, the real `psql`, and a gateway process in front.
//!
//! Everything here is started for its holder alone, listens on loopback only, keeps its files in a
//! temporary folder, and ends with the holder, however that ends. Nothing here is part of the gateway:
//! it never reads the gateway's policies and never sees its evidence.

pub mod account;
pub mod clinic;
mod compiled;
pub mod error;
pub mod gateway;
pub mod keeper;
pub mod port;
pub mod postgres;
pub mod psql;
pub mod random;
pub mod users;
pub mod wait;

pub use error::StageError;
pub use gateway::Gateway;
pub use postgres::Postgres;
pub use psql::{Psql, PsqlSession};
pub use users::User;
