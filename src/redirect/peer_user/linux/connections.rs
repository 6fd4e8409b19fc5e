//! Tests with real connections of every kind that could hide a peer's user.

use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::stat::fstat;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;

const HOSTS: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];

/// A connection of this process to a listener of its own.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    endpoints: Endpoints,
}

impl Pair {
    async fn accepted(listener: &TcpListener, client: TcpStream) -> Self {
        let (server, endpoints) = accept(listener).await;
        Self {
            client,
            server,
            endpoints,
        }
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, Endpoints) {
    let (server, from) = listener.accept().await.unwrap();
    let inode = fstat(&server).unwrap().st_ino;
    let to = server.local_addr().unwrap();
    (server, Endpoints { from, to, inode })
}

/// A listener at `address`, and a socket of its family.
async fn listening(address: &str) -> (TcpListener, SocketAddr, TcpSocket) {
    let listener = TcpListener::bind(address).await.unwrap();
    let to = listener.local_addr().unwrap();
    let socket = if to.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    };
    (listener, to, socket.unwrap())
}

fn me() -> PeerUser {
    PeerUser::User(nix::unistd::geteuid().as_raw())
}

/// Both methods report this user.
fn assert_found(endpoints: Endpoints) {
    assert_eq!(endpoints.diagnosed().unwrap(), Some(me()), "{endpoints:?}");
    assert_eq!(endpoints.listed(), me(), "{endpoints:?}");
}

/// Neither method reports a user.
fn assert_gone(endpoints: Endpoints) {
    let diagnosed = endpoints.diagnosed().unwrap();
    assert!(
        matches!(diagnosed, None | Some(PeerUser::Gone)),
        "{diagnosed:?}"
    );
    assert_eq!(endpoints.listed(), PeerUser::Gone);
}

#[tokio::test]
async fn the_user_of_an_ordinary_connection_is_found() {
    for address in HOSTS {
        let (listener, to, socket) = listening(address).await;
        let client = socket.connect(to).await.unwrap();
        let pair = Pair::accepted(&listener, client).await;
        assert_found(pair.endpoints);
        assert_eq!(pair.endpoints.peer_user().await, me());
    }
}

#[tokio::test]
async fn the_user_of_a_socket_bound_to_the_loopback_device_is_found() {
    for address in HOSTS {
        let (listener, to, socket) = listening(address).await;
        socket.bind_device(Some(b"lo")).unwrap();
        let client = socket.connect(to).await.unwrap();
        assert_found(Pair::accepted(&listener, client).await.endpoints);
    }
}

#[tokio::test]
async fn the_user_of_an_ipv6_socket_that_uses_ipv4_is_found() {
    let (listener, to, _) = listening("127.0.0.1:0").await;
    let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), to.port());
    let socket = TcpSocket::new_v6().unwrap();
    let client = socket.connect(mapped).await.unwrap();
    assert_found(Pair::accepted(&listener, client).await.endpoints);
}

#[tokio::test]
async fn the_user_of_a_socket_on_a_shared_port_is_found() {
    let (listener, to, socket) = listening("127.0.0.1:0").await;
    socket.set_reuseport(true).unwrap();
    socket.bind("127.9.9.9:0".parse().unwrap()).unwrap();
    let shared = socket.local_addr().unwrap();
    let client = socket.connect(to).await.unwrap();
    // If the client is not found, the kernel's look-up continues with listeners.
    let other = TcpSocket::new_v4().unwrap();
    other.set_reuseport(true).unwrap();
    other.bind(shared).unwrap();
    let _other = other.listen(1).unwrap();
    assert_found(Pair::accepted(&listener, client).await.endpoints);
}

#[tokio::test]
async fn a_peer_that_binds_and_closes_at_once_is_gone() {
    for (is_abortive, device) in [(false, None), (true, None), (true, Some(&b"lo"[..]))] {
        let (listener, to, socket) = listening("127.0.0.1:0").await;
        socket.bind_device(device).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut client = socket.connect(to).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        if is_abortive {
            client.set_zero_linger().unwrap();
        }
        drop(client);
        let (_server, endpoints) = accept(&listener).await;
        assert_gone(endpoints);
        assert_eq!(endpoints.peer_user().await, PeerUser::Gone);
    }
}

#[tokio::test]
async fn a_peer_that_closes_its_half_is_gone() {
    for address in HOSTS {
        let (listener, to, socket) = listening(address).await;
        let client = socket.connect(to).await.unwrap();
        let mut pair = Pair::accepted(&listener, client).await;
        pair.client.shutdown().await.unwrap();
        assert_gone(pair.endpoints);
    }
}

#[tokio::test]
async fn a_connection_that_reuses_the_port_of_a_closed_one_is_not_mistaken_for_it() {
    let (listener, to, socket) = listening("127.0.0.1:0").await;
    let first = Pair::accepted(&listener, socket.connect(to).await.unwrap()).await;
    let endpoints = first.endpoints;
    // The side that closes first keeps the TIME_WAIT (RFC 9293, section 3.6),
    // which a later connection may end (RFC 6191): here, the listener's.
    drop(first.server);
    drop(first.client);
    let again = TcpSocket::new_v4().unwrap();
    again.set_reuseaddr(true).unwrap();
    again.bind(endpoints.from).unwrap();
    let connected = tokio::time::timeout(Duration::from_secs(2), again.connect(to)).await;
    let second = Pair::accepted(&listener, connected.unwrap().unwrap()).await;
    assert_eq!(second.endpoints.from, endpoints.from);
    assert_found(second.endpoints);
    assert_gone(endpoints);
}

#[tokio::test]
async fn a_peer_that_is_not_in_the_tables_is_unknown() {
    let (listener, to, socket) = listening("127.0.0.1:0").await;
    let pair = Pair::accepted(&listener, socket.connect(to).await.unwrap()).await;
    let ours = row_in(&tables(), pair.endpoints.to, pair.endpoints.from);
    assert_eq!(pair.endpoints.evaluate(None, ours), PeerUser::Unknown);
}
