//! Each key of the default file changes exactly the field meant, or is refused by name.

use super::not_built::{NOT_BUILT, Refused};
use super::*;
use crate::connect::{Conversion, DecimalMode, VarintMode};
use crate::envelope::{HeaderTemplate, OutboxTable};
use crate::keystore::{Keystore, KeystoreType};
use std::path::PathBuf;
use std::time::Duration;

fn parsed(text: &str) -> Result<Config, ConfigError> {
    parse(text, Path::new("test.yaml"), &BTreeMap::new())
}

fn defaults() -> Config {
    parsed("").unwrap()
}

fn problem(text: &str) -> String {
    parsed(text).map(|config| format!("accepted: {config:?}")).unwrap_err().to_string()
}

/// `a.b.c` and a value as one line of YAML.
fn yaml(key: &str, value: &str) -> String {
    let parts: Vec<&str> = key.split('.').collect();
    format!("{}{{ {}: {value} }}{}", parts[0].to_owned() + ": ", parts[1..].join(": { "), " }".repeat(parts.len().saturating_sub(2)))
}

type Change = fn(&mut Config);

/// A key, a value that is not its default, and what it changes.
const ACCEPTED: &[(&str, &str, Change)] = &[
    ("node.id", "cassandra-7", |c| c.node.id = Some("cassandra-7".into())),
    ("source.cdc_raw", "/data/cdc", |c| c.source.cdc_raw = "/data/cdc".into()),
    ("source.commitlog", "/data/commitlog", |c| c.source.commitlog = Some("/data/commitlog".into())),
    ("source.cassandra_yaml", "/config/cassandra.yaml", |c| c.source.cassandra_yaml = Some("/config/cassandra.yaml".into())),
    ("source.read", "synced", |c| c.source.read = ReadMode::Synced),
    ("source.poll_min", "1ms", |c| c.source.poll_min = Duration::from_millis(1)),
    ("source.poll_max", "10s", |c| c.source.poll_max = Duration::from_secs(10)),
    ("source.rescan", "1h", |c| c.source.rescan = Duration::from_secs(3600)),
    ("source.finished", "keep", |c| c.source.finished = Finished::Keep),
    ("state.dir", "target/quickstart", |c| c.state.dir = "target/quickstart".into()),
    ("source.archive", "/archive", |c| c.source.archive = Some("/archive".into())),
    ("state.spool.full", "drop_oldest", |c| c.state.spool.full = Full::DropOldest),
    ("state.spool.limit", "64MiB", |c| c.state.spool.limit = 64 << 20),
    ("state.spool.release", "delivered", |c| c.state.spool.release = Release::Delivered),
    ("state.spool.min_free", "0%", |c| c.state.spool.min_free = 0),
    ("state.parked.limit", "2GB", |c| c.state.parked_limit = 2_000_000_000),
    ("schema.cql.contact_points", "[\"a:9042\", \"b:9042\"]", |c| c.schema.cql.contact_points = vec!["a:9042".into(), "b:9042".into()]),
    ("schema.cql", "{ username: u, password: geheim }", |c| {
        c.schema.cql.login = Some(Login { username: "u".into(), password: Secret::new("geheim") });
    }),
    ("schema.cql.tls.ca", "ca.pem", |c| c.schema.cql.tls = Some(Tls { ca: Some("ca.pem".into()), identity: None })),
    ("schema.cql.tls", "{ cert: c.pem, key: k.pem }", |c| {
        c.schema.cql.tls = Some(Tls { ca: None, identity: Some(("c.pem".into(), "k.pem".into())) });
    }),
    ("schema.cql.local_dc", "dc1", |c| c.schema.cql.local_dc = Some("dc1".into())),
    ("schema.file", "schema.cql", |c| c.schema.file = Some("schema.cql".into())),
    ("schema.log", "false", |c| c.schema.log = false),
    ("schema.wait", "0s", |c| c.schema.wait = Duration::ZERO),
    ("tables.include", "[\"shop.*\"]", |c| c.tables.include = vec![TablePattern::parse("shop.*").unwrap()]),
    ("tables.exclude", "[\"shop.tmp\"]", |c| c.tables.exclude = vec![TablePattern::parse("shop.tmp").unwrap()]),
    ("outbox.tables", "{ shop.outbox: {} }", |c| c.outbox = vec![OutboxTable::new("shop", "outbox")]),
    ("events.envelope", "flat", |c| c.events.envelope = EnvelopeKind::Flat),
    ("events.registry.url", "\"http://a:8081/, https://b/api\"", |c| {
        c.events.registry.urls = vec!["http://a:8081".into(), "https://b/api".into()];
    }),
    ("events.registry.subject", "record", |c| c.events.registry.subject = SubjectName::Record),
    ("events.registry.subject", "topic_record", |c| c.events.registry.subject = SubjectName::TopicRecord),
    ("events.registry.auto_register", "false", |c| c.events.registry.auto_register = false),
    ("events.registry", "{ username: u, password: geheim }", |c| {
        let login = Login { username: "u".into(), password: Secret::new("geheim") };
        c.events.registry.auth = Some(RegistryAuth::Basic(login));
    }),
    ("events.registry.token", "geheim", |c| c.events.registry.auth = Some(RegistryAuth::Token(Secret::new("geheim")))),
    ("events.registry.tls.ca", "ca.pem", |c| c.events.registry.ca = Some("ca.pem".into())),
    ("events.registry.timeout", "1m", |c| c.events.registry.timeout = Duration::from_secs(60)),
    ("tables.columns", "{ \"ks.t.c\": drop, \"*.u*.mail\": mask }", |c| {
        let rules = [("*.u*.mail", ColumnAction::Mask), ("ks.t.c", ColumnAction::Drop)];
        c.columns.rules = rules.iter().map(|(text, action)| ColumnRule::parse(text, *action).unwrap()).collect();
    }),
    ("tables.hash_key", "0123456789abcdefg", |c| c.columns.hash_key = Some(Secret::new("0123456789abcdefg"))),
    ("topics.prefix", "shop", |c| {
        (c.topics.prefix, c.topics.schema) = ("shop".into(), Some("shop.schema".into()));
        c.topics.positions = "shop.ringtail.positions".into();
    }),
    ("topics.name", "\"{keyspace}-{table}\"", |c| c.topics.name = "{keyspace}-{table}".into()),
    ("topics.tables", "{ \"shop.*\": \"{prefix}.shop\" }", |c| {
        c.topics.tables = vec![(TablePattern::parse("shop.*").unwrap(), "{prefix}.shop".into())];
    }),
    ("source.on_damage", "halt", |c| c.source.on_damage = OnDamage::Halt),
    ("source.encryption", "{ keystore: k, type: pkcs12, store_password: s }", |c| {
        c.source.encryption =
            Some(Keystore { path: "k".into(), kind: Some(KeystoreType::Pkcs12), store_password: "s".into(), key_password: None });
    }),
    ("topics.partition_by", "record_key", |c| c.topics.partition_by = PartitionBy::RecordKey),
    ("topics.allow_compaction", "true", |c| c.topics.allow_compaction = true),
    ("topics.schema", "\"{prefix}-ddl\"", |c| c.topics.schema = Some("ringtail-ddl".into())),
    ("topics.schema", "null", |c| c.topics.schema = None),
    ("topics.audit", "\"{prefix}.audit\"", |c| c.topics.audit = Some("ringtail.audit".into())),
    ("sink.file", "{ path: events.jsonl }", |c| c.sink.to = SinkTo::File("events.jsonl".into())),
    ("sink.stdout", "{}", |_| ()),
    ("sink.window", "1", |c| c.sink.window = 1),
    ("sink.commit_interval", "2s", |c| c.sink.commit_interval = Duration::from_secs(2)),
    ("events.envelope", "flat", |c| c.events.envelope = EnvelopeKind::Flat),
    ("events.strict", "true", |c| c.events.strict = true),
    ("events.schemas", "true", |c| c.events.schemas = true),
    ("events.tombstones", "true", |c| c.events.tombstones = true),
    ("events.decimal", "double", |c| c.events.conversion.decimal = DecimalMode::Double),
    ("events.decimal", "precise", |c| c.events.conversion.decimal = DecimalMode::Precise),
    ("events.varint", "long", |c| c.events.conversion.varint = VarintMode::Long),
    ("events.varint", "precise", |c| c.events.conversion.varint = VarintMode::Precise),
    ("events.headers", "{ team: shop, table: \"{keyspace}.{table}\" }", |c| {
        let headers = [("table", "{keyspace}.{table}"), ("team", "shop")];
        c.events.headers = headers.iter().map(|(name, text)| HeaderTemplate::parse(name, text).unwrap()).collect();
    }),
    ("topics.create", "{}", |c| c.topics.create = Some(CreateTopics::default())),
    ("topics.create", "{ partitions: 3, replication_factor: 2, config: { retention.ms: 60000, cleanup.policy: delete } }", |c| {
        let config = [("cleanup.policy", "delete"), ("retention.ms", "60000")];
        c.topics.create = Some(CreateTopics {
            partitions: Some(3),
            replication_factor: Some(2),
            config: config.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        });
    }),
    ("topics.positions", "positions", |c| c.topics.positions = "positions".into()),
    ("sink.breaker.errors", "10%", |c| c.sink.breaker.errors = 10),
    ("sink.breaker.of", "100", |c| c.sink.breaker.of = 100),
    ("sink.breaker.timeout", "1s", |c| c.sink.breaker.timeout = Duration::from_secs(1)),
    ("sink.breaker.probe", "100ms", |c| c.sink.breaker.probe = Duration::from_millis(100)),
    ("http.listen", "\"0.0.0.0:1\"", |c| c.http.listen = "0.0.0.0:1".parse().unwrap()),
    ("log.format", "json", |c| c.log.format = LogFormat::Json),
    ("log.level", "trace", |c| c.log.level = tracing::Level::TRACE),
];

