//! Placeholder until filled in.
