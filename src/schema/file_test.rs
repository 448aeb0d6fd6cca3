//! Recorded schemas in both forms define the same tables; plain CQL loads; nothing panics.

use super::file::load;
use super::*;
use crate::cql::CqlType;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What a node said in CQL, and the rows of its `system_schema` at that moment.
const RECORDED: [(&str, &str, &str); 3] = [
    ("3.11", include_str!("testdata/3.11-operations.cql"), include_str!("testdata/3.11-operations.json")),
    ("4.1", include_str!("testdata/4.1-operations.cql"), include_str!("testdata/4.1-operations.json")),
    ("5.0", include_str!("testdata/5.0-types.cql"), include_str!("testdata/5.0-types.json")),
];

fn by_name(catalog: &Catalog) -> BTreeMap<String, TableMetadata> {
    catalog.tables().map(|table| (table.to_string(), TableMetadata::clone(table))).collect()
}

fn loaded(text: &str) -> LoadedSchema {
    let loaded = load(text).unwrap();
    assert_eq!(loaded.problems, []);
    loaded
}

fn refuse(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

/// The one table of a CQL file without ids.
fn table(text: &str) -> TableMetadata {
    let mut tables = loaded(text).without_id;
    assert_eq!(tables.len(), 1);
    tables.remove(0).with_id(TableId(uuid::Uuid::nil()))
}

fn names(columns: &[ColumnMetadata]) -> Vec<String> {
    columns.iter().map(|column| format!("{} {}", column.name, column.cql_type)).collect()
}

#[test]
fn cql_and_rows_of_one_node_define_the_same_tables() {
    for (release, cql, json) in RECORDED {
        let cql = loaded(cql);
        let mut rows = by_name(&loaded(json).catalog);
        if release == "3.11" {
            // Drivers print neither the ids of views nor dropped columns.
            rows.remove("ops.by_v").unwrap();
            rows.values_mut().for_each(|table| table.dropped.clear());
        }

        assert!(rows.len() >= 8, "{release}: {} tables", rows.len());
        assert_eq!(by_name(&cql.catalog), rows, "{release}");
        assert_eq!(cql.without_id.len(), usize::from(release == "3.11"));
    }
}

#[test]
fn a_catalog_written_as_rows_is_the_same_catalog() {
    for (_, _, json) in RECORDED {
        let catalog = loaded(json).catalog;
        let text = serde_json::to_string(&SchemaRows::from(&catalog)).unwrap();

        assert_eq!(by_name(&loaded(&text).catalog), by_name(&catalog));
    }
}

#[test]
fn dropped_columns_keep_their_type_and_time_and_may_have_come_back() {
    let catalog = loaded(include_str!("testdata/4.1-operations.cql")).catalog;
    let evolve = catalog.by_name("ops", "evolve").unwrap();

    assert_eq!(evolve.dropped["m"].dropped_at_micros, 1_795_365_424_483_000);
    assert_eq!(evolve.dropped["m"].column.cql_type.to_string(), "map<text, int>");
    assert!(evolve.cell_column("m", ColumnKind::Regular).is_none());
    assert!(evolve.dropped.contains_key("b") && evolve.cell_column("b", ColumnKind::Regular).is_some());
}

#[test]
fn a_column_dropped_without_a_time_hides_no_cells() {
    let table = table("CREATE TABLE ks.t (p int PRIMARY KEY, a int, b text static); ALTER TABLE ks.t DROP (a, b);");

    assert_eq!(table.dropped["a"].dropped_at_micros, i64::MIN);
    assert_eq!(table.dropped["b"].column.kind, ColumnKind::Static);
}

#[test]
fn compact_storage_has_hidden_columns_with_unused_names() {
    let fixed = table("CREATE TABLE ks.t (p int PRIMARY KEY, column1 text, value int) WITH COMPACT STORAGE");
    assert_eq!(names(&fixed.statics), ["column1 text", "value int"]);
    assert_eq!((names(&fixed.clustering), names(&fixed.regulars)), (vec!["column2 text".to_owned()], vec!["value1 blob".to_owned()]));

    let counters = table("CREATE TABLE ks.t (p int PRIMARY KEY, n counter) WITH COMPACT STORAGE");
    assert_eq!(names(&counters.regulars), ["value counter"]);

    let keys = table("CREATE TABLE ks.t (p int, c int, PRIMARY KEY (p, c)) WITH COMPACT STORAGE");
    assert_eq!(names(&keys.regulars), ["value empty"]);

    let dense = table("CREATE TABLE ks.t (p int, c int, v text, PRIMARY KEY (p, c)) WITH COMPACT STORAGE");
    assert_eq!(names(&dense.regulars), ["v text"]);

    let made_plain = table(
        "CREATE TABLE ks.t (p int PRIMARY KEY, a int) WITH COMPACT STORAGE; ALTER TABLE ks.t DROP COMPACT STORAGE; ALTER TABLE ks.t ADD b int",
    );
    assert_eq!(
        (names(&made_plain.statics), names(&made_plain.regulars)),
        (vec!["a int".to_owned()], vec!["b int".to_owned(), "value blob".to_owned()])
    );
}

#[test]
fn cql_that_people_write_is_understood() {
    let text = r#"
        // A migration, not a dump.
        DROP KEYSPACE IF EXISTS shop;
        CREATE KEYSPACE IF NOT EXISTS shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3};
        USE shop;
        create type "Price" (amount decimal, currency ascii);
        CREATE TYPE line (sku text, price "Price"); /* not frozen, and yet it is */
        CREATE TABLE IF NOT EXISTS orders (
            Customer uuid, "Day" date, id timeuuid, note text MASKED WITH mask_inner(1, null) , lines list<frozen<line>>, total "Price" STATIC,
            tags SET<text>, secret 'org.apache.cassandra.db.marshal.UTF8Type',
            PRIMARY KEY ((customer, "Day"), id)
        ) WITH CLUSTERING ORDER BY (id DESC) AND cdc=TRUE AND comment='; -- it''s "fine"' AND caching={'keys':'ALL'};
        ALTER TABLE shop.orders ADD (state int, paid boolean);
        ALTER TABLE orders RENAME id TO order_id;
        ALTER TYPE line ADD count int;
        CREATE INDEX ON orders (state);
        CREATE OR REPLACE FUNCTION f (a int) RETURNS NULL ON NULL INPUT RETURNS int LANGUAGE java AS $$ return a; // ; ' $$;
        BEGIN BATCH INSERT INTO orders (customer) VALUES (1); APPLY BATCH;
        CREATE MATERIALIZED VIEW by_state AS SELECT customer, "Day", order_id, state, note FROM orders
            WHERE state IS NOT NULL AND customer IS NOT NULL AND "Day" IS NOT NULL AND order_id IS NOT NULL
            PRIMARY KEY (state, customer, "Day", order_id) WITH CLUSTERING ORDER BY (customer DESC);
        GRANT SELECT ON KEYSPACE shop TO app"#;

    let loaded = loaded(text);
    assert!(loaded.catalog.is_empty());
    let [orders, by_state] = loaded.without_id.try_into().unwrap();
    let (orders, by_state) = (orders.with_id(TableId(uuid::Uuid::max())), by_state.with_id(TableId(uuid::Uuid::nil())));

    assert_eq!(orders.to_string(), "shop.orders");
    assert!(orders.is_published());
    assert_eq!(names(&orders.partition_key), ["customer uuid", "Day date"]);
    assert_eq!(names(&orders.clustering), ["order_id timeuuid"]);
    assert!(orders.clustering[0].reversed);
    assert_eq!(names(&orders.statics), ["total \"Price\""]);
    assert_eq!(
        names(&orders.regulars),
        ["lines list<frozen<line>>", "note text", "paid boolean", "secret text", "state int", "tags set<text>"]
    );
    let CqlType::List(line) = &orders.regulars[0].cql_type else { panic!("not a list") };
    let CqlType::Udt(line) = line.unfrozen() else { panic!("not a user type") };
    assert_eq!(
        line.fields.iter().map(|(name, field)| format!("{name} {field}")).collect::<Vec<_>>(),
        ["sku text", "price frozen<\"Price\">", "count int"]
    );

    assert_eq!(by_state.kind, TableKind::View);
    assert_eq!(names(&by_state.clustering), ["customer uuid", "Day date", "order_id timeuuid"]);
    assert!(by_state.clustering[0].reversed && !by_state.clustering[1].reversed);
    assert_eq!(names(&by_state.regulars), ["note text"]);
}

