//! Built-in types: their OIDs, and the values masking has to read or write.
//!
//! A masked value must still be one of its type, or drivers that decode
//! binary results fail. Everything here is a pure function of bytes; a value
//! that is not understood is an error, and the caller then masks it whole.

pub mod array;
pub mod date;
pub mod oid;
pub mod scalar;

/// Why a value could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TypeError {
    /// The bytes are no value of the type.
    #[error("reading a value of type {type_name}: {why}; mask it whole")]
    Invalid {
        /// The type.
        type_name: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// The value is beyond a limit of this module.
    #[error("reading a value of type {type_name}: {what}; mask it whole")]
    Unsupported {
        /// The type.
        type_name: &'static str,
        /// What goes beyond.
        what: &'static str,
    },
}

const fn invalid(type_name: &'static str, why: &'static str) -> TypeError {
    TypeError::Invalid { type_name, why }
}
