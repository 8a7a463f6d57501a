//! Who acts: principals, and the local users file they are known from.
//! Knows no protocol and no policy.

pub mod failures;
pub mod mock_secret;
pub mod principal;
pub mod user_edit;
pub mod users;
