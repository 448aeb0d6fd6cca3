//! An application that changes an order and says so, in one batch of one partition, and remembers what the node acknowledged.
//!
//! An order belongs to one task, which waits for each answer, so the order of its changes is known.

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::prepared::PreparedStatement;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use uuid::Uuid;

pub const KEYSPACE: &str = "shop";
/// Seconds after which a row of the outbox is gone.
pub const TTL: u64 = 20;
/// What an update writes into a payload; it must come nowhere.
pub const CORRECTED: &str = "corrected";
/// The aggregate types.
pub const TYPES: [&str; 2] = ["order", "payment"];

/// One batch: a changed order and the message about it.
#[derive(Clone, Debug)]
pub struct Change {
    /// Of the message; the order holds it too.
    pub event_id: Uuid,
    /// Which of [`TYPES`].
    pub aggregate_type: &'static str,
    pub aggregate_id: String,
    /// The how manyeth change of its aggregate.
    pub sequence: i64,
    pub acknowledged: bool,
}

impl Change {
    pub fn payload(&self) -> String {
        format!("{{\"sequence\": {}, \"of\": \"{}\"}}", self.sequence, self.aggregate_id)
    }

    pub fn event_type(&self) -> &'static str {
        if self.sequence == 1 { "Placed" } else { "Changed" }
    }
}

/// What all tasks share.
pub struct Application {
    session: Session,
    batch: PreparedStatement,
    update: PreparedStatement,
    delete: PreparedStatement,
    /// How many batches the node has acknowledged.
    pub acknowledged: AtomicUsize,
    /// How many updates and deletes of the outbox the node has acknowledged. No message may come of them.
    pub unwanted: AtomicUsize,
    /// Set to end the tasks.
    pub stop: AtomicBool,
}

impl Application {
    /// Connects and makes the two tables.
    pub async fn create(contact_point: &str) -> Application {
        let session = SessionBuilder::new().known_node(contact_point).build().await.expect("the node answers");
        let options = format!("cdc = true AND default_time_to_live = {TTL}");
        for statement in [
            format!("CREATE KEYSPACE {KEYSPACE} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"),
            format!(
                "CREATE TABLE {KEYSPACE}.orders (customer int, id text, sequence bigint, last_event uuid, PRIMARY KEY (customer, id)) \
                 WITH cdc = true"
            ),
            format!(
                "CREATE TABLE {KEYSPACE}.outbox (customer int, event_id uuid, aggregate_type text, aggregate_id text, event_type text, \
                 payload text, PRIMARY KEY (customer, event_id)) WITH {options}"
            ),
        ] {
            session.query_unpaged(statement, ()).await.expect("the statement is good");
        }
        // What the guide says of conditions.
        let conditional = format!(
            "BEGIN BATCH UPDATE {KEYSPACE}.orders SET sequence = 2 WHERE customer = 0 AND id = 'x' IF sequence = 1; \
             INSERT INTO {KEYSPACE}.outbox (customer, event_id) VALUES (0, {}); APPLY BATCH",
            Uuid::nil()
        );
        let refused = session.query_unpaged(conditional, ()).await.expect_err("a batch with a condition over two tables");
        assert!(refused.to_string().contains("cannot span multiple tables"), "{refused}");
        let batch = format!(
            "BEGIN BATCH \
             UPDATE {KEYSPACE}.orders SET sequence = ?, last_event = ? WHERE customer = ? AND id = ?; \
             INSERT INTO {KEYSPACE}.outbox (customer, event_id, aggregate_type, aggregate_id, event_type, payload) VALUES (?, ?, ?, ?, ?, ?); \
             APPLY BATCH"
        );
        let batch = session.prepare(batch).await.expect("the batch is good");
        let update = format!("UPDATE {KEYSPACE}.outbox SET payload = '{CORRECTED}' WHERE customer = ? AND event_id = ?");
        let update = session.prepare(update).await.expect("the update is good");
        let delete = format!("DELETE FROM {KEYSPACE}.outbox WHERE customer = ? AND event_id = ?");
        let delete = session.prepare(delete).await.expect("the delete is good");
        let (acknowledged, unwanted, stop) = Default::default();
        Application { session, batch, update, delete, acknowledged, unwanted, stop }
    }

    /// Runs `tasks` tasks until told to stop.
    pub async fn run(self: Arc<Self>, tasks: i32) -> Vec<Change> {
        let tasks: Vec<_> = (0..tasks).map(|customer| tokio::spawn(Arc::clone(&self).task(customer))).collect();
        let mut changes = Vec::new();
        for task in tasks {
            changes.extend(task.await.expect("a task does not panic"));
        }
        changes
    }

    /// Changes the ten orders of a customer in turn.
    async fn task(self: Arc<Self>, customer: i32) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::new();
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while !self.stop.load(Ordering::Relaxed) {
            tick.tick().await;
            let number = changes.len() as i64;
            let mut change = Change {
                event_id: Uuid::from_u64_pair(customer as u64, number as u64),
                aggregate_type: TYPES[(number % 2) as usize],
                aggregate_id: format!("{customer}-{}", number % 10),
                sequence: number / 10 + 1,
                acknowledged: false,
            };
            self.change(customer, &mut change).await;
            // What nobody should do to an outbox.
            if let Some(earlier) = changes.len().checked_sub(20).filter(|_| number % 20 == 0) {
                let statement = if number % 40 == 0 { &self.update } else { &self.delete };
                let answer = self.session.execute_unpaged(statement, (customer, changes[earlier].event_id)).await;
                self.unwanted.fetch_add(usize::from(answer.is_ok()), Ordering::Relaxed);
            }
            changes.push(change);
        }
        changes
    }

    async fn change(&self, customer: i32, change: &mut Change) {
        let (id, aggregate_id) = (change.event_id, change.aggregate_id.as_str());
        let order = (change.sequence, id, customer, aggregate_id);
        let message = (customer, id, change.aggregate_type, aggregate_id, change.event_type(), change.payload());
        let values = (order.0, order.1, order.2, order.3, message.0, message.1, message.2, message.3, message.4, message.5);
        change.acknowledged = self.session.execute_unpaged(&self.batch, values).await.is_ok();
        self.acknowledged.fetch_add(usize::from(change.acknowledged), Ordering::Relaxed);
    }

    /// How many rows the outbox holds.
    pub async fn rows(&self) -> i64 {
        let counted = self.session.query_unpaged(format!("SELECT count(*) FROM {KEYSPACE}.outbox"), ()).await.expect("an answer");
        counted.into_rows_result().expect("rows").single_row::<(i64,)>().expect("one row").0
    }
}
