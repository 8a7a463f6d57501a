//! A typed view of the facts that the gateway parsed out of a statement.
