//! The bridge's port, and what keeps it after the bridge is gone.
//!
//! A program that outlives `agent-auth run` goes on sending its requests to the
//! port. If another user could listen there, that user would read them, and could
//! answer with a token of their own.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;

/// A socket that is bound to the port and does not listen. The command inherits
/// it, and what the command starts. While any of them has it, no other user can
/// bind the port, and a connection to it is refused.
#[derive(Debug)]
pub(super) struct PortGuard {
    _socket: TcpSocket,
}

/// Listens on a port at `address` that the system picks, and guards it.
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

/// A socket at `address` that another one of this user can be bound beside
/// (`SO_REUSEPORT`, socket(7)), and none of another user.
fn shared(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}
