//! Listening sockets that the service manager opened and passed to this
//! process: systemd's `LISTEN_FDS` (sd_listen_fds(3)) and launchd's `Sockets`.
//!
//! Their address family identifies them, not their names: a Unix socket is for
//! the API, a TCP socket is for redirects. The listeners check whether they can
//! be used.

#[cfg(target_os = "macos")]
mod launchd;

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::socket::{
    AddressFamily, SockType, SockaddrLike as _, SockaddrStorage, getsockname, getsockopt, sockopt,
};

/// The inherited sockets.
#[derive(Debug, Default)]
pub struct Inherited {
    /// The API's socket.
    pub api: Option<UnixListener>,
    /// The sockets for redirects.
    pub redirects: Vec<TcpListener>,
}

/// Why the inherited sockets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The environment or a descriptor violates the protocol.
    #[error("the service manager's sockets cannot be used")]
    Protocol(#[source] io::Error),
    /// A descriptor is not a listening stream socket.
    #[error(
        "the service manager passed descriptor {number}, which is not a listening stream socket; its unit may contain only ListenStream=, with Accept=no"
    )]
    NotListening {
        /// The descriptor.
        number: i32,
    },
    /// There is more than one Unix socket.
    #[error("the service manager passed more than one Unix socket; its unit may contain one")]
    Several,
}

/// Takes the inherited sockets. There are none if the service manager did not
/// start this process, or on a second call. All of them are closed on exec.
///
/// # Errors
/// [`Error`] describes the first fault.
pub fn take() -> Result<Inherited, Error> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let mut inherited = Inherited::default();
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(inherited);
    }
    for descriptor in descriptors().map_err(Error::Protocol)? {
        match family(&descriptor) {
            Some(AddressFamily::Unix) if inherited.api.is_some() => return Err(Error::Several),
            Some(AddressFamily::Unix) => inherited.api = Some(descriptor.into()),
            Some(AddressFamily::Inet | AddressFamily::Inet6) => {
                inherited.redirects.push(descriptor.into());
            }
            _ => {
                let number = descriptor.as_raw_fd();
                return Err(Error::NotListening { number });
            }
        }
    }
    Ok(inherited)
}

/// The address family of a listening stream socket; `None` for any other
/// descriptor.
fn family(descriptor: &OwnedFd) -> Option<AddressFamily> {
    let is_stream = getsockopt(descriptor, sockopt::SockType).ok()? == SockType::Stream;
    let listens = getsockopt(descriptor, sockopt::AcceptConn).ok()?;
    if !is_stream || !listens {
        return None;
    }
    let address: SockaddrStorage = getsockname(descriptor.as_raw_fd()).ok()?;
    address.family()
}

#[cfg(target_os = "macos")]
use launchd::descriptors;

#[cfg(not(target_os = "macos"))]
#[expect(
    unsafe_code,
    reason = "a descriptor's number becomes its owner in no other way"
)]
fn descriptors() -> io::Result<Vec<OwnedFd>> {
    use std::os::fd::FromRawFd as _;

    let numbers = sd_notify::listen_fds()?;
    Ok(numbers
        .map(|number| {
            // SAFETY: `LISTEN_PID` names this process, so no one else owns
            // these descriptors; they are open, because their flags could be
            // set; and `take` runs this once.
            unsafe { OwnedFd::from_raw_fd(number) }
        })
        .collect())
}
