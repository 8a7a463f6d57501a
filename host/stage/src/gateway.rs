//! x
/// x
pub struct Gateway;
