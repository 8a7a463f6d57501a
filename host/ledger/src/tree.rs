//! The RFC 6962 tree over the hashes of the records.
