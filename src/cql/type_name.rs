//! CQL type names: `frozen<map<text, int>>` to a [`CqlType`] and back.
//!
//! ```text
//! type  = native | "frozen" "<" type ">" | "list" "<" type ">" | "set" "<" type ">" | "map" "<" type "," type ">"
//!       | "tuple" "<" type { "," type } ">" | "vector" "<" type "," number ">" | [ name "." ] name | "'" class "'"
//! name  = letter { letter | digit | "_" }, in any case | '"' anything, '"' doubled '"'
//! ```
//!
//! What is nested is frozen whether it says so or not, as Cassandra's own names have it
//! (`list<frozen<set<int>>>`): [`CqlType::Frozen`] stands around every nested collection and user-defined type.
//! A tuple never needs it, it has no other form. So only a list, set, map or user-defined type that stands
//! bare at the top is multi-cell, and equal types have equal trees.
//!
//! Cassandra: `CQL3Type.Raw`, `CqlParser.comparatorType`; printed by `CQL3Type.toString`.

use super::type_class::parse_class;
use super::{CqlType, UserType};
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while_m_n};
use nom::character::complete::{char, digit1, multispace0, none_of};
use nom::combinator::{eof, map, recognize, value};
use nom::multi::{fold_many0, separated_list1};
use nom::sequence::{delimited, pair, separated_pair, terminated};
use nom::{IResult, Parser};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// Types nested deeper than this are refused: reading and dropping them is recursive.
pub const TYPE_DEPTH_MAX: usize = 64;

/// Knows the user-defined types of keyspaces (`schema.Types`).
pub trait UdtResolver {
    /// The type of this name, both names unquoted.
    fn resolve(&self, keyspace: &str, name: &str) -> Option<Arc<UserType>>;
}

/// A resolver that knows no type: names of user-defined types are then errors.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoUdts;

impl UdtResolver for NoUdts {
    fn resolve(&self, _keyspace: &str, _name: &str) -> Option<Arc<UserType>> {
        None
    }
}

/// Why a text is not the name of a type. Holds the name's own words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TypeNameError {
    /// The text does not follow the grammar.
    #[error("type name {text:?} at byte {at}: expected {expected}")]
    Syntax {
        /// The whole text.
        text: String,
        /// Where in it, in bytes.
        at: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// No native type and no user-defined type of the keyspace has this name.
    #[error("unknown type {name:?} in keyspace {keyspace:?}")]
    Unknown {
        /// The keyspace it was looked up in.
        keyspace: String,
        /// The name, unquoted.
        name: String,
    },
    /// A type with the wrong number or kind of parameters.
    #[error("parameters of type {name}: expected {expected}, found {found}")]
    Parameters {
        /// The type.
        name: String,
        /// What it takes.
        expected: &'static str,
        /// How many stand there.
        found: usize,
    },
    /// A vector of no dimension, of more than 65 535, or of elements that make its values longer than 2 GiB.
    #[error("dimension of vector: expected 1 to 65535 and values below 2 GiB, found {found}")]
    Dimension {
        /// The dimension.
        found: u64,
    },
    /// Nested deeper than [`TYPE_DEPTH_MAX`].
    #[error("type name is nested deeper than {TYPE_DEPTH_MAX}")]
    TooDeep,
}

/// The type that `text` names. User-defined types are looked up in `keyspace` (unquoted).
///
/// # Errors
/// [`TypeNameError`]: bad grammar, an unknown name, wrong parameters, or too deep.
///
/// Cassandra: `CQLTypeParser.parse`.
///
/// ```
/// use ringtail::cql::{CqlType, NoUdts, parse_type};
///
/// assert_eq!(parse_type("list<frozen<set<int>>>", "shop", &NoUdts)?.is_multi_cell(), true);
/// assert_eq!(parse_type("varchar", "shop", &NoUdts)?, CqlType::Text);
/// # Ok::<(), ringtail::cql::TypeNameError>(())
/// ```
pub fn parse_type(text: &str, keyspace: &str, udts: &impl UdtResolver) -> Result<CqlType, TypeNameError> {
    let syntax = |rest: &str, expected| TypeNameError::Syntax { text: text.to_owned(), at: text.len() - rest.len(), expected };

    match terminated(delimited(multispace0, |i| expr(i, 0), multispace0), eof).parse(text) {
        Ok((_, expr)) => build(&expr, keyspace, udts),
        Err(nom::Err::Failure(_)) => Err(TypeNameError::TooDeep),
        Err(nom::Err::Error(error)) => Err(syntax(error.input, "a type name")),
        Err(nom::Err::Incomplete(_)) => Err(syntax("", "a type name")),
    }
}

impl CqlType {
    /// The type with `frozen<…>` around it where that makes a difference (`AbstractType.freeze`).
    pub fn freeze(self) -> CqlType {
        match self {
            CqlType::List(_) | CqlType::Set(_) | CqlType::Map(..) | CqlType::Udt(_) => CqlType::Frozen(self.into()),
            other => other,
        }
    }

