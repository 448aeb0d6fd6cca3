//! `events.headers`.

use super::*;
use crate::envelope::HeaderTemplate;
use crate::event::testing::*;

fn values(headers: &[(&str, &str)], update: PartitionUpdate<'_>) -> Vec<Vec<(String, String)>> {
    let headers = headers.iter().map(|(name, text)| HeaderTemplate::parse(name, text).unwrap()).collect();
    let mut envelope = Envelope::new(EnvelopeSettings { node: "n1".into(), prefix: "shop".into(), headers, ..EnvelopeSettings::default() });
    let mutation = mutation(vec![update]);
    let records = project(at(), &mutation).unwrap();
    let records = records.events.iter().flat_map(|event| envelope.encode(event, FILE, TS_MS).unwrap());
    let own = |record: Record| record.headers.into_iter().filter(|(name, _)| !name.starts_with("ringtail."));
    records.map(|record| own(record).map(|(name, value)| (name.into_owned(), value)).collect()).collect()
}

#[test]
fn headers_are_made_of_text_and_of_what_is_known_of_the_event() {
    let table = ks_t();
    let mut update = update(&table);
    update.unfiltereds = vec![Unfiltered::Row(Row { columns: vec![live(&table, "note", b"x", 5)], ..row(1) })];

    let found = values(&[("all", "{prefix}/{node}/{keyspace}.{table}/{op}/{kind}"), ("team", "shop")], update);

    assert_eq!(found, [[("all".to_owned(), "shop/n1/ks.t/u/row".to_owned()), ("team".to_owned(), "shop".to_owned())]]);
}

#[test]
fn a_header_of_a_column_is_there_where_the_event_has_its_value() {
    let table = ks_t();
    let mut update = update(&table);
    update.partition_deletion = Some(deletion(3));
    update.unfiltereds = vec![Unfiltered::Row(Row { columns: vec![live(&table, "note", b"x", 5)], ..row(1) })];

    let found = values(&[("c", "c={column:c}"), ("note", "{column:note}"), ("p", "{column:p}"), ("none", "{column:none}")], update);

    let p = ("p".to_owned(), "7".to_owned());
    assert_eq!(found, [vec![p.clone()], vec![("c".to_owned(), "c=1".to_owned()), ("note".to_owned(), "x".to_owned()), p]]);
}