#[test]
fn errors_name_the_line_and_what_was_expected() {
    assert_eq!(refuse("CREATE TABLE ks.t (\n  p int PRIMARY KEY,\n  v list<int\n);"), "line 4: expected >, found )");
    assert_eq!(refuse("\nCREATE TABLE t (p int PRIMARY KEY);"), "line 2: expected a name with its keyspace, or USE before, found CREATE");
    assert_eq!(refuse("CREATE TABLE ks.t (p int);"), "line 1: expected a PRIMARY KEY of ks.t, found CREATE");
    assert_eq!(
        refuse("CREATE TABLE ks.t (p int, PRIMARY KEY (q));"),
        "line 1: expected a column q, which the PRIMARY KEY of ks.t names, found CREATE"
    );
    assert_eq!(refuse("FROBNICATE;"), "line 1: expected a CQL statement, found FROBNICATE");
    assert_eq!(refuse("CREATE TABEL ks.t (p int PRIMARY KEY);"), "line 1: expected TABLE, TYPE or another kind of definition, found TABEL");
    assert_eq!(refuse("CREATE TABLE ks.t (p int PRIMARY KEY) WITH ID = 7;"), "line 1: expected a UUID, found 7");
    assert_eq!(refuse("CREATE TABLE ks.t (p int PRIMARY KEY) garbage"), "line 1: expected the end of the statement, found garbage");
    assert_eq!(refuse("CREATE TYPE ks.u (a 'x"), "line 1: expected a closing quote, found the end of the file");
    assert_eq!(refuse("CREATE TYPE ks.u (a int"), "line 1: expected ), found the end of the statement");
    assert_eq!(refuse("INSERT INTO x VALUES (1);\nCREATE TABLE 'secret' ()"), "line 2: expected a name, found a text");
    assert_eq!(refuse("{\"tables\": []}"), "schema rows are not valid JSON of system_schema");
}

