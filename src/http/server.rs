//! Binding, serving, stopping.

use super::endpoints::{self, LedgerPages, Shown};
use crate::telemetry::{Metrics, SharedStatus};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long requests that are under way may take when the server stops.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// Serves the endpoints on tasks of a runtime until it is stopped or dropped.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// Why the endpoints cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address} (http.listen)")]
    Bind {
        /// `http.listen`.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

impl HttpServer {
    /// Binds at once, so that an occupied port is known before anything is sent, and serves on `runtime`.
    ///
    /// # Errors
    /// [`HttpError::Bind`].
    pub fn start(
        listen: SocketAddr,
        runtime: &Handle,
        status: SharedStatus,
        metrics: Arc<Metrics>,
        ledger: LedgerPages,
    ) -> Result<HttpServer, HttpError> {
        let failed = |source| HttpError::Bind { address: listen, source };
        let socket = TcpListener::bind(listen).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        // Tokio registers the socket with the runtime that is entered.
        let entered = runtime.enter();
        let socket = tokio::net::TcpListener::from_std(socket).map_err(failed)?;
        drop(entered);

        let (stop, stopped) = oneshot::channel();
        let router = endpoints::router(Shown { status, metrics, ledger });
        let serving = runtime.spawn(async move {
            let served = axum::serve(socket, router).with_graceful_shutdown(async { drop(stopped.await) }).await;
            if let Err(error) = served {
                tracing::error!(%error, "the endpoints are no longer served");
            }
        });
        Ok(HttpServer { address, stop, serving })
    }

    /// Where it listens: the port in use where port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests and waits a second for those under way.
    pub async fn stop(self) {
        drop(self.stop);
        let serving = self.serving.abort_handle();
        if tokio::time::timeout(STOP_WITHIN, self.serving).await.is_err() {
            serving.abort();
        }
    }
}
