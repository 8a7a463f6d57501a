//! What the end-to-end tests share: a world with a real PostgreSQL, the real binary in front of it, and
//! the clients that talk through it.
//!
//! The tests themselves lie beside this folder, one folder per protocol. Nothing is mocked.

pub mod binary;
pub mod certificates;
pub mod driver;
pub mod extended;
pub mod fhir;
pub mod hostile;
pub mod http;
pub mod http_server;
pub mod http_world;
pub mod meddler;
pub mod people;
pub mod proxy;
pub mod raw;
pub mod watch;
pub mod world;

pub use http_world::{HttpPlan, HttpWorld};
pub use world::{World, WorldPlan};
