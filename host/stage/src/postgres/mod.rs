//! A private PostgreSQL server: a temporary folder, a port on loopback and a socket in the folder,
//! passwords everywhere, nothing synced to disk. Never touches a server that runs on the machine.

mod binaries;
mod cluster;
mod server;

pub use server::{Options, Postgres, Tls};