/// A key and a value of every kind that is refused as not built.
const REFUSED: &[(&str, &str)] = &[
    ("source.read", "appended"),
    ("source.from", "now"),
    ("source.rate_limit", "50"),
    ("events.envelope", "cloudevents"),
    ("events.serializer", "protobuf"),
    ("events.heartbeat", "10s"),
    ("topics.dead_letter", "dead"),
];

#[test]
fn an_empty_file_and_the_annotated_file_are_the_same_configuration() {
    assert_eq!(parsed(raw::DEFAULTS).unwrap(), defaults());
    assert_eq!(parsed("source:\nlog:\n").unwrap(), defaults(), "sections with everything commented out");
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = defaults();

    let expected = Config {
        node: Node { id: None },
        source: Source {
            cdc_raw: PathBuf::from("/var/lib/cassandra/cdc_raw"),
            commitlog: None,
            cassandra_yaml: None,
            read: ReadMode::Marked,
            poll_min: Duration::from_millis(10),
            poll_max: Duration::from_millis(250),
            rescan: Duration::from_secs(2),
            finished: Finished::Delete,
            archive: None,
            on_damage: OnDamage::Quarantine,
            encryption: None,
        },
        state: State {
            dir: PathBuf::from("/var/lib/cassandra/ringtail"),
            spool: Spool { limit: 16 << 30, full: Full::Hold, release: Release::Early, min_free: 5 },
            parked_limit: 1 << 30,
        },
        schema: Schema {
            cql: Cql { contact_points: vec![], login: None, tls: None, local_dc: None },
            file: None,
            log: true,
            wait: Duration::from_secs(10),
        },
        tables: TableFilter { include: vec![TablePattern::parse("*.*").unwrap()], exclude: vec![] },
        columns: ColumnRules::default(),
        events: Events {
            envelope: EnvelopeKind::Debezium,
            strict: false,
            serializer: SerializerKind::Json,
            schemas: false,
            tombstones: false,
            conversion: Conversion::default(),
            heartbeat: Duration::ZERO,
            headers: vec![],
            registry: Registry {
                urls: vec![],
                subject: SubjectName::Topic,
                auto_register: true,
                auth: None,
                ca: None,
                timeout: Duration::from_secs(5),
            },
        },
        outbox: Vec::new(),
        topics: Topics {
            prefix: "ringtail".into(),
            name: "{prefix}.{keyspace}.{table}".into(),
            tables: vec![],
            partition_by: PartitionBy::PartitionKey,
            allow_compaction: false,
            schema: Some("ringtail.schema".into()),
            audit: None,
            positions: "ringtail.ringtail.positions".into(),
            create: None,
        },
        sink: Sink {
            to: SinkTo::Stdout,
            breaker: Breaker::default(),
            window: 10_000,
            delivery: Delivery::AtLeastOnce,
            commit_interval: Duration::from_millis(100),
        },
        http: Http { listen: "127.0.0.1:9640".parse().unwrap() },
        log: Log { format: LogFormat::Auto, level: tracing::Level::INFO },
    };
    assert_eq!(config, expected);
}

