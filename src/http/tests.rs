//! Against a real socket on loopback.

use super::*;
use crate::telemetry::{Metrics, SegmentStatus, SharedStatus};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use tokio::runtime::Runtime;

struct Agent {
    runtime: Runtime,
    status: SharedStatus,
    metrics: Arc<Metrics>,
    pages: LedgerPages,
    server: HttpServer,
}

fn agent() -> Agent {
    let runtime = Runtime::new().unwrap();
    let pages = LedgerPages::default();
    let (status, metrics) = (SharedStatus::new("1.2.3"), Arc::new(Metrics::new("1.2.3")));
    let server =
        HttpServer::start("127.0.0.1:0".parse().unwrap(), runtime.handle(), status.clone(), metrics.clone(), pages.clone()).unwrap();
    Agent { runtime, status, metrics, pages, server }
}

/// Status code, head and body.
fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: ringtail\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), body.to_owned())
}

impl Agent {
    fn get(&self, path: &str) -> (u16, String, String) {
        get(self.server.address(), path)
    }
}

#[test]
fn readyz_says_why_not() {
    let agent = agent();

    assert_eq!(agent.get("/readyz").0, 503);
    assert_eq!(agent.get("/readyz").2, "not ready: starting\n");

    agent.status.set_ready(Err("kafka: no broker answers".into()));
    assert_eq!(agent.get("/readyz").2, "not ready: kafka: no broker answers\n");

    agent.status.set_ready(Ok(()));
    assert_eq!((agent.get("/readyz").0, agent.get("/readyz").2.as_str()), (200, "ready\n"));
}

#[test]
fn readyz_verbose_adds_the_numbers() {
    let agent = agent();
    agent.status.update(|status| status.in_flight = 42);

    let (code, _, body) = agent.get("/readyz?verbose");

    assert_eq!(code, 503);
    assert!(body.starts_with("not ready: starting\nmain loop: turned "), "{body}");
    assert!(body.contains("in flight: 42 events"), "{body}");
    assert!(!agent.get("/readyz").2.contains("in flight"));
}

#[test]
fn livez_does_not_depend_on_readiness() {
    let agent = agent();

    agent.status.set_ready(Err("kafka: no broker answers".into()));

    assert_eq!((agent.get("/livez").0, agent.get("/livez").2.as_str()), (200, "live\n"));
}

#[test]
fn status_is_the_shared_status_as_json() {
    let agent = agent();
    agent.status.update(|status| {
        status.node = Some("n1".into());
        status.segments.push(SegmentStatus { id: 7, file: "CommitLog-7-7.log".into(), ..SegmentStatus::default() });
    });

    let (code, head, body) = agent.get("/status");

    assert_eq!(code, 200);
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!(serde_json::from_str::<crate::telemetry::Status>(&body).unwrap(), agent.status.snapshot());
}

#[test]
fn what_was_measured_grows_older_while_the_main_loop_stands_still() {
    let agent = agent();
    agent.status.update(|status| {
        status.checkpoint_age = Some(0.05);
        status.lag = crate::telemetry::Lag { seconds: 0.2, bytes: 10, segments: 1 };
    });

    std::thread::sleep(std::time::Duration::from_millis(1100));

    let (_, _, body) = agent.get("/metrics");
    let value = |name: &str| -> f64 {
        let line = body.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(value("ringtail_checkpoint_age_seconds") > 1.1, "{body}");
    assert!(value("ringtail_lag_seconds") > 1.2, "{body}");
}

#[test]
fn metrics_agree_with_the_status() {
    let agent = agent();
    agent.metrics.event("shop", "orders", "i", 10);
    agent.status.update(|status| status.in_flight = 42);
    agent.status.set_ready(Ok(()));

    let (code, head, body) = agent.get("/metrics");

    assert_eq!(code, 200);
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(body.contains("ringtail_in_flight_events 42\n"), "{body}");
    assert!(body.contains("ringtail_ready 1\n"));
    assert!(body.contains("ringtail_events_total{keyspace=\"shop\",table=\"orders\",op=\"i\"} 1\n"));
    assert!(body.ends_with("# EOF\n"));
}

#[test]
fn the_page_stands_alone() {
    let (code, head, body) = agent().get("/");

    assert_eq!(code, 200);
    assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
    assert!(body.contains("<title>Ringtail</title>"));
    assert!(!body.contains("http://") && !body.contains("https://"), "the page loads something from elsewhere");
}

#[test]
fn other_paths_are_not_found() {
    assert_eq!(agent().get("/etc/passwd").0, 404);
}

#[test]
fn an_occupied_port_is_an_error_at_once() {
    let agent = agent();
    let address = agent.server.address();

    let error = HttpServer::start(address, agent.runtime.handle(), agent.status.clone(), agent.metrics.clone(), LedgerPages::default())
        .unwrap_err();

    assert_eq!(error.to_string(), format!("cannot listen on {address} (http.listen)"));
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn stopping_frees_the_port_even_with_a_silent_client() {
    let Agent { runtime, server, .. } = agent();
    let address = server.address();
    let mut silent = TcpStream::connect(address).unwrap();
    silent.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();

    let before = std::time::Instant::now();
    runtime.block_on(server.stop());

    assert!(before.elapsed().as_secs() < 4);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn the_ledger_comes_in_pages_once_it_is_open() {
    let agent = agent();
    assert_eq!(agent.get("/ledger").0, 503);

    agent.pages.set(|after| after.map_or(Ok("{}".into()), |after| Err(format!("no page begins behind {after:?}"))));

    assert_eq!((agent.get("/ledger").0, agent.get("/ledger").2.as_str()), (200, "{}"));
    assert_eq!((agent.get("/ledger?after=x").0, agent.get("/ledger?after=x").2.as_str()), (500, "no page begins behind \"x\"\n"));
}
