//! Java class names of types: `org.apache.cassandra.db.marshal.FrozenType(…)` to a [`CqlType`].
//!
//! ```text
//! class      = name [ "(" parameter { "," parameter } ")" ]
//! parameter  = [ label ( ":" | "=>" ) ] class
//! ```
//!
//! Classes that have a CQL name become that type, so that one column has one type however it is written. All
//! others ([`CqlType::Custom`]) are bytes to us. A label is a field's name in hex (`UserType`) or a letter
//! (`DynamicCompositeType`).
//!
//! Cassandra: `TypeParser`.

use super::type_name::vector;
use super::{CqlType, TYPE_DEPTH_MAX, TypeNameError, UserType};
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{char, multispace0};
use nom::combinator::{eof, map, opt};
use nom::multi::separated_list0;
use nom::sequence::{delimited, pair, preceded, terminated};
use nom::{IResult, Parser};

/// A class name and what stands in its parentheses.
#[derive(Debug)]
struct Class<'a> {
    /// A label and what stands behind it: `:` or `=>`.
    label: Option<(&'a str, &'a str)>,
    name: &'a str,
    parameters: Vec<Class<'a>>,
}

/// The type of a class name; [`CqlType::Custom`] for one that has no CQL name.
pub(super) fn parse_class(text: &str) -> Result<CqlType, TypeNameError> {
    match terminated(|i| class(i, 0), eof).parse(text) {
        Ok((_, class)) => build(&class),
        Err(nom::Err::Failure(_)) => Err(TypeNameError::TooDeep),
        Err(nom::Err::Error(error)) => Err(syntax(text, error.input)),
        Err(nom::Err::Incomplete(_)) => Err(syntax(text, "")),
    }
}

fn syntax(text: &str, rest: &str) -> TypeNameError {
    TypeNameError::Syntax { text: text.to_owned(), at: text.len() - rest.len(), expected: "a class name" }
}

/// One class. A failure, in nom's sense, means that it is too deep.
fn class(input: &str, depth: usize) -> IResult<&str, Class<'_>> {
    if depth > TYPE_DEPTH_MAX {
        return Err(nom::Err::Failure(nom::error::Error::new(input, nom::error::ErrorKind::TooLarge)));
    }
    let word = |i| delimited(multispace0, take_while1(|c: char| c.is_alphanumeric() || "._$-+&".contains(c)), multispace0).parse(i);
    let label = pair(word, alt((tag(":"), tag("=>"))));
    let parameters = delimited(char('('), separated_list0(char(','), |i| class(i, depth + 1)), preceded(multispace0, char(')')));
    map((opt(label), word, opt(terminated(parameters, multispace0))), |(label, name, parameters)| Class {
        label,
        name,
        parameters: parameters.unwrap_or_default(),
    })
    .parse(input)
}

/// The type of a class.
fn build(class: &Class<'_>) -> Result<CqlType, TypeNameError> {
    let name = class.name.strip_prefix(MARSHAL_PACKAGE).unwrap_or(class.name);
    let wrong = |expected| TypeNameError::Parameters { name: class.name.to_owned(), expected, found: class.parameters.len() };
    if let Some((_, native)) = NATIVE_CLASSES.iter().find(|(native, _)| *native == name) {
        return Ok(native.clone());
    }
    let known = match (name, class.parameters.as_slice()) {
        ("ReversedType", [inner]) => return build(inner),
        ("FrozenType", [inner]) => nested(inner)?,
        ("ListType", [element]) => CqlType::List(nested(element)?.into()),
        ("SetType", [element]) => CqlType::Set(nested(element)?.into()),
        ("MapType", [key, value]) => CqlType::Map(nested(key)?.into(), nested(value)?.into()),
        ("TupleType", members) if !members.is_empty() => CqlType::Tuple(members.iter().map(nested).collect::<Result<_, _>>()?),
        ("VectorType", [element, dimension]) => {
            vector(nested(element)?, dimension.name.parse().map_err(|_| wrong("a class and a number"))?)?
        }
        ("UserType", [keyspace, name, fields @ ..]) => user_type(keyspace, name, fields)?,
        ("ReversedType" | "FrozenType" | "ListType" | "SetType", _) => return Err(wrong("one class")),
        ("MapType", _) => return Err(wrong("two classes")),
        ("TupleType", _) => return Err(wrong("at least one class")),
        ("VectorType", _) => return Err(wrong("a class and a number")),
        ("UserType", _) => return Err(wrong("a keyspace, a name and fields")),
        _ => CqlType::Custom(class.to_text().into()),
    };
    Ok(known)
}

/// A parameter's type, frozen as everything nested is.
fn nested(class: &Class<'_>) -> Result<CqlType, TypeNameError> {
    build(class).map(CqlType::freeze)
}

/// `UserType(keyspace,hex of the name,hex of a field:class,…)`.
fn user_type(keyspace: &Class<'_>, name: &Class<'_>, fields: &[Class<'_>]) -> Result<CqlType, TypeNameError> {
    let field = |class: &Class<'_>| {
        let (name, _) = class.label.ok_or_else(|| syntax(&class.to_text(), &class.to_text()))?;
        Ok((unhex(name)?, nested(class)?))
    };
    let fields = fields.iter().map(field).collect::<Result<_, TypeNameError>>()?;
    Ok(CqlType::Udt(UserType { keyspace: keyspace.name.to_owned(), name: unhex(name.name)?, fields }.into()))
}

/// A name written as the hex of its UTF-8 bytes.
fn unhex(hex: &str) -> Result<String, TypeNameError> {
    let digit = |c: &u8| char::from(*c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(byte).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| TypeNameError::Syntax {
        text: hex.to_owned(),
        at: 0,
        expected: "a name in hex",
    })
}

impl Class<'_> {
    /// The class as Cassandra writes it, without its label.
    fn to_text(&self) -> String {
        if self.parameters.is_empty() {
            return self.name.to_owned();
        }
        let parameter =
            |class: &Class<'_>| class.label.map_or_else(|| class.to_text(), |(label, mark)| format!("{label}{mark}{}", class.to_text()));
        let parameters: Vec<String> = self.parameters.iter().map(parameter).collect();
        format!("{}({})", self.name, parameters.join(","))
    }
}

/// Names without a package are in this one.
const MARSHAL_PACKAGE: &str = "org.apache.cassandra.db.marshal.";

/// Classes that are native CQL types (`CQL3Type.Native`).
const NATIVE_CLASSES: [(&str, CqlType); 22] = [
    ("AsciiType", CqlType::Ascii),
    ("LongType", CqlType::Bigint),
    ("BytesType", CqlType::Blob),
    ("BooleanType", CqlType::Boolean),
    ("CounterColumnType", CqlType::Counter),
    ("SimpleDateType", CqlType::Date),
    ("DecimalType", CqlType::Decimal),
    ("DoubleType", CqlType::Double),
    ("DurationType", CqlType::Duration),
    ("EmptyType", CqlType::Empty),
    ("FloatType", CqlType::Float),
    ("InetAddressType", CqlType::Inet),
    ("Int32Type", CqlType::Int),
    ("ShortType", CqlType::Smallint),
    ("UTF8Type", CqlType::Text),
    ("TimeType", CqlType::Time),
    ("TimestampType", CqlType::Timestamp),
    ("DateType", CqlType::Timestamp),
    ("TimeUUIDType", CqlType::Timeuuid),
    ("ByteType", CqlType::Tinyint),
    ("UUIDType", CqlType::Uuid),
    ("IntegerType", CqlType::Varint),
];
