//! Writers that remember what they wrote and when the node acknowledged it.
//!
//! Every write carries a timestamp that no other has; it names the write in whatever event comes of it. A partition
//! belongs to one writer, who waits for each acknowledgement, so the order of writes in it is known; only the
//! partition `shared` is written by all.

use super::tables::{KEYSPACE, SEQUENCE, STATIC_SEQUENCE, TABLES};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One write.
pub struct Write {
    /// Its timestamp in µs, which is its name.
    pub timestamp: i64,
    /// When the node acknowledged it, since the test began; `None` if it did not, and then it may or may not be there.
    pub acknowledged: Option<Duration>,
    /// The events it must give, in their order.
    pub events: Vec<Expected>,
}

/// An event that must come.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The table.
    pub table: &'static str,
    /// `row`, `static`, `row_delete`, `range_delete`, `partition_delete`.
    pub kind: &'static str,
    /// `i`, `u`, `d`, `r`.
    pub op: &'static str,
    /// The record key.
    pub key: Value,
    /// The columns that were written and their values; all others are untouched.
    pub columns: Vec<(&'static str, Value)>,
    /// The clustering values of a range, from (inclusive) and to (exclusive).
    pub range: Option<[i64; 2]>,
    /// Whether the writes of this partition came one after the other.
    pub ordered: bool,
}

/// What all writers share.
pub struct Workload {
    session: Session,
    statements: HashMap<&'static str, PreparedStatement>,
    clock: AtomicI64,
    start: Instant,
    /// How many writes the node has acknowledged.
    pub acknowledged: AtomicUsize,
    /// How many events the writes give that have been sent.
    pub events: AtomicUsize,
    /// Set to end the writers.
    pub stop: AtomicBool,
}

const STATEMENTS: [&str; 12] = [
    "INSERT INTO live.plain (id, seq, note, ratio, flag, at) VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
    "UPDATE live.plain USING TIMESTAMP ? SET seq = ?, note = ? WHERE id = ?",
    "DELETE FROM live.plain USING TIMESTAMP ? WHERE id = ?",
    "INSERT INTO live.clustered (tenant, day, c, seq, body) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
    "UPDATE live.clustered USING TIMESTAMP ? SET seq = ? WHERE tenant = ? AND day = ? AND c = ?",
    "DELETE FROM live.clustered USING TIMESTAMP ? WHERE tenant = ? AND day = ? AND c = ?",
    "DELETE FROM live.clustered USING TIMESTAMP ? WHERE tenant = ? AND day = ? AND c >= ? AND c < ?",
    "INSERT INTO live.collections (id, seq, tags, scores, log) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
    "UPDATE live.collections USING TIMESTAMP ? SET seq = ?, tags = tags + ?, scores = scores + ?, log = log + ? WHERE id = ?",
    "UPDATE live.collections USING TIMESTAMP ? SET seq = ?, tags = tags - ? WHERE id = ?",
    "INSERT INTO live.statics (p, c, s, s_seq, v, seq) VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
    "UPDATE live.statics USING TIMESTAMP ? SET s = ?, s_seq = ? WHERE p = ?",
];

impl Workload {
    /// Connects and creates the tables.
    pub async fn create(contact_point: &str, start: Instant) -> Workload {
        let session = SessionBuilder::new().known_node(contact_point).build().await.expect("the node answers");
        let keyspace = format!("CREATE KEYSPACE {KEYSPACE} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}");
        session.query_unpaged(keyspace, ()).await.expect("the keyspace is created");
        for table in &TABLES {
            session.query_unpaged(table.create(), ()).await.expect("the table is created");
        }
        let mut statements = HashMap::new();
        for text in STATEMENTS {
            statements.insert(text, session.prepare(text).await.expect("the statement is good"));
        }
        Workload {
            session,
            statements,
            clock: AtomicI64::new(0),
            start,
            acknowledged: AtomicUsize::new(0),
            events: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        }
    }

    /// The present in µs, and more than ever before.
    fn timestamp(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_micros() as i64;
        let before = self.clock.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(now.max(last + 1)));
        now.max(before.expect("the closure always answers") + 1)
    }

    /// Runs `writers` writers that make `rate` writes a second together, until told to stop.
    pub async fn run(self: Arc<Self>, writers: u32, rate: u32) -> Vec<Write> {
        let pause = Duration::from_secs(1) * writers / rate;
        let tasks = (0..writers).map(|number| tokio::spawn(Writer::new(Arc::clone(&self), number).run(pause))).collect::<Vec<_>>();
        let mut writes = Vec::new();
        for task in tasks {
            writes.extend(task.await.expect("a writer does not panic"));
        }
        writes
    }
}

struct Writer {
    shared: Arc<Workload>,
    number: i64,
    random: u64,
    writes: Vec<Write>,
}

impl Writer {
    fn new(shared: Arc<Workload>, number: u32) -> Writer {
        Writer { shared, number: i64::from(number), random: 0x9e37_79b9_7f4a_7c15 ^ u64::from(number), writes: Vec::new() }
    }

    async fn run(mut self, pause: Duration) -> Vec<Write> {
        let mut tick = tokio::time::interval(pause);
        while !self.shared.stop.load(Ordering::Relaxed) {
            tick.tick().await;
            match self.below(12) {
                0..=4 => self.plain().await,
                5..=7 => self.clustered().await,
                8..=9 => self.collections().await,
                _ => self.statics().await,
            }
        }
        self.writes
    }

