use super::*;
use crate::schema::ColumnKind;

/// A node whose schema the ignored tests may change: `RINGTAIL_CASSANDRA=127.0.0.1:9042 cargo test -- --ignored live`.
const NODE: &str = "RINGTAIL_CASSANDRA";

fn config(contact_points: &[&str]) -> CqlConfig {
    CqlConfig { contact_points: contact_points.iter().map(|&point| point.to_owned()).collect(), ..CqlConfig::default() }
}

fn node() -> CqlConfig {
    config(&[&std::env::var(NODE).unwrap()])
}

/// A port where nobody listens.
fn closed_port() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test]
async fn what_each_contact_point_said_is_in_the_error() {
    let (first, second) = (closed_port(), closed_port());

    let error = read(&config(&[&first, &second])).await.unwrap_err().to_string();

    assert!(error.starts_with(&format!("no contact point gave the schema: {first}: cannot connect: ")), "{error}");
    assert!(error.contains(&format!("; {second}: cannot connect: ")), "{error}");
    assert_eq!(read(&config(&[])).await.unwrap_err().to_string(), "schema.cql.contact_points is empty");
}

#[tokio::test]
async fn files_for_encryption_are_named_when_they_cannot_be_used() {
    let mut config = config(&[&closed_port()]);
    config.tls = Some(CqlTls { ca: Some("/nowhere/ca.pem".into()), ..CqlTls::default() });

    let error = read(&config).await.unwrap_err();

    assert_eq!(error.to_string(), "cannot use schema.cql.tls.ca /nowhere/ca.pem");
}

#[test]
fn i9_the_password_is_not_printed() {
    let config = CqlConfig { password: Some("hunter2".to_owned()), ..CqlConfig::default() };

    assert!(!format!("{config:?}").contains("hunter2"));
}

#[tokio::test]
#[ignore = "needs a Cassandra node in RINGTAIL_CASSANDRA"]
async fn live_the_schema_of_a_node_is_read_with_its_types_and_dropped_columns() {
    let session = connect(&node(), std::env::var(NODE).unwrap().parse().unwrap(), None).await.unwrap();
    for statement in [
        "DROP KEYSPACE IF EXISTS ringtail_live",
        "CREATE KEYSPACE ringtail_live WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TYPE ringtail_live.pair (a int, b frozen<set<text>>)",
        "CREATE TABLE ringtail_live.t (p int, c timestamp, gone map<text, int>, u pair, l list<frozen<pair>>, s blob static, PRIMARY KEY (p, c))
         WITH CLUSTERING ORDER BY (c DESC) AND cdc = true",
        "ALTER TABLE ringtail_live.t DROP gone USING TIMESTAMP 1234567890123456",
    ] {
        session.query_unpaged(statement, ()).await.unwrap();
    }

    let schema = read(&node()).await.unwrap();

    assert_eq!(schema.problems, []);
    assert!(!schema.node.host_id.is_nil() && !schema.node.cluster_name.is_empty() && schema.node.release_version.contains('.'));
    let table = schema.catalog.by_name("ringtail_live", "t").unwrap();
    assert!(table.is_published() && table.clustering[0].reversed);
    let type_of = |name: &str| table.cell_column(name, ColumnKind::Regular).unwrap().cql_type.to_string();
    assert_eq!((type_of("u"), type_of("l")), ("pair".to_owned(), "list<frozen<pair>>".to_owned()));
    assert_eq!(table.dropped["gone"].dropped_at_micros, 1_234_567_890_123_000);
    let builtin = Catalog::builtin();
    let system: Vec<_> = schema.catalog.tables().filter(|table| table.is_system()).collect();
    assert!(system.len() > 30);
    for table in system {
        let known = builtin.table(table.id).unwrap();
        assert!(table.columns().all(|column| known.columns().any(|other| other.name == column.name)), "{table}");
    }
}

#[tokio::test]
#[ignore = "needs a Cassandra node in RINGTAIL_CASSANDRA"]
async fn live_a_node_of_another_data_center_is_refused_and_the_next_one_asked() {
    let mut config = node();
    let right = read(&config).await.unwrap().node.data_center;

    config.local_dc = Some("elsewhere".to_owned());
    let error = read(&config).await.unwrap_err().to_string();
    assert!(error.ends_with(&format!("expected a node of data center \"elsewhere\", found one of {right:?}")), "{error}");

    config.local_dc = Some(right);
    config.contact_points.insert(0, closed_port());
    assert!(read(&config).await.is_ok());
}