#[test]
fn each_key_changes_exactly_the_field_meant() {
    for (key, value, change) in ACCEPTED {
        let mut expected = defaults();
        change(&mut expected);

        let found = parsed(&yaml(key, value)).unwrap_or_else(|error| panic!("{key}: {error}"));

        assert_eq!(found, expected, "{key}");
        assert!(found != defaults() || *key == "sink.stdout", "{key}: the row shows nothing");
    }
}

#[test]
fn values_whose_feature_is_not_built_are_refused_by_name() {
    for (key, value) in REFUSED {
        let message = problem(&yaml(key, value));

        assert!(message.starts_with(&format!("config: {key} is ")), "{message}");
        assert!(message.contains("not built yet"), "{message}");
    }
}

#[test]
fn the_outbox_envelope_needs_an_outbox_table() {
    let config = parsed("events: { envelope: outbox }\noutbox: { tables: { shop.outbox: } }").unwrap();
    assert_eq!((config.events.envelope, config.outbox.len()), (EnvelopeKind::Outbox, 1));

    let message = problem("events: { envelope: outbox }");
    assert_eq!(message, "config: events.envelope is \"outbox\", and outbox.tables names no table, so nothing would be published");
}

#[test]
fn every_key_of_the_annotated_file_is_in_one_of_the_two_tables() {
    let tree = raw::defaults().unwrap();
    let known = keys::all(&tree);
    assert!(known.len() > 60, "{}", known.len());

    for key in known.iter().filter(|key| !known.iter().any(|other| other.starts_with(&format!("{key}.")))) {
        let accepted = ACCEPTED.iter().any(|(row, ..)| key == row || key.starts_with(&format!("{row}.")));
        let refused = REFUSED.iter().any(|(row, _)| key == row || key.starts_with(&format!("{row}.")));
        assert!(accepted || refused || key == "sink.kafka" || key == "sink.delivery", "{key} has no test");
    }
    for (key, _) in NOT_BUILT {
        assert!(known.iter().any(|known| known == key), "{key} is not a key");
        assert!(REFUSED.iter().any(|(row, _)| row == key), "{key} has no test");
    }
}

