//! The layers of `cql`.

use super::catalog;
use crate::check::assert_json;
use crate::generate::cql_type;
use arbitrary::Unstructured;
use ringtail::cql::{self, CqlType, TypeNameError, UdtResolver, UserType};
use std::sync::Arc;

/// One user-defined type, so that names can resolve.
struct Address;

impl UdtResolver for Address {
    fn resolve(&self, keyspace: &str, name: &str) -> Option<Arc<UserType>> {
        let fields = vec![("street".into(), CqlType::Text), ("tags".into(), CqlType::Set(CqlType::Text.into()).freeze())];
        (name == "address").then(|| UserType { keyspace: keyspace.into(), name: name.into(), fields }.into())
    }
}

/// Any text as the name of a type: what can be read is printed as a name that gives the same type.
pub fn type_name(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(found) = cql::parse_type(text, "ks", &Address) else { return };
    let printed = found.to_string();
    match cql::parse_type(&printed, "ks", &Address) {
        Ok(again) => assert_eq!(again.to_string(), printed, "the name of {found:?}"),
        // A class name brings its user-defined types along, a CQL name does not.
        Err(TypeNameError::Unknown { .. }) => assert!(text.contains('\'')),
        Err(error) => panic!("{printed}: {error}"),
    }
    assert!(!cql::marshal_class(&found, false).is_empty());
    assert!(!found.is_multi_cell() || found.fixed_length().is_none());
}

/// A byte for how many bytes choose the type, those, and a value: whatever can be read is printed and encoded.
pub fn value(data: &[u8]) {
    let Some((&length, rest)) = data.split_first() else { return };
    let (choices, bytes) = rest.split_at(usize::from(length).min(rest.len()));
    let column = if length & 1 == 0 { None } else { column_type(choices) };
    let cql_type = column.unwrap_or_else(|| cql_type(&mut Unstructured::new(choices)).expect("any bytes choose a type"));
    check_texts(&cql_type, bytes);
    let Ok(value) = cql::decode(&cql_type, bytes) else { return };

    let json = event_json(&cql_type, &value);
    let encoded = cql::encode(&cql_type, &value);
    let is_canonical = cql::is_canonical(&cql_type, bytes, &value);
    assert_eq!(is_canonical, encoded.as_ref().is_ok_and(|encoded| encoded == bytes), "{cql_type}");
    if let Ok(encoded) = encoded {
        let again = cql::decode(&cql_type, &encoded).expect("what was encoded can be decoded");
        // What ASCII does not have is printed as the text it is, and encoded as a question mark.
        // The class tells, since the name of a user-defined type says nothing of its fields.
        let is_more_than_ascii = !json.is_ascii() && cql::marshal_class(&cql_type, false).contains("AsciiType");
        assert!(is_more_than_ascii || event_json(&cql_type, &again) == json, "{cql_type}: {json}");
        assert!(cql::is_canonical(&cql_type, &encoded, &again), "{cql_type}");
    }
}

/// The type of a column of the fixed schema.
fn column_type(choices: &[u8]) -> Option<CqlType> {
    let (&first, rest) = choices.split_first()?;
    let mut tables: Vec<_> = catalog().tables().filter(|table| !table.is_system()).collect();
    tables.sort_by_key(|table| (&table.keyspace, &table.name));
    let columns: Vec<_> = tables.get(usize::from(first) % tables.len())?.columns().collect();
    let column = columns.get(usize::from(*rest.first()?) % columns.len())?;
    Some(column.cql_type.clone())
}

fn event_json(cql_type: &CqlType, value: &cql::CqlValue<'_>) -> String {
    let mut json = String::new();
    cql::event_json(cql_type, value, &mut json);
    assert_json(json.as_bytes());
    json
}

/// The texts that are read from the bytes, Cassandra's quirks included, so nothing is asked of them but that they come.
fn check_texts(cql_type: &CqlType, bytes: &[u8]) {
    let _: Option<String> = cql::select_json(cql_type, bytes);
    let _: Option<String> = cql::get_string(cql_type, bytes);
    for path in [&[0, 1][..], bytes] {
        if let Some((path_type, value_type)) = cql_type.cell_types(path) {
            assert!(!path_type.is_multi_cell() && !value_type.is_multi_cell(), "{cql_type}: what is nested is frozen");
        }
    }
}
