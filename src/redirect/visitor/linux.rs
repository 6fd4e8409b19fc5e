//! What Linux says of both ends of a loopback connection: over netlink, else in
//! the tables of /proc.

mod diag;

use std::net::{IpAddr, SocketAddr};

use super::{Arrival, Visitor};

impl Arrival {
    /// Asks the kernel who is at the other end.
    pub async fn visitor(self) -> Visitor {
        if let Ok(visitor) = self.diagnosed() {
            return visitor;
        }
        // Reads files that take milliseconds where there are many connections.
        let listed = tokio::task::spawn_blocking(move || self.listed());
        listed.await.unwrap_or(Visitor::Gone)
    }

    fn diagnosed(self) -> std::io::Result<Visitor> {
        let kernel = diag::Kernel::open()?;
        let theirs = kernel.find(self.from, self.to)?;
        Ok(visitor(theirs, kernel.find(self.to, self.from)?))
    }

    /// The same from the kernel's tables, where its netlink is closed.
    fn listed(self) -> Visitor {
        // Of this thread's own namespace, and there even where /proc shows
        // nothing but processes (`ProcSubset=pid`).
        let tables = ["tcp", "tcp6"].map(|name| {
            std::fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default()
        });
        self.visitor_in(&tables)
    }

    fn visitor_in(self, tables: &[String]) -> Visitor {
        let row = |from, to| tables.iter().find_map(|table| find(table, from, to));
        visitor(row(self.from, self.to), row(self.to, self.from))
    }
}

/// Who is at the other end, by what the kernel says of both.
fn visitor(theirs: Option<Row>, ours: Option<Row>) -> Visitor {
    match (theirs, ours) {
        // A socket that was closed has lost its owner, and reads as root's.
        (Some(row), _) if row.is_established => Visitor::User(row.uid),
        (None, Some(row)) if row.is_established => Visitor::Unknown,
        _ => Visitor::Gone,
    }
}

/// What the kernel says of one end of a connection.
#[derive(Clone, Copy, Debug)]
struct Row {
    is_established: bool,
    uid: u32,
}

/// The row of the end at `from` whose other end is at `to`.
fn find(table: &str, from: SocketAddr, to: SocketAddr) -> Option<Row> {
    // A socket of IPv6 can speak IPv4, and is then listed with mapped addresses.
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
        Some(Row {
            is_established,
            uid,
        })
    })
}

/// An address as the kernel prints it: the words of the IP in the machine's
/// own byte order, then the port.
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
";
    const TABLE_6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0000000000000000FFFF00000100007F:A1B5 0000000000000000FFFF00000100007F:203C 01 00000000:00000000 00:00000000 00000000  1002        0 15 1 0
   1: 00000000000000000000000001000000:A1B6 00000000000000000000000001000000:203C 01 00000000:00000000 00:00000000 00000000  1003        0 16 1 0
";

    fn listed(ip: &str, port: u16) -> Visitor {
        let ip: IpAddr = ip.parse().unwrap();
        let arrival = Arrival {
            from: SocketAddr::new(ip, port),
            to: SocketAddr::new(ip, 8252),
        };
        arrival.visitor_in(&[TABLE.to_owned(), TABLE_6.to_owned()])
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_tables_tell_whose_a_connection_is() {
        assert_eq!(listed("127.0.0.1", 0xA1B2), Visitor::User(1001));
        assert_eq!(listed("127.0.0.1", 0xA1B5), Visitor::User(1002));
        assert_eq!(listed("::1", 0xA1B6), Visitor::User(1003));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_closed_connection_is_nobodys_and_not_roots() {
        assert_eq!(listed("127.0.0.1", 0xA1B3), Visitor::Gone);
        assert_eq!(listed("127.0.0.1", 0xA1B7), Visitor::Gone);
        assert_eq!(listed("127.0.0.1", 0xA1B4), Visitor::Unknown);
    }
}
