//! Listening sockets that the service manager opened and handed to this
//! process: systemd's `LISTEN_FDS` (sd_listen_fds(3)), launchd's `Sockets`.
//!
//! They are told apart by their address family, not by their names: a Unix
//! socket is the API's, a TCP socket takes redirects. Whether each is fit to be
//! used is for the listeners to say.

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

/// What was handed over.
#[derive(Debug, Default)]
pub struct Inherited {
    /// The API's socket.
    pub api: Option<UnixListener>,
    /// The sockets that redirects come to.
    pub redirects: Vec<TcpListener>,
}

/// Why what was handed over cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The environment or a descriptor is not as the protocol has it.
    #[error("the service manager's sockets cannot be taken over")]
    Protocol(#[source] io::Error),
    /// A descriptor of another kind.
    #[error(
        "the service manager handed over something that is no listening stream socket (descriptor {number}); its unit may name ListenStream= only, with Accept=no"
    )]
    NotListening {
        /// The descriptor.
        number: i32,
    },
    /// More Unix sockets than one.
    #[error("the service manager handed over more than one Unix socket; its unit may name one")]
    Several,
}

/// Takes over what the service manager handed to this process; nothing where
/// it did not start it, or was asked before. All of it is closed on exec.
///
/// # Errors
/// [`Error`] says what is wrong with it.
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

/// The family of a listening stream socket; `None` for anything else.
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
            // SAFETY: `LISTEN_PID` names this process, so the numbers are its
            // alone; they were open (their flags could be set), and `take`
            // comes here once.
            unsafe { OwnedFd::from_raw_fd(number) }
        })
        .collect())
}