/// The comment lines right above each key, by name of the key (the last part of its path).
fn sentences() -> Vec<(String, String)> {
    let (mut found, mut comment) = (Vec::new(), String::new());
    for line in raw::DEFAULTS.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix('#') {
            comment.push_str(text);
        } else if let Some((key, _)) = line.split_once(':') {
            found.push((key.to_owned(), std::mem::take(&mut comment)));
        } else {
            comment.clear();
        }
    }
    found
}

#[test]
fn every_key_has_its_sentence_and_says_what_is_not_built() {
    let tree = raw::defaults().unwrap();
    let mut sentences = sentences().into_iter();
    let mut checked = 0;

    let mut expect = |key: &str, is_section: bool| {
        let (name, sentence) = sentences.find(|(name, _)| key.rsplit('.').next() == Some(name)).unwrap_or_else(|| panic!("{key}"));
        assert!(is_section || sentence.len() > 20, "{name} has no sentence");
        for (_, refused) in NOT_BUILT.iter().filter(|(refused, _)| *refused == key) {
            assert!(sentence.contains("Not built yet"), "{key} does not say what is not built");
            if let Refused::Words(words) = refused {
                assert!(words.iter().all(|word| sentence.contains(word)), "{key} does not name {words:?}");
            }
        }
        checked += 1;
    };
    in_file_order(raw::DEFAULTS, &tree, &mut expect);

    assert!(checked > 60, "{checked}");
}

/// Calls `each` with every key of the file, in the order of the file, and whether it is a section.
fn in_file_order(text: &str, tree: &serde_json::Value, each: &mut dyn FnMut(&str, bool)) {
    let mut path: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
        let depth = (line.len() - line.trim_start().len()) / 2;
        let name = line.trim().split_once(':').unwrap().0;
        path.truncate(depth);
        path.push(name.to_owned());
        let key = path.join(".");
        each(&key, keys::shape(raw::find(tree, &key), &key) == keys::Shape::Section);
    }
}

