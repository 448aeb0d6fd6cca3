//! `RINGTAIL_SECTION__KEY` goes before the file.
//!
//! Two underscores go one section deeper; letters are lowered. Under `RINGTAIL_SINK__KAFKA__` the rest is a
//! librdkafka property, and each single underscore stands for a dot: no property that can be set as text has an
//! underscore in its name. Variables without two underscores are not ours (`RINGTAIL_CONFIG`, and what Kubernetes
//! sets for a service called ringtail).

use super::error::ConfigError;
use super::keys::{self, Shape};
use super::raw;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const PREFIX: &str = "RINGTAIL_";
const KAFKA: &str = "sink.kafka";

/// Writes the overrides that `env` holds into `written`.
///
/// # Errors
/// A variable that names no setting; a list or mapping that is not YAML.
pub(super) fn override_from(env: &BTreeMap<String, String>, written: &mut Value) -> Result<(), ConfigError> {
    let defaults = raw::defaults()?;
    for (variable, text) in env {
        let Some(name) = variable.strip_prefix(PREFIX).filter(|name| name.contains("__")) else { continue };
        let path = path_of(name);
        let key = path.join(".");
        if !keys::all(&defaults).contains(&key) && !key.starts_with("sink.kafka.") {
            return Err(ConfigError::at(variable, format!("names {key}, which is not a setting; {}", keys::suggestion(&key, &defaults))));
        }
        let value = value_of(text, keys::shape(raw::find(&defaults, &key), &key)).map_err(|problem| ConfigError::at(variable, problem))?;
        put(written, &path, value)
            .ok_or_else(|| ConfigError::at(variable, "names a key inside something that is no mapping in the file"))?;
    }
    Ok(())
}

fn path_of(name: &str) -> Vec<String> {
    let lower = name.to_ascii_lowercase();
    match lower.strip_prefix("sink__kafka__") {
        Some(property) => KAFKA.split('.').map(str::to_owned).chain([property.replace('_', ".")]).collect(),
        None => lower.split("__").map(str::to_owned).collect(),
    }
}

/// One value is taken as it stands, so that a password needs no quoting; `null` alone means null.
fn value_of(text: &str, shape: Shape) -> Result<Value, String> {
    let is_yaml_list = text.starts_with('[');
    match shape {
        Shape::Single if text == "null" => Ok(Value::Null),
        Shape::Single => Ok(text.into()),
        Shape::List if !is_yaml_list => {
            Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(|item| Value::from(item.to_owned())).collect())
        }
        Shape::List | Shape::Mapping(_) => raw::parse_yaml(text).map_err(|message| format!("is not valid YAML: {message}")),
        Shape::Section => Err("names a section; name a key of it".into()),
    }
}

fn put(tree: &mut Value, path: &[String], value: Value) -> Option<()> {
    if tree.is_null() {
        *tree = Value::Object(Map::new());
    }
    let (first, rest) = path.split_first()?;
    let place = tree.as_object_mut()?.entry(first.clone()).or_insert(Value::Null);
    if rest.is_empty() {
        *place = value;
        return Some(());
    }
    put(place, rest, value)
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, ConfigError, SinkTo, TablePattern, parse};
    use std::path::PathBuf;

    fn with_env(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let env = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        parse(text, "test.yaml".as_ref(), &env)
    }

    #[test]
    fn the_environment_goes_before_the_file() {
        let file = "source: { cdc_raw: /file }\nschema: { cql: { username: u, password: file } }";
        let config = with_env(
            file,
            &[
                ("RINGTAIL_SOURCE__CDC_RAW", "/env"),
                ("RINGTAIL_STATE__SPOOL__LIMIT", "1GiB"),
                ("RINGTAIL_SINK__WINDOW", "50"),
                ("RINGTAIL_SCHEMA__LOG", "false"),
                ("RINGTAIL_SCHEMA__CQL__CONTACT_POINTS", "a:9042, b:9042"),
                ("RINGTAIL_TABLES__INCLUDE", "[\"shop.*\"]"),
                ("RINGTAIL_SCHEMA__CQL__PASSWORD", "a: #b{"),
                ("RINGTAIL_SINK__KAFKA__BOOTSTRAP_SERVERS", "k:9092"),
                ("RINGTAIL_SINK__KAFKA__SSL_CA_LOCATION", "/ca.pem"),
                ("RINGTAIL_TOPICS__PREFIX", "${env:TEAM}"),
                ("RINGTAIL_CONFIG", "ignored.yaml"),
                ("RINGTAIL_PORT_9640_TCP", "tcp://10.0.0.1:9640"),
                ("TEAM", "shop"),
            ],
        )
        .unwrap();

        assert_eq!(config.source.cdc_raw, PathBuf::from("/env"));
        assert_eq!(config.state.spool.limit, 1 << 30);
        assert_eq!(config.sink.window, 50);
        assert!(!config.schema.log);
        assert_eq!(config.schema.cql.contact_points, ["a:9042", "b:9042"]);
        assert_eq!(config.tables.include, [TablePattern::parse("shop.*").unwrap()]);
        assert_eq!(config.schema.cql.login.unwrap().password.expose(), "a: #b{");
        assert_eq!(config.topics.prefix, "shop");
        let SinkTo::Kafka(properties) = &config.sink.to else { panic!("{:?}", config.sink) };
        assert_eq!(properties.get("bootstrap.servers"), Some("k:9092"));
        assert_eq!(properties.get("ssl.ca.location"), Some("/ca.pem"));
    }

    #[test]
    fn a_variable_that_names_no_setting_is_an_error() {
        for (variable, expected) in [
            ("RINGTAIL_SORCE__CDC_RAW", "names sorce.cdc_raw, which is not a setting; the nearest is source.cdc_raw"),
            ("RINGTAIL_STATE__SPOOL", "names a section; name a key of it"),
        ] {
            let message = with_env("", &[(variable, "x")]).unwrap_err().to_string();
            assert_eq!(message, format!("config: {variable} {expected}"));
        }
    }

    #[test]
    fn null_in_the_environment_takes_back_what_the_file_says() {
        let config = with_env("source: { commitlog: /x }", &[("RINGTAIL_SOURCE__COMMITLOG", "null")]).unwrap();

        assert_eq!(config.source.commitlog, None);
    }
}
