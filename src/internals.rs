//! Every layer of the crate, for the tests of this repository.
//!
//! Nothing here is part of the public interface: it changes without notice.

macro_rules! layers {
    ($($name:ident)+) => {$(
        #[doc = concat!("The items of `src/", stringify!($name), ".rs`.")]
        pub mod $name {
            pub use crate::$name::*;
        }
    )+};
}

layers! {
    log_limit visible provider token flow event connection quota metrics api trusted paths
    lock_file vault oauth broker advice server redirect http
}
#[cfg(feature = "cli")]
layers! { inherited config process cli }