#[test]
fn headers_and_rules_for_columns_and_topics_are_checked_at_start() {
    for (text, expected) in [
        ("events: { headers: { team: 7 } }", "events.headers has 7 in header \"team\"; expected text, in quotes"),
        ("events: { headers: { ringtail.id: x } }", "events.headers has a header named \"ringtail.id\"; expected a name"),
        ("events: { headers: { a: \"{host}\" } }", "events.headers has the place {host} in header \"a\"; expected {prefix}"),
        ("events: { headers: { a: \"{column:}\" } }", "events.headers has the place {column:} in header"),
        ("events: { headers: { a: \"{table\" } }", "events.headers has an unpaired bracket in header \"a\""),
        ("tables: { columns: { ks.t.c: hide } }", "tables.columns has \"hide\" for \"ks.t.c\"; expected drop, mask or hash"),
        ("tables: { columns: { ks.t: drop } }", "tables.columns has \"ks.t\"; expected keyspace.table.column"),
        ("tables: { columns: { ks.t.c: hash } }", "tables.hash_key is missing; a rule in tables.columns hashes"),
        ("tables: { columns: { ks.t.c: hash }, hash_key: geheim }", "tables.hash_key is shorter than 16 bytes, so that it could be found"),
        ("topics: { tables: { shop: all } }", "topics.tables has \"shop\"; expected keyspace.table"),
        ("topics: { tables: { shop.t: 7 } }", "topics.tables has no text for \"shop.t\"; expected a template"),
        ("topics: { tables: { shop.t: \"{host}\" } }", "topics.tables is \"{host}\"; expected {prefix}, {keyspace}, {table}"),
        ("topics: { create: { partitions: 0 } }", "topics.create.partitions is 0; expected a whole number from 1 to 100000"),
        ("topics: { create: { replication: 3 } }", "topics.create.replication is not a setting; the nearest is topics.create."),
        ("topics: { create: { config: delete } }", "topics.create.config is \"delete\"; expected a mapping of Kafka's topic settings"),
        ("topics: { create: { config: { retention.ms: [1] } } }", "topics.create.config.retention.ms is a list; expected one value"),
        ("topics: { create: { config: { cleanup.policy: \"compact,delete\" } } }", "topics.create.config.cleanup.policy compacts topics"),
    ] {
        let message = problem(text);
        assert!(message.starts_with(&format!("config: {expected}")), "{message}");
    }
}

#[test]
fn exactly_once_is_of_kafka_only() {
    let kafka = "sink: { kafka: { bootstrap.servers: k }, delivery: exactly_once }\ntopics: { prefix: p }";
    assert_eq!(parsed(kafka).unwrap().sink.delivery, Delivery::ExactlyOnce);

    for other in ["sink: { delivery: exactly_once }", "sink: { file: { path: x }, delivery: exactly_once }"] {
        let message = problem(other);
        assert!(message.starts_with("config: sink.delivery is \"exactly_once\", which needs Kafka's transactions"), "{message}");
    }
}

#[test]
fn avro_needs_the_address_of_a_registry() {
    assert_eq!(problem("events: { serializer: avro }"), "config: events.registry.url is missing; events.serializer = avro needs it");
}

#[test]
fn addresses_of_registries_are_checked_and_never_repeated() {
    for (url, expected) in [
        ("registry:8081", "holds something else than addresses"),
        ("http://a:8081;http://b", "holds an address without a host, or with letters"),
        ("http://a, ", "holds something else than addresses"),
        ("http:///x", "holds an address without a host"),
        ("http://u:geheim@a", "holds a user; set events.registry.username"),
    ] {
        let message = problem(&yaml("events.registry.url", &format!("\"{url}\"")));
        assert!(message.starts_with(&format!("config: events.registry.url {expected}")), "{url}: {message}");
        assert!(!message.contains("geheim"), "{message}");
    }
}

#[test]
fn a_registry_is_told_one_thing_of_who_we_are() {
    let message = problem("events: { registry: { username: u, password: geheim, token: geheim } }");
    assert_eq!(message, "config: events.registry.token is set beside events.registry.username; expected one of them");
    let message = problem("events: { registry: { token: \"geheim geheim\" } }");
    assert_eq!(message, "config: events.registry.token holds a space, a line end or a letter beyond ASCII");
}

#[test]
fn an_unknown_key_is_named_in_full_with_the_nearest_one() {
    for (text, expected) in [
        ("sorce: { cdc_raw: /x }", "config: sorce is not a setting; the nearest is source"),
        ("source: { cdc_row: /x }", "config: source.cdc_row is not a setting; the nearest is source.cdc_raw"),
        ("state: { spool: { limits: 1GiB } }", "config: state.spool.limits is not a setting; the nearest is state.spool.limit"),
        ("spool: { limit: 1GiB }", "config: spool is not a setting; the nearest is state.spool"),
        ("cdc_raw: /x", "config: cdc_raw is not a setting; the nearest is source.cdc_raw"),
        ("sink: { file: { pth: x } }", "config: sink.file.pth is not a setting; the nearest is sink.file.path"),
        ("sink: { stdout: { pretty: true } }", "config: sink.stdout.pretty is not a setting; the nearest is sink.stdout"),
    ] {
        assert_eq!(problem(text), expected);
    }
}

