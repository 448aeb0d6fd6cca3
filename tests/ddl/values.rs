//! Types that columns have, values for them, and what an event shows of those.

use super::random::Random;
use serde_json::{Map, Value, json};

/// A type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Int,
    Bigint,
    Text,
    Blob,
    Boolean,
    Double,
    Timestamp,
    Uuid,
    TextList,
    IntSet,
    IntMap,
    /// The user-defined type of the keyspace, not frozen.
    Udt,
    FrozenUdt,
    UdtList,
    UdtMap,
}

/// Types for columns that come and go.
pub const COLUMN_TYPES: [Type; 15] = [
    Type::Int,
    Type::Udt,
    Type::Text,
    Type::UdtList,
    Type::Bigint,
    Type::TextList,
    Type::UdtMap,
    Type::Blob,
    Type::IntSet,
    Type::FrozenUdt,
    Type::Boolean,
    Type::IntMap,
    Type::Double,
    Type::Timestamp,
    Type::Uuid,
];

/// The name of the user-defined type.
pub const UDT: &str = "pair";

impl Type {
    /// As CQL writes it.
    pub fn cql(self) -> &'static str {
        match self {
            Type::Int => "int",
            Type::Bigint => "bigint",
            Type::Text => "text",
            Type::Blob => "blob",
            Type::Boolean => "boolean",
            Type::Double => "double",
            Type::Timestamp => "timestamp",
            Type::Uuid => "uuid",
            Type::TextList => "list<text>",
            Type::IntSet => "set<int>",
            Type::IntMap => "map<text, int>",
            Type::Udt => "pair",
            Type::FrozenUdt => "frozen<pair>",
            Type::UdtList => "list<frozen<pair>>",
            Type::UdtMap => "map<text, frozen<pair>>",
        }
    }

    /// The type with which a dropped column of this one may be added again, where that can be another one.
    pub fn successor(self) -> Option<Type> {
        match self {
            Type::Text => Some(Type::Blob),
            Type::Bigint => Some(Type::Timestamp),
            _ => None,
        }
    }

    /// Whether a dropped column of this type may be added again: the node remembers user-defined types of dropped columns as tuples, and
    /// refuses.
    pub fn can_come_again(self) -> bool {
        !matches!(self, Type::Udt | Type::FrozenUdt | Type::UdtList | Type::UdtMap)
    }

    /// Whether each element is a cell.
    pub fn is_multi_cell(self) -> bool {
        matches!(self, Type::TextList | Type::IntSet | Type::IntMap | Type::Udt | Type::UdtList | Type::UdtMap)
    }
}

/// The fields of the user-defined type, each with its type.
pub type Fields = [(String, Type)];

/// A value: as a statement writes it and as an event shows it.
#[derive(Clone, Debug)]
pub struct Cell {
    /// What stands in the statement.
    pub literal: String,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Plain(Value),
    /// Fields of the type, by their index; the rest is null.
    Udt(Vec<Value>),
    List(Vec<Vec<Value>>),
    Map(Vec<(String, Vec<Value>)>),
}

impl Cell {
    /// Null.
    pub fn null() -> Cell {
        Cell { literal: "null".into(), content: Content::Plain(Value::Null) }
    }

    /// A value that does not depend on the type's fields.
    pub fn plain(literal: String, value: Value) -> Cell {
        Cell { literal, content: Content::Plain(value) }
    }

    /// A value of a type.
    pub fn random(kind: Type, fields: &Fields, random: &mut Random) -> Cell {
        let number = random.below(1_000_000) as i64;
        let plain = Cell::plain;
        match kind {
            Type::Int => plain(number.to_string(), json!(number)),
            Type::Bigint => plain((number << 30).to_string(), json!(number << 30)),
            Type::Text => plain(format!("'text {number} \u{17e}'"), json!(format!("text {number} \u{17e}"))),
            // Three bytes are four letters of base64.
            Type::Blob => plain(format!("0x{:06x}", number & 0xff_ffff), json!(base64(number as u32 & 0xff_ffff))),
            Type::Boolean => plain((number % 2 == 0).to_string(), json!(number % 2 == 0)),
            Type::Double => plain(format!("{number}.125"), json!(number as f64 + 0.125)),
            Type::Timestamp => plain((number << 20).to_string(), json!(number << 20)),
            Type::Uuid => {
                let text = format!("{number:08x}-0000-4000-8000-000000000000");
                plain(text.clone(), json!(text))
            }
            Type::TextList => plain(format!("['a{number}', 'b']"), json!([format!("a{number}"), "b"])),
            Type::IntSet => plain(format!("{{{number}, {}}}", number + 1), json!([number, number + 1])),
            Type::IntMap => plain(format!("{{'k': {number}, 'l': 2}}"), json!({"k": number, "l": 2})),
            Type::Udt | Type::FrozenUdt => {
                let (literal, values) = udt(fields, random);
                Cell { literal, content: Content::Udt(values) }
            }
            Type::UdtList => {
                let (first, second) = (udt(fields, random), udt(fields, random));
                Cell { literal: format!("[{}, {}]", first.0, second.0), content: Content::List(vec![first.1, second.1]) }
            }
            Type::UdtMap => {
                let (literal, values) = udt(fields, random);
                Cell { literal: format!("{{'k{number}': {literal}}}"), content: Content::Map(vec![(format!("k{number}"), values)]) }
            }
        }
    }

    /// What an event shows while the type has these fields.
    pub fn json(&self, fields: &Fields) -> Value {
        match &self.content {
            Content::Plain(value) => value.clone(),
            Content::Udt(values) => object(values, fields),
            Content::List(elements) => elements.iter().map(|values| object(values, fields)).collect(),
            Content::Map(entries) => {
                entries.iter().map(|(key, values)| (key.clone(), object(values, fields))).collect::<Map<_, _>>().into()
            }
        }
    }
}

/// Every field, or the first ones: an older client knows no more.
fn udt(fields: &Fields, random: &mut Random) -> (String, Vec<Value>) {
    let count = 1 + random.below(fields.len());
    let cells: Vec<(String, Cell)> =
        fields.iter().take(count).map(|(name, kind)| (name.clone(), Cell::random(*kind, &[], random))).collect();
    let literal: Vec<String> = cells.iter().map(|(name, cell)| format!("{name}: {}", cell.literal)).collect();
    (format!("{{{}}}", literal.join(", ")), cells.iter().map(|(_, cell)| cell.json(&[])).collect())
}

fn object(values: &[Value], fields: &Fields) -> Value {
    let member = |(index, (name, _)): (usize, &(String, Type))| (name.clone(), values.get(index).cloned().unwrap_or(Value::Null));
    fields.iter().enumerate().map(member).collect::<Map<_, _>>().into()
}

fn base64(three_bytes: u32) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    [18, 12, 6, 0].map(|shift| char::from(LETTERS[(three_bytes >> shift & 63) as usize])).iter().collect()
}