    /// A number below `end`; xorshift, so that a run can be had again.
    fn below(&mut self, end: i64) -> i64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % end as u64) as i64
    }

    /// One of the partitions that only this writer writes to.
    fn own(&mut self) -> i64 {
        self.number * 1000 + self.below(40)
    }

    async fn write(&mut self, statement: &'static str, timestamp: i64, values: impl SerializeRow, events: Vec<Expected>) {
        self.shared.events.fetch_add(events.len(), Ordering::Relaxed);
        let answer = self.shared.session.execute_unpaged(&self.shared.statements[statement], values).await;
        let acknowledged = answer.is_ok().then(|| self.shared.start.elapsed());
        self.shared.acknowledged.fetch_add(usize::from(answer.is_ok()), Ordering::Relaxed);
        self.writes.push(Write { timestamp, acknowledged, events });
    }

    async fn plain(&mut self) {
        let (id, ts) = (self.own(), self.shared.timestamp());
        let key = json!({ "id": id });
        let note = format!("note {ts} \u{17e}");
        match self.below(8) {
            0 => {
                let event = event("plain", "partition_delete", "d", key, vec![]);
                self.write(STATEMENTS[2], ts, (ts, id), vec![event]).await;
            }
            form @ 1..=3 => {
                // Every third update sets the column to null: a tombstone of a cell.
                let note = (form > 1).then_some(note.as_str());
                let event = event("plain", "row", "u", key, vec![(SEQUENCE, json!(ts)), ("note", json!(note))]);
                self.write(STATEMENTS[1], ts, (ts, ts, note, id), vec![event]).await;
            }
            form => {
                // A short decimal, so that every parser reads it back exactly.
                let (ratio, flag, at) = ((ts % 100_000) as f64 + 0.125, form % 2 == 0, ts / 1000);
                let columns =
                    vec![(SEQUENCE, json!(ts)), ("note", json!(note)), ("ratio", json!(ratio)), ("flag", json!(flag)), ("at", json!(at))];
                let event = event("plain", "row", "i", key, columns);
                self.write(STATEMENTS[0], ts, (id, ts, note.as_str(), ratio, flag, CqlTimestamp(at), ts), vec![event]).await;
            }
        }
    }

    async fn clustered(&mut self) {
        let shared = self.below(5) == 0;
        let (tenant, day) = if shared { ("shared".to_owned(), 0) } else { (format!("tenant-{}", self.number), self.below(20) as i32) };
        let (c, ts) = (self.below(50), self.shared.timestamp());
        let key = json!({ "tenant": tenant, "day": day, "c": c });
        let expected = |kind, op, key, columns| Expected { ordered: !shared, ..event("clustered", kind, op, key, columns) };
        match self.below(8) {
            0 => {
                let event = expected("row_delete", "d", key, vec![]);
                self.write(STATEMENTS[5], ts, (ts, tenant, day, c), vec![event]).await;
            }
            1 => {
                let key = json!({ "tenant": tenant, "day": day, "c": null });
                let event = Expected { range: Some([c, c + 5]), ..expected("range_delete", "r", key, vec![]) };
                self.write(STATEMENTS[6], ts, (ts, tenant, day, c, c + 5), vec![event]).await;
            }
            2..=3 => {
                let event = expected("row", "u", key, vec![(SEQUENCE, json!(ts))]);
                self.write(STATEMENTS[4], ts, (ts, ts, tenant, day, c), vec![event]).await;
            }
            _ => {
                let body = "b".repeat(self.below(400) as usize + 1);
                let event = expected("row", "i", key, vec![(SEQUENCE, json!(ts)), ("body", json!(body))]);
                self.write(STATEMENTS[3], ts, (tenant, day, c, ts, body, ts), vec![event]).await;
            }
        }
    }

    async fn collections(&mut self) {
        let (id, ts) = (self.own(), self.shared.timestamp());
        let key = json!({ "id": id });
        // Sets and maps are stored in the order of their elements, so they are expected sorted.
        let tags = vec![format!("tag-{}", self.below(9)), "tag-a".to_owned()];
        let scores = BTreeMap::from([("x", 1_i32), ("y", self.below(1000) as i32)]);
        let log = vec![format!("entry {ts}")];
        match self.below(4) {
            0 => {
                let event = event("collections", "row", "u", key, vec![(SEQUENCE, json!(ts)), ("tags", json!([]))]);
                self.write(STATEMENTS[9], ts, (ts, ts, tags, id), vec![event]).await;
            }
            form => {
                let columns = vec![(SEQUENCE, json!(ts)), ("tags", json!(tags)), ("scores", json!(scores)), ("log", json!(log))];
                let event = event("collections", "row", if form == 1 { "u" } else { "i" }, key, columns);
                if form == 1 {
                    self.write(STATEMENTS[8], ts, (ts, ts, tags, scores, log, id), vec![event]).await;
                } else {
                    self.write(STATEMENTS[7], ts, (id, ts, tags, scores, log, ts), vec![event]).await;
                }
            }
        }
    }

    async fn statics(&mut self) {
        let (p, c, ts) = (self.own() as i32, self.below(30), self.shared.timestamp());
        let text = format!("static {ts}");
        let columns = vec![("s", json!(text)), (STATIC_SEQUENCE, json!(ts))];
        let fixed = event("statics", "static", "u", json!({ "p": p, "c": null }), columns);
        if self.below(3) == 0 {
            return self.write(STATEMENTS[11], ts, (ts, text, ts, p), vec![fixed]).await;
        }
        let columns = vec![("v", json!("row")), (SEQUENCE, json!(ts))];
        let row = event("statics", "row", "i", json!({ "p": p, "c": c }), columns);
        self.write(STATEMENTS[10], ts, (p, c, text, ts, "row", ts, ts), vec![fixed, row]).await;
    }
}

fn event(table: &'static str, kind: &'static str, op: &'static str, key: Value, columns: Vec<(&'static str, Value)>) -> Expected {
    Expected { table, kind, op, key, columns, range: None, ordered: true }
}