#[test]
fn a_value_of_the_wrong_form_is_named_with_the_form_that_is_right() {
    for (text, expected) in [
        ("source: { rescan: 2 }", "source.rescan is 2; expected a whole number with a unit, for example 10ms"),
        ("source: { rescan: 10ms }", "source.rescan is \"10ms\"; expected 100ms to 1h"),
        ("state: { spool: { limit: 16 } }", "state.spool.limit is 16; expected a whole number with a unit, for example 64MiB"),
        ("state: { spool: { limit: 1KiB } }", "state.spool.limit is \"1KiB\"; expected 1MiB to"),
        ("state: { spool: { min_free: 5 } }", "state.spool.min_free is 5; expected a whole number from 0% to 100%"),
        ("sink: { window: 0 }", "sink.window is 0; expected a whole number from 1 to 1000000"),
        ("sink: { breaker: { errors: 0% } }", "sink.breaker.errors is \"0%\"; expected 1% to 100%"),
        ("sink: { breaker: { of: 0 } }", "sink.breaker.of is 0; expected a whole number from 1 to 1000"),
        ("sink: { window: many }", "sink.window is \"many\"; expected a whole number"),
        ("source: { read: marks }", "source.read is \"marks\"; expected marked or synced"),
        ("events: { envelope: debesium }", "events.envelope is \"debesium\"; expected debezium"),
        ("schema: { log: yes }", "schema.log is \"yes\"; expected true or false"),
        ("source: { cdc_raw: null }", "source.cdc_raw is null; expected text"),
        ("source: { cdc_raw: \"\" }", "source.cdc_raw is empty"),
        ("source: { cdc_raw: [a] }", "source.cdc_raw is a list; expected one value"),
        ("source: /x", "source is one value; expected a mapping"),
        ("- a", "the file is not a mapping of sections"),
        ("tables: { include: shop.* }", "tables.include is not a list"),
        ("tables: { include: [] }", "tables.include is empty, so nothing would be published"),
        ("tables: { include: [shop] }", "tables.include holds \"shop\"; expected keyspace.table"),
        ("topics: { name: \"{prefix}/{table}\" }", "topics.name is \"{prefix}/{table}\"; expected {prefix}"),
        ("topics: { name: \"{prefix}.{tabel}\" }", "topics.name is \"{prefix}.{tabel}\"; expected {prefix}"),
        ("topics: { schema: \"{table}\" }", "topics.schema is \"{table}\"; expected {prefix}"),
        ("topics: { audit: \"{table}\" }", "topics.audit is \"{table}\"; expected {prefix}"),
        ("topics: { positions: \"{table}\" }", "topics.positions is \"{table}\"; expected {prefix}"),
        ("sink: { delivery: twice }", "sink.delivery is \"twice\"; expected at_least_once or exactly_once"),
        ("sink: { commit_interval: 5s }", "sink.commit_interval is \"5s\"; expected 10ms to 2s"),
        ("topics: { prefix: a/b }", "topics.prefix is \"a/b\"; expected letters"),
        ("topics: { prefix: 7 }", "topics.prefix is not text; put it in quotes"),
        ("node: { id: a/b }", "node.id is \"a/b\"; expected at most 128 letters"),
        ("http: { listen: \"9640\" }", "http.listen is \"9640\"; expected address:port"),
        ("log: { level: loud }", "log.level is \"loud\"; expected error or warn or info"),
    ] {
        let message = problem(text);
        assert!(message.starts_with(&format!("config: {expected}")), "{message}");
    }
}

