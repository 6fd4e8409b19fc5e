//! The bridge's port, and a guard that keeps it reserved after the bridge has ended.
//!
//! A program that outlives `agent-auth run` keeps sending its requests to the port. If
//! another user could listen there, that user could read the requests and answer with
//! another token.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 128;

/// A socket that is bound to the port and does not listen. The command and its
/// children inherit it. While any of them has it open, other users cannot bind the
/// port, and connections to it are refused.
#[derive(Debug)]
pub(super) struct PortGuard {
    _socket: TcpSocket,
}

/// Listens on a port at `address` that the system chooses, and opens its guard.
///
/// # Errors
/// The port cannot be bound.
pub(super) fn open(address: SocketAddr) -> io::Result<(TcpListener, PortGuard)> {
    let listening = shared(address)?;
    let guard = shared(listening.local_addr()?)?;
    fcntl(guard.as_fd(), FcntlArg::F_SETFD(FdFlag::empty()))?;
    let listener = listening.listen(BACKLOG)?;
    Ok((listener, PortGuard { _socket: guard }))
}

/// A socket at `address` that shares its port with other sockets of this user
/// (`SO_REUSEPORT`, socket(7)), but not of other users.
fn shared(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}
