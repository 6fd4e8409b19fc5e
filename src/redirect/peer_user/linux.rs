//! Finds the user of a loopback connection on Linux: over netlink, else in the
//! tables of /proc.

mod diag;

use std::net::{IpAddr, SocketAddr};

use super::{Endpoints, PeerUser};

impl Endpoints {
    /// Asks the kernel for the user at the other end.
    pub async fn peer_user(self) -> PeerUser {
        if let Ok(Some(peer_user)) = self.diagnosed() {
            return peer_user;
        }
        // Reading the tables takes milliseconds if there are many connections.
        let listed = tokio::task::spawn_blocking(move || self.listed());
        listed.await.unwrap_or(PeerUser::Gone)
    }

    /// Asks over netlink; `None` if the other end is not found, for example a socket
    /// that is bound to a device other than the loopback one.
    fn diagnosed(self) -> std::io::Result<Option<PeerUser>> {
        let kernel = diag::Kernel::open()?;
        let theirs = kernel.find(self.from, self.to)?;
        let peer_user = self.evaluate(theirs, kernel.find(self.to, self.from)?);
        // The tables can only add the user of the other end. A closed connection
        // has none, so they are not read for it.
        Ok(Some(peer_user).filter(|peer_user| *peer_user != PeerUser::Unknown))
    }

    /// Reads the kernel's tables, which list all sockets whatever device they are
    /// bound to, and which are available where netlink is blocked.
    fn listed(self) -> PeerUser {
        // Our own end is read last: see `evaluate`.
        let theirs = row_in(&tables(), self.from, self.to);
        self.evaluate(theirs, row_in(&tables(), self.to, self.from))
    }

    /// The user at the other end, from the kernel's rows of both ends. Our own row
    /// must have been read last.
    ///
    /// While our own socket is established there is no other connection between
    /// the same addresses, so the row of the other end belongs to this connection.
    /// Without this check a peer could send a request, close, and let another
    /// user's program connect from the same port before the kernel is asked.
    fn evaluate(self, theirs: Option<Row>, ours: Option<Row>) -> PeerUser {
        let is_ours = |row: &Row| row.is_established && row.inode == self.inode;
        if !ours.as_ref().is_some_and(is_ours) {
            return PeerUser::Gone;
        }
        match theirs {
            None => PeerUser::Unknown,
            Some(row) if row.is_established => PeerUser::User(row.uid),
            // A closed socket has no owner and is reported as root's.
            Some(_) => PeerUser::Gone,
        }
    }
}

/// The kernel's tables of connections in this thread's network namespace. They are
/// also available where /proc shows only processes (`ProcSubset=pid`).
fn tables() -> [String; 2] {
    ["tcp", "tcp6"].map(|name| {
        std::fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default()
    })
}

fn row_in(tables: &[String], from: SocketAddr, to: SocketAddr) -> Option<Row> {
    tables.iter().find_map(|table| find(table, from, to))
}

/// The kernel's entry for one end of a connection.
#[derive(Clone, Copy, Debug)]
struct Row {
    is_established: bool,
    uid: u32,
    inode: u64,
}

/// The row of the socket at `from` that is connected to `to`.
fn find(table: &str, from: SocketAddr, to: SocketAddr) -> Option<Row> {
    // An IPv6 socket that uses IPv4 is listed with mapped addresses.
    let plain = (hexadecimal(from), hexadecimal(to));
    let mapped = (hexadecimal(to_mapped(from)), hexadecimal(to_mapped(to)));
    table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, remote) = (fields.next()?, fields.next()?);
        let is_it = |(from, to): &(String, String)| from == local && to == remote;
        if !is_it(&plain) && !is_it(&mapped) {
            return None;
        }
        let is_established = fields.next()? == "01";
        let uid = fields.nth(3)?.parse().ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        Some(Row {
            is_established,
            uid,
            inode,
        })
    })
}

/// An address as the kernel prints it: the 32-bit words of the IP address in native
/// byte order, then the port.
fn hexadecimal(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = ip.chunks_exact(4).map(|word| {
        let word = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
        format!("{word:08X}")
    });
    format!("{}:{:04X}", words.collect::<String>(), address.port())
}

fn to_mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod connections;

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:203C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 10 1 0
   1: 0100007F:A1B2 0100007F:203C 01 00000000:00000000 00:00000000 00000000  1001        0 11 1 0
   2: 0100007F:203C 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000  1000        0 12 1 0
   3: 0100007F:A1B3 0100007F:203C 05 00000000:00000000 00:00000000 00000000     0        0 0 1 0
   4: 0100007F:203C 0100007F:A1B3 08 00000000:00000000 00:00000000 00000000  1000        0 13 1 0
   5: 0100007F:203C 0100007F:A1B4 01 00000000:00000000 00:00000000 00000000  1000        0 14 1 0
   6: 0100007F:A1B8 0100007F:203C 04 00000000:00000000 00:00000000 00000000     0        0 0 1 0
   7: 0100007F:203C 0100007F:A1B8 01 00000000:00000000 00:00000000 00000000  1000        0 20 1 0
";
    const TABLE_6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0000000000000000FFFF00000100007F:A1B5 0000000000000000FFFF00000100007F:203C 01 00000000:00000000 00:00000000 00000000  1002        0 15 1 0
   1: 00000000000000000000000001000000:A1B6 00000000000000000000000001000000:203C 01 00000000:00000000 00:00000000 00000000  1003        0 16 1 0
   2: 0000000000000000FFFF00000100007F:203C 0000000000000000FFFF00000100007F:A1B5 01 00000000:00000000 00:00000000 00000000  1000        0 17 1 0
   3: 00000000000000000000000001000000:203C 00000000000000000000000001000000:A1B6 01 00000000:00000000 00:00000000 00000000  1000        0 18 1 0
";

    /// The user at the other end of the accepted socket with this inode.
    fn listed(ip: &str, port: u16, inode: u64) -> PeerUser {
        let ip: IpAddr = ip.parse().unwrap();
        let (from, to) = (SocketAddr::new(ip, port), SocketAddr::new(ip, 8252));
        let tables = [TABLE.to_owned(), TABLE_6.to_owned()];
        let endpoints = Endpoints { from, to, inode };
        endpoints.evaluate(row_in(&tables, from, to), row_in(&tables, to, from))
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_user_of_a_connection_is_read_from_the_tables() {
        assert_eq!(listed("127.0.0.1", 0xA1B2, 12), PeerUser::User(1001));
        assert_eq!(listed("127.0.0.1", 0xA1B5, 17), PeerUser::User(1002));
        assert_eq!(listed("::1", 0xA1B6, 18), PeerUser::User(1003));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_later_connection_from_the_same_port_is_not_mistaken_for_this_one() {
        assert_eq!(listed("127.0.0.1", 0xA1B2, 99), PeerUser::Gone);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_closed_connection_has_no_user_and_is_not_roots() {
        assert_eq!(listed("127.0.0.1", 0xA1B3, 13), PeerUser::Gone);
        assert_eq!(listed("127.0.0.1", 0xA1B7, 19), PeerUser::Gone);
        // It was closed between the two reads.
        assert_eq!(listed("127.0.0.1", 0xA1B8, 20), PeerUser::Gone);
        assert_eq!(listed("127.0.0.1", 0xA1B4, 14), PeerUser::Unknown);
    }
}
