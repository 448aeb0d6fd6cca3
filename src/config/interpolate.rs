//! `${env:NAME}` and `${file:/path}` inside values, replaced after parsing.
//!
//! What is put in is not looked at again, so nothing in a variable or file can name another one or change the shape of
//! the document. `$${` stands for a literal `${`.

use super::error::ConfigError;
use super::keys::join;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Replaces in every text of the tree; keys of mappings stay as they are.
///
/// # Errors
/// A variable that is not set, a file that cannot be read, a `${` of another form: with the key, never with the text.
pub(super) fn replace_all(tree: &mut Value, env: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    walk(tree, "", env)
}

fn walk(value: &mut Value, path: &str, env: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    match value {
        Value::String(text) if text.contains("${") => *text = replace(text, path, env)?,
        Value::Array(items) => {
            for item in items {
                walk(item, path, env)?;
            }
        }
        Value::Object(fields) => {
            for (name, inner) in fields {
                walk(inner, &join(path, name), env)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn replace(text: &str, key: &str, env: &BTreeMap<String, String>) -> Result<String, ConfigError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(literal) = before.strip_suffix('$') {
            out.push_str(literal);
            out.push_str("${");
            rest = after;
            continue;
        }
        let form = || ConfigError::at(key, "holds a ${…} that is neither ${env:NAME} nor ${file:/path}; write $${ for a literal ${");
        let (inside, after) = after.split_once('}').ok_or_else(form)?;
        out.push_str(before);
        match inside.split_once(':') {
            Some(("env", name)) => out.push_str(variable(name, key, env)?),
            Some(("file", path)) => out.push_str(&file(path, key)?),
            _ => return Err(form()),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn variable<'a>(name: &str, key: &str, env: &'a BTreeMap<String, String>) -> Result<&'a str, ConfigError> {
    let value = env
        .get(name)
        .ok_or_else(|| ConfigError::at(key, format!("takes its value from the environment variable {name}, which is not set")))?;
    Ok(value)
}

fn file(path: &str, key: &str) -> Result<String, ConfigError> {
    let mut text = std::fs::read_to_string(path).map_err(|source| ConfigError::ValueFile {
        key: key.to_owned(),
        path: PathBuf::from(path),
        source,
    })?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> BTreeMap<String, String> {
        [("ZONE", "a"), ("TRICK", "${env:ZONE}")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    }

    #[test]
    fn variables_are_replaced_anywhere_in_a_value() {
        assert_eq!(replace("kafka-${env:ZONE}:9092,b-${env:ZONE}", "k", &env()).unwrap(), "kafka-a:9092,b-a");
    }

    #[test]
    fn what_is_put_in_is_not_looked_at_again() {
        assert_eq!(replace("${env:TRICK}", "k", &env()).unwrap(), "${env:ZONE}");
    }

    #[test]
    fn two_dollars_stand_for_one() {
        assert_eq!(replace("a$${env:ZONE}b", "k", &env()).unwrap(), "a${env:ZONE}b");
        assert_eq!(replace("costs $5", "k", &env()).unwrap(), "costs $5");
    }

    #[test]
    fn a_missing_variable_is_named_with_its_key() {
        let error = replace("${env:NOWHERE}", "sink.kafka.sasl.password", &env()).unwrap_err();

        assert_eq!(
            error.to_string(),
            "config: sink.kafka.sasl.password takes its value from the environment variable NOWHERE, which is not set"
        );
    }

    #[test]
    fn a_file_loses_one_newline_at_its_end_and_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "geheim\n\n").unwrap();

        let text = replace(&format!("${{file:{}}}", path.display()), "k", &env()).unwrap();

        assert_eq!(text, "geheim\n");
    }

    #[test]
    fn a_missing_file_is_named_with_its_key() {
        let error = replace("${file:/nowhere/at/all}", "schema.cql.password", &env()).unwrap_err();

        assert_eq!(error.to_string(), "config: schema.cql.password takes its value from /nowhere/at/all, which cannot be read");
        assert!(std::error::Error::source(&error).is_some());
    }

    #[test]
    fn other_forms_are_errors_that_do_not_repeat_the_text() {
        for text in ["${geheim}", "${ENV:geheim}", "${env:geheim"] {
            let message = replace(text, "schema.cql.password", &env()).unwrap_err().to_string();

            assert!(message.contains("schema.cql.password"), "{message}");
            assert!(!message.contains("geheim"), "{message}");
        }
    }
}
