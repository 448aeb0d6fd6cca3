//! The CQL types as the decoder needs them.

use std::sync::Arc;

/// A CQL type (`db.marshal.AbstractType`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CqlType {
    /// 7-bit text (`AsciiType`).
    Ascii,
    /// 64-bit integer, 8 bytes (`LongType`).
    Bigint,
    /// Bytes (`BytesType`).
    Blob,
    /// True or false: one byte, 0 is false (`BooleanType`).
    Boolean,
    /// A counter: its cells hold a context of shards, not a number (`CounterColumnType`, `CounterContext`).
    Counter,
    /// A day: 4 bytes, unsigned days with 1970-01-01 in the middle, at 2^31 (`SimpleDateType`).
    Date,
    /// A decimal of any size: its scale in 4 bytes, then an integer of any length (`DecimalType`).
    Decimal,
    /// 64-bit float, IEEE 754 (`DoubleType`).
    Double,
    /// Months, days and nanoseconds: three signed vints (`DurationType`).
    Duration,
    /// The hidden value of a key-only COMPACT STORAGE table (`EmptyType`).
    Empty,
    /// 32-bit float, IEEE 754 (`FloatType`).
    Float,
    /// An IPv4 or IPv6 address: 4 or 16 bytes (`InetAddressType`).
    Inet,
    /// 32-bit integer, 4 bytes (`Int32Type`).
    Int,
    /// 16-bit integer, 2 bytes (`ShortType`).
    Smallint,
    /// UTF-8 text: `text`, `varchar` (`UTF8Type`).
    Text,
    /// Nanoseconds since midnight, 8 bytes (`TimeType`).
    Time,
    /// Milliseconds since 1970, 8 bytes, signed (`TimestampType`).
    Timestamp,
    /// A version 1 UUID, 16 bytes (`TimeUUIDType`).
    Timeuuid,
    /// 8-bit integer, 1 byte (`ByteType`).
    Tinyint,
    /// A UUID, 16 bytes (`UUIDType`).
    Uuid,
    /// An integer of any size, two's complement, the highest byte first (`IntegerType`).
    Varint,
    /// A list; not frozen means that each element is a cell of its own. Frozen: the number of elements in 4 bytes, then each with its
    /// length in 4 bytes, −1 for null (`ListType`, `CollectionSerializer`).
    List(Arc<CqlType>),
    /// A set; as a list (`SetType`).
    Set(Arc<CqlType>),
    /// A map; as a list of keys and values in turn (`MapType`).
    Map(Arc<CqlType>, Arc<CqlType>),
    /// A tuple; always frozen: each member with its length in 4 bytes, −1 for null, absent ones at the end left out (`TupleType`).
    Tuple(Arc<[CqlType]>),
    /// A user-defined type; frozen, as a tuple (`UserType`).
    Udt(Arc<UserType>),
    /// A vector of a fixed number of elements, from 5.0 on: the elements, with vint lengths where those are not fixed (`VectorType`).
    Vector(Arc<CqlType>, u16),
    /// `frozen<…>` around a collection or user-defined type.
    Frozen(Arc<CqlType>),
    /// A type given by its Java class, which only Cassandra can interpret.
    Custom(Arc<str>),
}

/// A user-defined type: its name and fields in order (`UserType`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserType {
    /// The keyspace it lives in.
    pub keyspace: String,
    /// Its name, unquoted.
    pub name: String,
    /// Field names, unquoted, and types.
    pub fields: Vec<(String, CqlType)>,
}

impl CqlType {
    /// The type without `frozen<…>` around it; those inside stay.
    pub fn unfrozen(&self) -> &CqlType {
        match self {
            CqlType::Frozen(inner) => inner.unfrozen(),
            other => other,
        }
    }

    /// Whether a column of this type is stored as one cell per element (`AbstractType.isMultiCell`).
    pub fn is_multi_cell(&self) -> bool {
        matches!(self, CqlType::List(_) | CqlType::Set(_) | CqlType::Map(..) | CqlType::Udt(_))
    }

    /// The length of every value, for types whose values carry none (`AbstractType.valueLengthIfFixed`).
    ///
    /// `tinyint`, `smallint`, `date`, `time` and `counter` are *not* among them, although their values
    /// have a constant size.
    pub fn fixed_length(&self) -> Option<usize> {
        match self.unfrozen() {
            CqlType::Empty => Some(0),
            CqlType::Boolean => Some(1),
            CqlType::Int | CqlType::Float => Some(4),
            CqlType::Bigint | CqlType::Double | CqlType::Timestamp => Some(8),
            CqlType::Uuid | CqlType::Timeuuid => Some(16),
            CqlType::Vector(element, dimension) => element.fixed_length().map(|length| length.saturating_mul(usize::from(*dimension))),
            CqlType::Custom(class) => fixed_length_of_class(class),
            _ => None,
        }
    }
}

impl CqlType {
    /// What the path and the value of a cell of a non-frozen column are (`CollectionType.nameComparator`,
    /// `valueComparator`, `UserType.fieldType`); `None` if the type has no such cells, or no such field.
    ///
    /// A set's elements are its paths, so its values are [`CqlType::Empty`].
    pub fn cell_types(&self, path: &[u8]) -> Option<(CqlType, CqlType)> {
        match self {
            CqlType::List(element) => Some((CqlType::Timeuuid, CqlType::clone(element))),
            CqlType::Set(element) => Some((CqlType::clone(element), CqlType::Empty)),
            CqlType::Map(key, value) => Some((CqlType::clone(key), CqlType::clone(value))),
            CqlType::Udt(udt) => {
                let index = u16::from_be_bytes(path.try_into().ok()?);
                let (_, field) = udt.fields.get(usize::from(index))?;
                Some((CqlType::Smallint, field.clone()))
            }
            _ => None,
        }
    }
}

/// Fixed lengths of the marshal classes that have no CQL name of their own.
fn fixed_length_of_class(class: &str) -> Option<usize> {
    match class.rsplit('.').next()? {
        "DateType" => Some(8),
        "LexicalUUIDType" => Some(16),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_integers_and_times_carry_a_length() {
        for cql_type in [CqlType::Tinyint, CqlType::Smallint, CqlType::Date, CqlType::Time, CqlType::Counter, CqlType::Text] {
            assert_eq!(cql_type.fixed_length(), None);
        }
    }

    #[test]
    fn a_vector_is_fixed_when_its_element_is() {
        assert_eq!(CqlType::Vector(CqlType::Float.into(), 3).fixed_length(), Some(12));
        assert_eq!(CqlType::Vector(CqlType::Text.into(), 3).fixed_length(), None);
    }

    #[test]
    fn frozen_collections_are_one_cell() {
        let list = CqlType::List(CqlType::Int.into());

        assert!(list.is_multi_cell());
        assert!(!CqlType::Frozen(list.into()).is_multi_cell());
    }
}
