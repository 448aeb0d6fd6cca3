//! What each path answers.

use crate::telemetry::{CONTENT_TYPE, Metrics, SharedStatus, Status};
use axum::Router;
use axum::extract::{Query, RawQuery, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Json};
use axum::routing::get;
use serde::Deserialize;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The page needs nothing but itself and `/status`.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";

/// A turn of the main loop takes less than this, even an idle one.
const STANDS_STILL: Duration = Duration::from_secs(1);

/// What the endpoints show.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) status: SharedStatus,
    pub(super) metrics: Arc<Metrics>,
    pub(super) ledger: LedgerPages,
}

/// Gives a page of the ledger as JSON: the first, or the one that is named.
type ReadPage = dyn Fn(Option<&str>) -> Result<String, String> + Send + Sync;

/// Where the pages of the ledger come from, once there is a ledger. Clones are the same.
#[derive(Clone, Default)]
pub struct LedgerPages(Arc<OnceLock<Box<ReadPage>>>);

impl LedgerPages {
    /// From now on they come from here; called once.
    pub fn set(&self, read: impl Fn(Option<&str>) -> Result<String, String> + Send + Sync + 'static) {
        self.0.get_or_init(|| Box::new(read));
    }
}

pub(super) fn router(shown: Shown) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .route("/ledger", get(ledger))
        .with_state(shown)
}

async fn page() -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)], Html(include_str!("page.html")))
}

async fn metrics(State(shown): State<Shown>) -> Result<impl IntoResponse, StatusCode> {
    let text = shown.metrics.scrape(&current(&shown.status)).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text))
}

async fn status(State(shown): State<Shown>) -> impl IntoResponse {
    (no_cache(), Json(current(&shown.status)))
}

#[derive(Deserialize)]
struct PageOf {
    after: Option<String>,
}

/// A page of the ledger, for `ringtail audit` and `ringtail checkpoint show`: the store itself is ours alone.
async fn ledger(State(shown): State<Shown>, Query(page): Query<PageOf>) -> impl IntoResponse {
    let read = move || match shown.ledger.0.get() {
        None => (StatusCode::SERVICE_UNAVAILABLE, "the ledger is not open yet\n".to_owned()),
        Some(read) => match read(page.after.as_deref()) {
            Ok(json) => (StatusCode::OK, json),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
    };
    // It reads the disk.
    let read = tokio::task::spawn_blocking(read).await;
    (no_cache(), read.unwrap_or_else(|error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))))
}

/// Whether the process should be left running. Never asks about Kafka: a restart would not bring a broker back.
async fn livez(State(shown): State<Shown>) -> impl IntoResponse {
    match shown.status.live() {
        Ok(()) => (StatusCode::OK, no_cache(), "live\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, no_cache(), format!("not live: {reason}\n")),
    }
}

async fn readyz(State(shown): State<Shown>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let status = current(&shown.status);
    let mut text = match (&status.ready, &status.reason) {
        (true, _) => "ready\n".to_owned(),
        (false, reason) => format!("not ready: {}\n", reason.as_deref().unwrap_or("no reason given")),
    };
    if query.is_some_and(|query| query.split('&').any(|part| part.split('=').next() == Some("verbose"))) {
        text.push_str(&details(&status, shown.status.since_tick()));
    }
    let code = if status.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, no_cache(), text)
}

fn details(status: &Status, since_turn: Duration) -> String {
    let Status { lag, spool, in_flight, .. } = status;
    let checkpoint = status.checkpoint_age.map_or("none yet".to_owned(), |age| format!("saved {age:.1} s ago"));
    let parked: u64 = status.parked.iter().map(|parked| parked.count).sum();
    [
        format!("main loop: turned {:.1} s ago\n", since_turn.as_secs_f64()),
        format!("lag: {:.1} s, {} bytes, {} segments\n", lag.seconds, lag.bytes, lag.segments),
        format!("in flight: {in_flight} events\ncheckpoint: {checkpoint}\n"),
        format!("spool: {} of {} bytes\nparked: {parked} entries\n", spool.bytes, spool.limit_bytes),
    ]
    .concat()
}

/// The status, except that a main loop that stands still is not ready, whatever it said last, and what it measured grows older.
fn current(shared: &SharedStatus) -> Status {
    let mut status = shared.snapshot();
    let since = shared.since_tick();
    if since > STANDS_STILL {
        status.checkpoint_age = status.checkpoint_age.map(|age| age + since.as_secs_f64());
        status.lag.seconds += if status.lag.segments > 0 { since.as_secs_f64() } else { 0.0 };
    }
    if let Err(reason) = shared.live() {
        status.ready = false;
        status.reason = Some(reason);
    }
    status
}

fn no_cache() -> [(HeaderName, &'static str); 1] {
    [(header::CACHE_CONTROL, "no-store")]
}