#[test]
fn a_definition_that_makes_no_sense_is_named_and_the_others_load() {
    let loaded = load("CREATE TABLE ks.a (p int PRIMARY KEY, v nope); CREATE TABLE ks.b (p int PRIMARY KEY);").unwrap();

    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, ["cannot use the definition of ks.a: column v: unknown type \"nope\" in keyspace \"ks\""]);
    assert_eq!(loaded.without_id.len(), 1);
}

#[test]
fn a_column_that_is_defined_twice_is_named() {
    let loaded = load("CREATE TABLE ks.a (p int PRIMARY KEY, v int, v text); CREATE TABLE ks.b (p int PRIMARY KEY);").unwrap();

    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, ["cannot use the definition of ks.a: column v: expected one definition, found two"]);
    assert_eq!(loaded.without_id.len(), 1);
}

#[test]
fn regular_columns_are_ordered_by_name_whatever_position_their_rows_have() {
    let json = include_str!("testdata/4.1-operations.json");
    let names = |json: &str| {
        let loaded = load(json).unwrap();
        loaded.catalog.by_name("ops", "coll").unwrap().regulars.iter().map(|column| column.name.clone()).collect::<Vec<_>>()
    };
    let int = |position| format!("\"kind\": \"regular\", \"position\": {position}, \"clustering_order\": \"none\", \"type\": \"int\"");

    let moved = json.replace(&int(-1), &int(-2));

    assert_ne!(json, moved);
    assert_eq!(names(&moved), names(json));
}

