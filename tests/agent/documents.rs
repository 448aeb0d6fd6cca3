//! What the documents show is what the binary does.

use super::place::{Place, lines};
use super::support::{Fixture, root};
use ringtail::config;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

fn text(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The blocks of code of one language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let (text, fence) = (text(document), format!("```{language}\n"));
    let parts = text.split(&fence).skip(1);
    let found: Vec<String> = parts.map(|part| part.split("\n```").next().expect("a block ends").to_owned()).collect();
    assert!(!found.is_empty(), "{document} has no {language}");
    found
}

/// The events of a set by their ids.
fn replayed(schema: &Path, segments: &Path) -> BTreeMap<String, Value> {
    let place = Place::new().with("sink", "{ stdout: {} }").with("topics", "{ prefix: shop }");
    let place = place.with("schema", &format!("{{ file: {} }}", schema.display()));
    let events = lines(&place.run("replay", &[&segments.display().to_string()]).out);
    events.into_iter().map(|event| (event["value"]["ringtail"]["id"].as_str().expect("an id").to_owned(), event)).collect()
}

/// Whether everything that is shown is so; members may be left out down to the columns.
fn assert_shows(shown: &Value, event: &Value, path: &str) {
    let may_leave_out = matches!(path, "" | ".value" | ".value.after" | ".value.ringtail");
    match (shown, event) {
        (Value::Object(shown), Value::Object(event)) if may_leave_out => {
            for (name, value) in shown {
                assert_shows(value, event.get(name).unwrap_or_else(|| panic!("{path}.{name} is not there")), &format!("{path}.{name}"));
            }
        }
        (Value::Object(shown), Value::Object(event)) if path == ".value.source" => {
            // The release is named in it.
            let without = |object: &serde_json::Map<String, Value>| {
                let mut object = object.clone();
                object.remove("version");
                object
            };
            assert_eq!(without(shown), without(event), "{path}");
        }
        _ => assert_eq!(shown, event, "{path}"),
    }
}

#[test]
fn every_example_of_an_event_is_real() {
    let set = Fixture::unpack("4.1.6/operations");
    let quickstart = root().join("fixtures/quickstart");
    let mut events = replayed(&quickstart.join("schema.cql"), &quickstart);
    events.extend(replayed(&set.file("schema.cql"), set.path()));
    let mut kinds = BTreeSet::new();

    for block in blocks("docs/events.md", "json").iter().chain(&blocks("README.md", "json")) {
        let shown: Value = serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}"));
        let id = shown["value"]["ringtail"]["id"].as_str().expect("an example names its event");
        let event = events.get(id).unwrap_or_else(|| panic!("no event has the id {id}"));
        assert_shows(&shown, event, "");
        kinds.insert(event["value"]["ringtail"]["kind"].as_str().expect("a kind").to_owned());
    }

    let all = ["partition_delete", "range_delete", "row", "row_delete", "schema", "static"];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), all, "each kind has an example");
}

#[test]
fn every_configuration_in_the_documents_is_one() {
    for document in ["README.md", "docs/operating.md", "docs/outbox.md"] {
        for block in blocks(document, "yaml") {
            config::parse(&block, document.as_ref(), &BTreeMap::new()).unwrap_or_else(|error| panic!("{document}: {error}\n{block}"));
        }
    }
}

#[test]
fn every_metric_is_described() {
    let described = text("docs/operating.md");
    for (name, _) in super::metrics::METRICS {
        assert!(described.contains(&format!("`{name}")), "docs/operating.md does not speak of {name}");
    }
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let mut checked = 0;
    for document in [
        "README.md",
        "docs/events.md",
        "docs/operating.md",
        "docs/outbox.md",
        "docs/faults.md",
        "docs/gaps.md",
        "deploy/runbook.md",
        "CHANGELOG.md",
    ] {
        let folder = root().join(document).parent().expect("a folder").to_owned();
        for link in text(document).split("](").skip(1).filter_map(|rest| rest.split(')').next().map(str::to_owned)) {
            if link.starts_with("http") || link.starts_with('#') {
                continue;
            }
            let path = link.split('#').next().expect("a path");
            assert!(folder.join(path).exists(), "{document} links to {link}");
            checked += 1;
        }
    }
    assert!(checked > 5, "only {checked} links were found");
}

#[test]
fn every_alert_has_a_paragraph_in_the_runbook_and_names_metrics_that_exist() {
    let (alerts, runbook) = (text("deploy/alerts.yaml"), text("deploy/runbook.md"));
    let names: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(names.len() > 5);
    for name in names {
        assert!(runbook.contains(&format!("\n## {name}\n")), "{name} has no paragraph");
        assert!(alerts.contains(&format!("deploy/runbook.md#{}\n", name.to_lowercase())), "{name} does not point to it");
    }
    let known: BTreeSet<&str> = super::metrics::METRICS.iter().map(|(name, _)| *name).collect();
    for expression in alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: ")) {
        let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| word.starts_with("ringtail_"));
        for word in words {
            assert!(known.contains(word), "{word} is no metric: {expression}");
        }
    }
}
