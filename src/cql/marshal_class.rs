//! The Java name of a type (`AbstractType.toString`).

use super::text::hex;
use super::{CqlType, UserType};

const PACKAGE: &str = "org.apache.cassandra.db.marshal.";

/// The type's class and parameters as Cassandra prints them, for example
/// `org.apache.cassandra.db.marshal.ReversedType(org.apache.cassandra.db.marshal.TimestampType)`.
///
/// `reversed` is that of a clustering column.
///
/// Cassandra: `AbstractType.toString`, `TypeParser`.
pub fn marshal_class(cql_type: &CqlType, reversed: bool) -> String {
    let mut out = String::new();
    if reversed {
        class("ReversedType(", &mut out);
    }
    put(cql_type, Freezing { frozen: false, implied: false }, &mut out);
    if reversed {
        out.push(')');
    }
    out
}

/// What stands around a type.
#[derive(Clone, Copy)]
struct Freezing {
    /// It is frozen.
    frozen: bool,
    /// Something around it says so already, so it does not say it again (`ignoreFreezing`).
    implied: bool,
}

impl Freezing {
    /// That of the types within a collection or user-defined type. They are always frozen.
    fn inner(self) -> Freezing {
        Freezing { frozen: true, implied: self.implied || self.frozen }
    }
}

fn put(cql_type: &CqlType, freezing: Freezing, out: &mut String) {
    match cql_type {
        CqlType::Frozen(inner) => put(inner, Freezing { frozen: true, ..freezing }, out),
        CqlType::Custom(name) => out.push_str(name),
        CqlType::List(_) | CqlType::Set(_) | CqlType::Map(..) | CqlType::Udt(_) => put_freezable(cql_type, freezing, out),
        // Never wrapped themselves: a tuple cannot but be frozen, and says so for its fields too.
        CqlType::Tuple(types) => {
            class("TupleType(", out);
            put_all(types.iter(), Freezing { frozen: true, implied: true }, out);
            out.push(')');
        }
        CqlType::Vector(element, dimension) => {
            class("VectorType(", out);
            put(element, Freezing { frozen: true, ..freezing }, out);
            out.extend([" , ", &dimension.to_string(), ")"]);
        }
        _ => class(scalar(cql_type), out),
    }
}

fn put_freezable(cql_type: &CqlType, freezing: Freezing, out: &mut String) {
    let wrapped = freezing.frozen && !freezing.implied;
    if wrapped {
        class("FrozenType(", out);
    }
    match cql_type {
        CqlType::List(element) => put_collection("ListType(", [&**element], freezing, out),
        CqlType::Set(element) => put_collection("SetType(", [&**element], freezing, out),
        CqlType::Map(key, value) => put_collection("MapType(", [&**key, &**value], freezing, out),
        CqlType::Udt(udt) => put_udt(udt, freezing, out),
        _ => {}
    }
    if wrapped {
        out.push(')');
    }
}

fn put_collection<const N: usize>(name: &str, types: [&CqlType; N], freezing: Freezing, out: &mut String) {
    class(name, out);
    put_all(types.into_iter(), freezing.inner(), out);
    out.push(')');
}

fn put_udt(udt: &UserType, freezing: Freezing, out: &mut String) {
    class("UserType(", out);
    out.extend([&udt.keyspace, ","]);
    hex(udt.name.as_bytes(), out);
    for (name, cql_type) in &udt.fields {
        out.push(',');
        hex(name.as_bytes(), out);
        out.push(':');
        put(cql_type, freezing.inner(), out);
    }
    out.push(')');
}

fn put_all<'t>(types: impl Iterator<Item = &'t CqlType>, freezing: Freezing, out: &mut String) {
    for (index, cql_type) in types.enumerate() {
        if index > 0 {
            out.push(',');
        }
        put(cql_type, freezing, out);
    }
}

fn class(name: &str, out: &mut String) {
    out.extend([PACKAGE, name]);
}