#[test]
fn a_table_of_which_key_rows_are_missing_is_not_used() {
    let json = include_str!("testdata/4.1-operations.json").replace(
        "\"column_name\": \"c1\", \"kind\": \"clustering\", \"position\": 0",
        "\"column_name\": \"c1\", \"kind\": \"clustering\", \"position\": 7",
    );

    let problems: Vec<String> = load(&json).unwrap().problems.iter().map(ToString::to_string).collect();

    assert!(
        problems.contains(&"cannot use the definition of ops.t: expected clustering columns at positions 0 to n, found [1, 7]".to_owned()),
        "{problems:?}"
    );
}

#[test]
fn the_file_wins_over_built_in_tables_and_plain_cql_takes_their_ids() {
    let builtin = Catalog::builtin();
    let local = builtin.by_name("system", "local").unwrap().id;
    let loaded = loaded("CREATE TABLE system.local (key text PRIMARY KEY, only_here int); CREATE TABLE ks.t (p int PRIMARY KEY);");

    let catalog = Catalog::from_loaded(&loaded);

    assert_eq!(names(&catalog.table(local).unwrap().regulars), ["only_here int"]);
    assert_eq!(catalog.len(), builtin.len());
    assert!(catalog.by_name("ks", "t").is_none());
}

#[test]
fn a_name_means_the_table_that_was_added_last() {
    let mut catalog = Catalog::new();
    let table = table("CREATE TABLE ks.t (p int PRIMARY KEY)");
    let [old, new] = [1, 2].map(|id| TableId(uuid::Uuid::from_u128(id)));

    catalog.insert(TableMetadata { id: old, ..table.clone() });
    catalog.insert(TableMetadata { id: new, ..table });

    assert_eq!(catalog.by_name("ks", "t").unwrap().id, new);
    assert!(catalog.table(old).is_some());
    catalog.remove(new);
    assert!(catalog.by_name("ks", "t").is_none());
}

/// Pieces of statements, so that random texts get far.
const PIECES: [&str; 34] = [
    "CREATE TABLE ks.t (p int PRIMARY KEY, v text",
    "CREATE TYPE ks.u (a int",
    "CREATE MATERIALIZED VIEW ks.v AS SELECT * FROM ks.t WHERE",
    "ALTER TABLE ks.t",
    "ALTER TYPE ks.u",
    "USE ks",
    "DROP TABLE",
    "ADD",
    "DROP",
    "RENAME a TO b",
    "USING TIMESTAMP -9",
    "WITH",
    "AND",
    "ID =",
    "COMPACT STORAGE",
    "PRIMARY KEY (p, v)",
    "frozen<list<u>>",
    "static",
    ";",
    ",",
    "(",
    ")",
    "<",
    ">",
    "{",
    "}",
    "'",
    "\"",
    "$$",
    "/*",
    "*/",
    "--",
    "/*\nWarning: Table x omitted\nCREATE TABLE",
    "é",
];

proptest! {
    #[test]
    fn i6_no_text_makes_the_schema_file_panic(pieces in prop::collection::vec(prop::sample::select(PIECES.as_slice()), 0..25), joint in "[ \n]?") {
        drop(load(&pieces.join(&joint)));
    }

    #[test]
    fn i6_no_cut_or_flip_of_a_recorded_schema_panics(at in 0..4000usize, character: char, cut: bool) {
        for (_, cql, json) in RECORDED {
            for text in [cql, json] {
                let mut text: String = text.to_owned();
                let at = (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap();
                if cut { text.truncate(at) } else { text.insert(at, character) }
                drop(load(&text));
            }
        }
    }
}