    /// The type with every frozen user-defined type replaced by a tuple of its fields, as Cassandra keeps the
    /// types of dropped columns, which outlive the user-defined types they were made of
    /// (`AbstractType.expandUserTypes`).
    ///
    /// A bare one stays: it is multi-cell, which no tuple is. Cassandra refuses to drop such a column.
    pub fn expand_user_types(&self) -> CqlType {
        let expand = |inner: &Arc<CqlType>| Arc::new(inner.expand_user_types());
        match self {
            CqlType::List(element) => CqlType::List(expand(element)),
            CqlType::Set(element) => CqlType::Set(expand(element)),
            CqlType::Map(key, value) => CqlType::Map(expand(key), expand(value)),
            CqlType::Tuple(members) => CqlType::Tuple(members.iter().map(CqlType::expand_user_types).collect()),
            CqlType::Vector(element, dimension) => CqlType::Vector(expand(element), *dimension),
            CqlType::Frozen(inner) => match &**inner {
                CqlType::Udt(user_type) => CqlType::Tuple(user_type.fields.iter().map(|(_, field)| field.expand_user_types()).collect()),
                inner => inner.expand_user_types().freeze(),
            },
            other => other.clone(),
        }
    }
}

/// The name as Cassandra prints it in `system_schema.columns`.
impl fmt::Display for CqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CqlType::List(element) => write!(f, "list<{element}>"),
            CqlType::Set(element) => write!(f, "set<{element}>"),
            CqlType::Map(key, value) => write!(f, "map<{key}, {value}>"),
            CqlType::Vector(element, dimension) => write!(f, "vector<{element}, {dimension}>"),
            CqlType::Frozen(inner) => write!(f, "frozen<{inner}>"),
            CqlType::Udt(user_type) => f.write_str(&quote_type_name(&user_type.name)),
            CqlType::Custom(class) => write!(f, "'{}'", class.replace('\'', "''")),
            CqlType::Tuple(members) => {
                f.write_str("frozen<tuple<")?;
                for (index, member) in members.iter().enumerate() {
                    write!(f, "{}{member}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str(">>")
            }
            native => f.write_str(NATIVE_TYPES.iter().find(|(_, cql_type)| cql_type == native).map_or("", |(name, _)| name)),
        }
    }
}

/// The name of a user-defined type, in quotes where it would be read as something else without them.
fn quote_type_name(name: &str) -> Cow<'_, str> {
    let plain = |(rest, word): (&str, &str)| rest.is_empty() && !word.contains(|c: char| c.is_ascii_uppercase());
    if word(name).is_ok_and(plain) && native(name).is_none() && !GENERIC_NAMES.contains(&name) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(format!("\"{}\"", name.replace('"', "\"\"")))
}

/// A type name as it is written.
#[derive(Debug)]
enum Expr {
    /// A name without parameters.
    Name { name: String, quoted: bool },
    /// A name with parameters.
    Generic { name: String, parameters: Vec<Expr> },
    /// A number, which only vectors take.
    Number(u64),
    /// A Java class name with its parameters.
    Class(String),
}

/// One type or number. A failure, in nom's sense, means that it is too deep.
fn expr(input: &str, depth: usize) -> IResult<&str, Expr> {
    if depth > TYPE_DEPTH_MAX {
        return Err(nom::Err::Failure(nom::error::Error::new(input, nom::error::ErrorKind::TooLarge)));
    }
    let parameter = |i| delimited(multispace0, |i| expr(i, depth + 1), multispace0).parse(i);
    let generic =
        map(pair(word, delimited((multispace0, char('<')), separated_list1(char(','), parameter), char('>'))), |(name, parameters)| {
            Expr::Generic { name: name.to_ascii_lowercase(), parameters }
        });
    alt((
        generic,
        map(separated_pair(ident, delimited(multispace0, char('.'), multispace0), ident), |(_, (name, quoted))| Expr::Name {
            name,
            quoted,
        }),
        map(ident, |(name, quoted)| Expr::Name { name, quoted }),
        map(digit1, |digits: &str| Expr::Number(digits.parse().unwrap_or(u64::MAX))),
        map(quoted('\''), Expr::Class),
    ))
    .parse(input)
}

/// An unquoted name, as written.
fn word(input: &str) -> IResult<&str, &str> {
    recognize(pair(
        take_while_m_n(1, 1, |c: char| c.is_ascii_alphabetic() || c == '_'),
        take_while(|c: char| c.is_ascii_alphanumeric() || c == '_'),
    ))
    .parse(input)
}

/// A name without its quotes, and whether it had some; without them it is in lower case.
fn ident(input: &str) -> IResult<&str, (String, bool)> {
    alt((map(quoted('"'), |name| (name, true)), map(word, |name| (name.to_ascii_lowercase(), false)))).parse(input)
}

