//! The files under `deploy/` hold configurations that load, and what they say of each other is true.

use super::*;
use serde_json::Value;
use std::path::PathBuf;

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)
}

fn text(file: &str) -> String {
    std::fs::read_to_string(deploy(file)).unwrap()
}

/// The documents of a manifest.
fn documents(file: &str) -> Vec<Value> {
    text(file).split("\n---\n").map(|document| raw::parse_yaml(document).unwrap_or_else(|error| panic!("{file}: {error}"))).collect()
}

fn of_kind<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    documents.iter().find(|document| document["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

fn config_in(documents: &[Value]) -> Config {
    let env = ["CQL_USERNAME", "CQL_PASSWORD"].map(|name| (name.to_owned(), "x".to_owned())).into();
    let text = of_kind(documents, "ConfigMap")["data"]["ringtail.yaml"].as_str().unwrap();
    parse(text, Path::new("ringtail.yaml"), &env).unwrap()
}

fn container(list: &Value) -> &Value {
    list.as_array().unwrap().iter().find(|container| container["name"] == "ringtail").unwrap()
}

/// What both manifests must keep: one mount for both folders, Cassandra's user, nothing writable beside it.
fn check_container(container: &Value, pod_security: &Value, config: &Config) {
    let mounts = container["volumeMounts"].as_array().unwrap();
    let mount_of = |path: &Path| mounts.iter().find(|mount| path.starts_with(mount["mountPath"].as_str().unwrap())).unwrap();
    let mount = mount_of(&config.source.cdc_raw);
    assert_eq!(mount, mount_of(&config.state.dir), "hard links need one mount");
    assert!(mount.get("subPath").is_none() && mount.get("readOnly").is_none(), "{mount}");
    let security = |key: &str| container["securityContext"].get(key).unwrap_or(&pod_security[key]).clone();
    assert_eq!((security("runAsUser"), security("runAsNonRoot")), (999.into(), true.into()));
    assert_eq!((security("readOnlyRootFilesystem"), security("allowPrivilegeEscalation")), (true.into(), false.into()));
    assert_eq!(container["resources"]["limits"]["memory"], "128Mi");
    assert!(config.http.listen.ip().is_unspecified(), "probes come through the pod's address");
    assert_eq!(container["ports"][0]["containerPort"], config.http.listen.port());
    assert!(matches!(config.sink.to, SinkTo::Kafka(_)));
}

#[test]
fn the_sidecar_has_what_hard_links_and_probes_need() {
    let documents = documents("kubernetes/sidecar.yaml");
    let cassandra = &of_kind(&documents, "K8ssandraCluster")["spec"]["cassandra"];

    let config = config_in(&documents);

    check_container(container(&cassandra["containers"]), &Value::Null, &config);
    assert!(cassandra["containers"].as_array().unwrap().iter().any(|container| container["name"] == "cassandra"));
    let node = &cassandra["config"]["cassandraYaml"];
    assert_eq!(node["cdc_enabled"], true);
    assert_eq!(node["cdc_raw_directory"].as_str().map(PathBuf::from), Some(config.source.cdc_raw));
}

#[test]
fn the_daemonset_has_what_hard_links_and_probes_need() {
    let documents = documents("kubernetes/daemonset.yaml");
    let pod = &of_kind(&documents, "DaemonSet")["spec"]["template"]["spec"];

    let config = config_in(&documents);

    check_container(container(&pod["containers"]), &pod["securityContext"], &config);
    assert_eq!(pod["volumes"][0]["hostPath"]["path"], "/var/lib/cassandra");
}

#[test]
fn the_quick_start_changes_nothing_but_target_and_takes_any_port() {
    let config = load(&deploy("quickstart.yaml"), &BTreeMap::new()).unwrap();

    assert_eq!(config.source.finished, Finished::Keep);
    assert_eq!(config.source.cdc_raw, PathBuf::from("fixtures/quickstart"));
    assert_eq!(config.state.dir, PathBuf::from("target/quickstart"));
    assert_eq!(config.schema.file, Some(PathBuf::from("fixtures/quickstart/schema.cql")));
    assert_eq!((config.sink.to, config.topics.prefix.as_str()), (SinkTo::Stdout, "shop"));
    assert_eq!((config.http.listen.ip().is_loopback(), config.http.listen.port()), (true, 0));
}

#[test]
fn the_five_lines_at_the_head_of_the_annotated_file_are_enough() {
    let lines: Vec<&str> =
        raw::DEFAULTS.lines().skip_while(|line| !line.starts_with("#   source:")).map_while(|line| line.strip_prefix("#   ")).collect();
    assert_eq!(lines.len(), 5, "{lines:?}");

    let config = parse(&lines.join("\n"), Path::new("five lines"), &BTreeMap::new()).unwrap();

    assert!(matches!(config.sink.to, SinkTo::Kafka(_)));
}

#[test]
fn every_alert_has_a_paragraph_and_asks_for_a_metric_that_exists() {
    let rules = raw::parse_yaml(&text("alerts.yaml")).unwrap();
    let runbook = text("runbook.md");
    let names = include_str!("../telemetry/metrics/tests.rs");
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    assert!(!rules.is_empty());

    for rule in rules {
        let name = rule["alert"].as_str().unwrap();
        assert!(runbook.contains(&format!("\n## {name}\n")), "{name} has no paragraph");
        assert!(rule["annotations"]["runbook"].as_str().unwrap().ends_with(&format!("#{}", name.to_lowercase())), "{name}");
        let metrics: Vec<&str> = rule["expr"]
            .as_str()
            .unwrap()
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.starts_with("ringtail_"))
            .collect();
        assert!(!metrics.is_empty(), "{name}");
        assert!(metrics.iter().all(|metric| names.contains(&format!("\"{metric}\""))), "{name}: {metrics:?}");
    }
}
