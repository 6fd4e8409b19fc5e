//! The JSON of the contract: what each request says and what each reply holds.
//!
//! Bytes become domain types here, once, with every fault of a request found
//! in one pass (`api/validate.rs`); replies are plain structs that the daemon
//! fills and the client reads. No transport here: no status code, no header.
//! A secret of a request is wrapped as it is read, and an access token leaves
//! its wrapper in one place (`api/replies/token.rs`).

pub mod replies;
pub mod requests;
pub mod validate;