#[test]
fn keys_are_checked_against_each_other() {
    for (text, expected) in [
        ("source: { poll_min: 1s }", "config: source.poll_min is 1s, above source.poll_max, which is 250ms"),
        ("source: { cdc_raw: /c }\nstate: { dir: /c/./state }", "config: state.dir lies in source.cdc_raw"),
        ("sink: { kafka: { bootstrap.servers: k }, stdout: {} }", "config: sink names kafka and stdout; expected exactly one"),
        ("sink: { kafka: { bootstrap.servers: k } }", "config: topics.prefix is missing; the kafka sink needs it"),
        ("schema: { cql: { username: u } }", "config: schema.cql.password is missing; schema.cql.username is set and needs it"),
        ("schema: { cql: { tls: { key: k } } }", "config: schema.cql.tls.cert is missing; schema.cql.tls.key is set and needs it"),
        ("sink: { file: {} }", "config: sink.file.path is null; expected text"),
        ("source: { encryption: { store_password: s } }", "config: source.encryption.keystore is null; expected text"),
        ("source: { encryption: { keystore: k } }", "config: source.encryption.store_password is null; expected text"),
        (
            "source: { encryption: { keystore: k, store_password: s, type: p12 } }",
            r#"config: source.encryption.type is "p12"; expected jceks or jks or pkcs12"#,
        ),
        ("sink: { kafka: on }", "config: sink.kafka is one value; expected a mapping"),
    ] {
        let message = problem(text);
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn i9_secrets_are_never_printed() {
    let text = "schema: { cql: { username: u, password: geheim } }\ntopics: { prefix: p }\n\
        sink: { kafka: { bootstrap.servers: k, sasl.password: geheim, ssl.key.pem: geheim, sasl.oauthbearer.client.secret: geheim } }";
    let config = parsed(text).unwrap();

    let printed = format!("{config:?} {}", config.schema.cql.login.as_ref().unwrap().password);

    assert!(!printed.contains("geheim"), "{printed}");
    assert!(printed.contains("***"), "{printed}");
}

#[test]
fn i9_no_error_repeats_a_password() {
    for text in [
        "schema: { cql: { password: geheim } }",
        "schema: { cql: { username: u, password: [geheim] } }",
        "schema: { cql: { username: u, password: geheim",
        "schema: { cql: { username: u, password: \"geheim } }",
        "schema: { cql: { username: u, password: *geheim } }",
        "schema: { cql: { username: u, password: &geheim } }",
        "schema: { cql: { username: u, password: !geheim } }",
        "schema: { cql: { username: u, password: \"\\geheim\" } }",
        "schema:\n  cql:\n    password: geheim: geheim\n",
        "schema:\n  cql:\n    password: @geheim\n",
        "schema:\n  cql:\n    password: %geheim\n",
        "schema: { cql: { username: u, password: 5 } }",
        "sink: { kafka: { sasl.password: { geheim: geheim } } }",
        "events: { registry: { url: \"http://u:geheim@r\" } }",
    ] {
        let message = problem(text);
        assert!(!message.contains("geheim"), "{message}");
        assert!(!message.contains("accepted"), "{message}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = load(Path::new("/nowhere/ringtail.yaml"), &BTreeMap::new()).unwrap_err();

    assert_eq!(error.to_string(), "config: cannot read /nowhere/ringtail.yaml");
}

#[test]
fn a_syntax_error_says_where() {
    let message = problem("source:\n  cdc_raw: /x\n cdc: [");

    assert!(message.starts_with("config: test.yaml is not valid YAML: "), "{message}");
    assert!(message.contains("line 3"), "{message}");
}

#[test]
fn a_key_written_twice_is_an_error() {
    assert!(problem("log: { level: info, level: warn }").contains("is not valid YAML"));
}

#[test]
fn without_node_and_file_no_table_is_known() {
    assert!(defaults().knows_no_table());
    assert!(!parsed("schema: { file: s.cql }").unwrap().knows_no_table());
}

#[test]
fn an_archive_has_a_place_of_its_own() {
    let archived = parsed("source: { finished: archive, archive: /archive }").unwrap();

    assert_eq!((archived.source.finished, archived.source.archive), (Finished::Archive, Some("/archive".into())));
    let message = problem("source: { finished: archive }");
    assert_eq!(message, "config: source.archive is missing; source.finished = archive needs it");
    let message = problem("source: { finished: archive, cdc_raw: /c, archive: /c/old }");
    assert!(message.starts_with("config: source.archive lies in source.cdc_raw"), "{message}");
}

#[test]
fn auto_is_json_unless_a_person_looks() {
    assert!(LogFormat::Auto.is_json(false));
    assert!(!LogFormat::Auto.is_json(true));
    assert!(LogFormat::Json.is_json(true));
    assert!(!LogFormat::Text.is_json(false));
}
