//! What the end-to-end tests share: a world with a real PostgreSQL, the real binary in front of it, and
//! the clients that talk through it.
//!
//! The tests themselves lie beside this folder, one folder per protocol. Nothing is mocked.

pub mod binary;
pub mod certificates;
pub mod driver;
pub mod extended;
pub mod hostile;
pub mod meddler;
pub mod people;
pub mod proxy;
pub mod raw;
pub mod watch;
pub mod world;

pub use world::{World, WorldPlan};
