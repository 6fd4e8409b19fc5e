//! Looks up one end of a TCP connection over netlink (sock_diag(7)). This takes
//! microseconds, whatever the number of connections.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use super::Row;

/// `SOCK_DIAG_BY_FAMILY` of linux/sock_diag.h.
const BY_FAMILY: u16 = 20;

/// The length of a `nlmsghdr`, and of the request with its `inet_diag_req_v2`.
const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;

/// The offsets of the state, the uid and the inode in a reply (`inet_diag_msg`).
const STATE_AT: usize = HEADER + 1;
const UID_AT: usize = HEADER + 64;
const INODE_AT: usize = HEADER + 68;

/// The index of the loopback interface, the same in every network namespace
/// (`LOOPBACK_IFINDEX` of the kernel). With it, the kernel also finds sockets that
/// are bound to that device (`SO_BINDTODEVICE`).
const LOOPBACK_INTERFACE: u32 = 1;

/// `TCP_ESTABLISHED` of net/tcp_states.h.
const ESTABLISHED: u8 = 1;

/// The time limit for a reply. The kernel replies at once or never.
const TIMEOUT_SECONDS: i64 = 1;

/// A netlink socket.
#[derive(Debug)]
pub(super) struct Kernel(OwnedFd);

impl Kernel {
    pub(super) fn open() -> io::Result<Self> {
        let descriptor = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkSockDiag,
        )?;
        let timeout = TimeVal::new(TIMEOUT_SECONDS, 0);
        setsockopt(&descriptor, sockopt::ReceiveTimeout, &timeout)?;
        Ok(Self(descriptor))
    }

    /// Finds the socket at `from` that is connected to `to`; `None` if there is none
    /// in this network namespace.
    ///
    /// # Errors
    /// The kernel does not support such requests.
    pub(super) fn find(&self, from: SocketAddr, to: SocketAddr) -> io::Result<Option<Row>> {
        let request = request(from, to);
        let kernel = NetlinkAddr::new(0, 0);
        sendto(self.0.as_raw_fd(), &request, &kernel, MsgFlags::empty())?;
        let mut reply = [0; 512];
        let length = recv(self.0.as_raw_fd(), &mut reply, MsgFlags::empty())?;
        read(reply.get(..length).unwrap_or_default())
    }
}

fn request(from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let family = match from.ip() {
        IpAddr::V4(_) => libc::AF_INET,
        IpAddr::V6(_) => libc::AF_INET6,
    };
    let mut bytes = Vec::with_capacity(REQUEST);
    // The header: length, type, flags (`NLM_F_REQUEST`), sequence, port.
    bytes.extend(u32::try_from(REQUEST).unwrap_or(0).to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(1_u16.to_ne_bytes());
    bytes.extend([0; 8]);
    // Family, protocol, no extensions, padding; every state.
    bytes.extend([family, libc::IPPROTO_TCP].map(|number| u8::try_from(number).unwrap_or(0)));
    bytes.extend([0; 2]);
    bytes.extend(u32::MAX.to_ne_bytes());
    // The connection; its interface; no cookie (`INET_DIAG_NOCOOKIE`).
    bytes.extend(from.port().to_be_bytes());
    bytes.extend(to.port().to_be_bytes());
    bytes.extend(sixteen(from.ip()));
    bytes.extend(sixteen(to.ip()));
    bytes.extend(LOOPBACK_INTERFACE.to_ne_bytes());
    bytes.extend([0xFF; 8]);
    bytes
}

fn sixteen(ip: IpAddr) -> [u8; 16] {
    let mut bytes = [0; 16];
    match ip {
        IpAddr::V4(ip) => bytes[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => bytes = ip.octets(),
    }
    bytes
}

fn read(reply: &[u8]) -> io::Result<Option<Row>> {
    let word = |at: usize| {
        let bytes = reply.get(at..at + 4)?;
        Some(u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let kind = reply.get(4..6).ok_or_else(malformed)?;
    if u16::from_ne_bytes([kind[0], kind[1]]) == BY_FAMILY {
        return Ok(Some(Row {
            is_established: *reply.get(STATE_AT).ok_or_else(malformed)? == ESTABLISHED,
            uid: word(UID_AT).ok_or_else(malformed)?,
            inode: word(INODE_AT).ok_or_else(malformed)?.into(),
        }));
    }
    // `NLMSG_ERROR`: a negative error number.
    let number = word(HEADER).ok_or_else(malformed)?.cast_signed();
    match Errno::from_raw(number.wrapping_neg()) {
        Errno::ENOENT => Ok(None),
        error => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{Shutdown, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn both_ends_of_a_connection_are_found() {
        let kernel = Kernel::open().unwrap();
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let to = listener.local_addr().unwrap();
            let client = TcpStream::connect(to).unwrap();
            let from = client.local_addr().unwrap();
            let (mut server, _) = listener.accept().unwrap();

            let me = nix::unistd::geteuid().as_raw();
            for (near, far) in [(from, to), (to, from)] {
                let row = kernel.find(near, far).unwrap().unwrap();
                assert!(row.is_established);
                assert_eq!(row.uid, me);
            }
            client.shutdown(Shutdown::Both).unwrap();
            server.write_all(b"x").ok();
            let row = kernel.find(from, to).unwrap();
            assert!(row.is_none_or(|row| !row.is_established));
            let nowhere = SocketAddr::new(to.ip(), 1);
            assert!(kernel.find(from, nowhere).unwrap().is_none());
        }
    }
}
