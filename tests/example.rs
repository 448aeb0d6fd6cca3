//! The example prints what it says, over what lies in the tree; without the agent too.

#[allow(dead_code)]
#[path = "../examples/mutations.rs"]
mod mutations;

#[test]
fn the_example_prints_an_object_per_event() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/quickstart");
    let (segment, schema) = (format!("{folder}/CommitLog-7-1795374647657.log"), format!("{folder}/schema.cql"));
    let mut out = Vec::new();

    mutations::print(&segment, &schema, &mut out).expect("a segment and its schema");

    let text = String::from_utf8(out).expect("text");
    let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of_shop = events.iter().filter(|event| event["source"]["keyspace"] == "shop").count();
    assert_eq!((events.len(), of_shop), (549, 42));
}