fn scalar(cql_type: &CqlType) -> &'static str {
    match cql_type {
        CqlType::Ascii => "AsciiType",
        CqlType::Bigint => "LongType",
        CqlType::Boolean => "BooleanType",
        CqlType::Counter => "CounterColumnType",
        CqlType::Date => "SimpleDateType",
        CqlType::Decimal => "DecimalType",
        CqlType::Double => "DoubleType",
        CqlType::Duration => "DurationType",
        CqlType::Empty => "EmptyType",
        CqlType::Float => "FloatType",
        CqlType::Inet => "InetAddressType",
        CqlType::Int => "Int32Type",
        CqlType::Smallint => "ShortType",
        CqlType::Text => "UTF8Type",
        CqlType::Time => "TimeType",
        CqlType::Timestamp => "TimestampType",
        CqlType::Timeuuid => "TimeUUIDType",
        CqlType::Tinyint => "ByteType",
        CqlType::Uuid => "UUIDType",
        CqlType::Varint => "IntegerType",
        _ => "BytesType",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(cql_type: &CqlType) -> String {
        marshal_class(cql_type, false).replace(PACKAGE, "")
    }

    fn list(element: CqlType) -> CqlType {
        CqlType::List(element.into())
    }

    fn frozen(inner: CqlType) -> CqlType {
        CqlType::Frozen(inner.into())
    }

    fn udt(name: &str, fields: Vec<(&str, CqlType)>) -> CqlType {
        let fields = fields.into_iter().map(|(name, cql_type)| (name.to_owned(), cql_type)).collect();
        CqlType::Udt(UserType { keyspace: "ks".to_owned(), name: name.to_owned(), fields }.into())
    }

    #[test]
    fn names_carry_the_package_and_reversal() {
        assert_eq!(marshal_class(&CqlType::Int, false), "org.apache.cassandra.db.marshal.Int32Type");
        assert_eq!(
            marshal_class(&CqlType::Timestamp, true),
            "org.apache.cassandra.db.marshal.ReversedType(org.apache.cassandra.db.marshal.TimestampType)"
        );
    }

    #[test]
    fn only_the_outermost_frozen_type_says_so() {
        assert_eq!(short(&list(CqlType::Int)), "ListType(Int32Type)");
        assert_eq!(short(&frozen(list(CqlType::Int))), "FrozenType(ListType(Int32Type))");
        assert_eq!(short(&list(frozen(list(CqlType::Int)))), "ListType(FrozenType(ListType(Int32Type)))");
        assert_eq!(short(&frozen(list(frozen(list(CqlType::Int))))), "FrozenType(ListType(ListType(Int32Type)))");
        assert_eq!(
            short(&CqlType::Map(CqlType::Text.into(), frozen(CqlType::Set(CqlType::Blob.into())).into())),
            "MapType(UTF8Type,FrozenType(SetType(BytesType)))"
        );
    }

    #[test]
    fn names_of_user_defined_types_and_fields_are_hexadecimal() {
        let inner = frozen(udt("C", vec![("D", CqlType::Int)]));
        assert_eq!(
            short(&udt("AB", vec![("aBc", frozen(list(CqlType::Int))), ("\"", inner)])),
            "UserType(ks,4142,614263:FrozenType(ListType(Int32Type)),22:FrozenType(UserType(ks,43,44:Int32Type)))"
        );
        assert_eq!(
            short(&list(frozen(udt("C", vec![("D", frozen(list(CqlType::Int)))])))),
            "ListType(FrozenType(UserType(ks,43,44:ListType(Int32Type))))"
        );
    }

    #[test]
    fn tuples_and_vectors_are_never_wrapped() {
        let inner = CqlType::Tuple([frozen(list(CqlType::Int)), frozen(udt("C", vec![("D", CqlType::Int)]))].into());
        assert_eq!(short(&list(frozen(inner))), "ListType(TupleType(ListType(Int32Type),UserType(ks,43,44:Int32Type)))");
        let vector = CqlType::Vector(frozen(list(CqlType::Int)).into(), 3);
        assert_eq!(short(&vector), "VectorType(FrozenType(ListType(Int32Type)) , 3)");
        assert_eq!(short(&frozen(list(vector))), "FrozenType(ListType(VectorType(ListType(Int32Type) , 3)))");
    }
}