/// What stands between two `quote`s, a doubled one meaning itself.
fn quoted<'a>(quote: char) -> impl Parser<&'a str, Output = String, Error = nom::error::Error<&'a str>> {
    let doubled = if quote == '"' { "\"\"" } else { "''" };
    let forbidden = if quote == '"' { "\"" } else { "'" };
    let inner = fold_many0(alt((value(quote, tag(doubled)), none_of(forbidden))), String::new, |mut text, c| {
        text.push(c);
        text
    });
    delimited(char(quote), inner, char(quote))
}

/// The type that an expression means.
fn build(expr: &Expr, keyspace: &str, udts: &impl UdtResolver) -> Result<CqlType, TypeNameError> {
    match expr {
        Expr::Name { name, quoted } => named(name, *quoted, keyspace, udts),
        Expr::Generic { name, parameters } => generic(name, parameters, keyspace, udts),
        Expr::Number(_) => Err(TypeNameError::Parameters { name: "number".to_owned(), expected: "a type name", found: 0 }),
        Expr::Class(class) => parse_class(class),
    }
}

fn named(name: &str, quoted: bool, keyspace: &str, udts: &impl UdtResolver) -> Result<CqlType, TypeNameError> {
    if !quoted && let Some(native) = native(name) {
        return Ok(native);
    }
    if !quoted && GENERIC_NAMES.contains(&name) {
        return Err(TypeNameError::Parameters { name: name.to_owned(), expected: "some between < and >", found: 0 });
    }
    match udts.resolve(keyspace, name) {
        Some(user_type) => Ok(CqlType::Udt(user_type)),
        None => Err(TypeNameError::Unknown { keyspace: keyspace.to_owned(), name: name.to_owned() }),
    }
}

/// Names that take parameters.
const GENERIC_NAMES: [&str; 6] = ["frozen", "list", "set", "map", "tuple", "vector"];

fn generic(name: &str, parameters: &[Expr], keyspace: &str, udts: &impl UdtResolver) -> Result<CqlType, TypeNameError> {
    let nested = |expr: &Expr| build(expr, keyspace, udts).map(CqlType::freeze);
    let wrong = |expected| TypeNameError::Parameters { name: name.to_owned(), expected, found: parameters.len() };
    match (name, parameters) {
        ("frozen", [inner]) => nested(inner),
        ("list", [element]) => Ok(CqlType::List(nested(element)?.into())),
        ("set", [element]) => Ok(CqlType::Set(nested(element)?.into())),
        ("map", [key, value]) => Ok(CqlType::Map(nested(key)?.into(), nested(value)?.into())),
        ("tuple", members) => Ok(CqlType::Tuple(members.iter().map(nested).collect::<Result<_, _>>()?)),
        ("vector", [element, Expr::Number(dimension)]) => vector(nested(element)?, *dimension),
        ("frozen" | "list" | "set", _) => Err(wrong("one type")),
        ("map", _) => Err(wrong("two types")),
        ("vector", _) => Err(wrong("a type and a number")),
        _ => Err(TypeNameError::Unknown { keyspace: keyspace.to_owned(), name: name.to_owned() }),
    }
}

/// A vector, if its dimension and the length of its values are ones that Cassandra could have.
pub(super) fn vector(element: CqlType, dimension: u64) -> Result<CqlType, TypeNameError> {
    let refused = TypeNameError::Dimension { found: dimension };
    let Some(narrow) = u16::try_from(dimension).ok().filter(|&dimension| dimension > 0) else { return Err(refused) };
    // The element has passed here itself, so the product cannot overflow.
    let length = element.fixed_length().unwrap_or(0) as u64 * dimension;
    if length > i32::MAX as u64 {
        return Err(refused);
    }
    Ok(CqlType::Vector(element.into(), narrow))
}

/// The native type of this name, in lower case (`CQL3Type.Native`).
fn native(name: &str) -> Option<CqlType> {
    let (_, cql_type) = NATIVE_TYPES.iter().find(|(native, _)| *native == name)?;
    Some(cql_type.clone())
}

/// Names and types; the first name of a type is the one that is printed.
const NATIVE_TYPES: [(&str, CqlType); 22] = [
    ("ascii", CqlType::Ascii),
    ("bigint", CqlType::Bigint),
    ("blob", CqlType::Blob),
    ("boolean", CqlType::Boolean),
    ("counter", CqlType::Counter),
    ("date", CqlType::Date),
    ("decimal", CqlType::Decimal),
    ("double", CqlType::Double),
    ("duration", CqlType::Duration),
    ("empty", CqlType::Empty),
    ("float", CqlType::Float),
    ("inet", CqlType::Inet),
    ("int", CqlType::Int),
    ("smallint", CqlType::Smallint),
    ("text", CqlType::Text),
    ("varchar", CqlType::Text),
    ("time", CqlType::Time),
    ("timestamp", CqlType::Timestamp),
    ("timeuuid", CqlType::Timeuuid),
    ("tinyint", CqlType::Tinyint),
    ("uuid", CqlType::Uuid),
    ("varint", CqlType::Varint),
];

#[cfg(test)]
#[path = "type_name_test.rs"]
mod tests;
