//! Starting a daemon: its sockets, its vault, and the tasks that serve.

use std::sync::Arc;

use tokio::sync::watch;

use super::builder::Resolved;
use super::sockets::{self, Browsers};
use super::{Daemon, Error, maintenance, takeover};
use crate::broker::{Broker, Settings};
use crate::http::Api;
use crate::http::socket::ApiListener;
use crate::redirect::listener::RedirectListener;
use crate::redirect::peer_user::{AllowedPeers, Endpoints};
use crate::server::Phase;
use crate::server::connection_quota::ConnectionPermit;
use crate::vault::Vault;
use crate::{oauth, redirect, server};

/// Takes the sockets, opens the vault, and serves from then on. Clients that
/// connect meanwhile wait in the socket's queue.
///
/// # Errors
/// What keeps the daemon from serving.
pub(super) async fn start(resolved: Resolved) -> Result<Daemon, Error> {
    let Resolved {
        options,
        env,
        inherited: (api, redirects),
        ..
    } = resolved;
    let access = sockets::access(&options)?;
    let max_connections = sockets::affordable_connections(options.max_connections);
    let socket = match api {
        Some(socket) => ApiListener::inherit(socket, access, max_connections)?,
        None => {
            let bind = || ApiListener::bind(&resolved.socket, access, max_connections);
            takeover::attempt(bind).await?
        }
    };
    let (path, socket_lock) = (socket.path().to_owned(), socket.lock().cloned());
    let vault = takeover::attempt(|| Vault::open(&resolved.vault, &env)).await?;
    let allowed = sockets::allowed_peers(&options, access);
    let browsers = Browsers::open(
        resolved.redirect_address,
        redirects,
        allowed,
        max_connections,
    )?;
    let listener = browsers.listener.with_lock(socket_lock.clone());
    let oauth = oauth::Client::new(env.clone())?;
    let settings = Settings {
        redirect_base: listener.base(),
        flow_lifetime: options.flow_lifetime,
        max_waiters: options.max_waiters,
        limits: options.limits,
        refresh_active_within: options.refresh_active_within,
    };
    let broker = Broker::new(vault, oauth, env.clone(), settings).await?;
    broker.providers().set_platform(resolved.providers);
    let clock = Arc::clone(&env.clock);
    let api = Api::new(broker.clone(), env);
    let (phases, phase) = watch::channel(Phase::Serving);
    let background = broker.clone();
    let tasks = vec![
        tokio::spawn(async move { background.refresher().run(background.stopping()).await }),
        tokio::spawn(serve_socket(socket, max_connections, api, phase.clone())),
        tokio::spawn(serve_browsers(
            listener,
            (browsers.allowed, max_connections),
            broker.clone(),
            phase,
        )),
        tokio::spawn(maintenance::run(broker.clone(), clock, broker.stopping())),
    ];
    Ok(Daemon {
        broker,
        socket: path,
        phases,
        socket_lock,
        tasks,
    })
}

fn serve_socket(
    socket: ApiListener,
    max_connections: usize,
    api: Api,
    phases: watch::Receiver<Phase>,
) -> impl Future<Output = ()> + use<> {
    let answer = move |peer, request| api.clone().answer(peer, request);
    server::serve(socket, max_connections, phases, answer)
}

fn serve_browsers(
    browsers: RedirectListener,
    (allowed, max_connections): (AllowedPeers, usize),
    broker: Broker,
    phases: watch::Receiver<Phase>,
) -> impl Future<Output = ()> {
    let own_hosts: Arc<[String]> = browsers.own_hosts().into();
    // The permit is held for as long as the connection.
    let answer = move |(endpoints, _permit): (Endpoints, Option<Arc<ConnectionPermit>>),
                       request| {
        let (broker, own_hosts) = (broker.clone(), Arc::clone(&own_hosts));
        async move { redirect::answer(broker, &own_hosts, allowed, endpoints, request).await }
    };
    server::serve(browsers, max_connections, phases, answer)
}
