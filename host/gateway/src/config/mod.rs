//! Configuration: as written (TOML, every field optional, every error with a place) and as meant
//! (defaults filled in, names resolved, limits checked). The rest of the program sees only the second.
//!
//! Two documents: the gateway's own file (`almoner.toml`: sockets, resources, users) is read once at
//! start; the policy folder (`*.toml`) is read again whenever it is saved.

pub mod gateway;
pub mod lint;
pub mod load;
pub mod policy;
pub mod problem;
pub mod schema;
pub mod secret;
pub mod users;
pub mod watch;
pub mod written;
