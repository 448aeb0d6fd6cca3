//! A value of a CQL type, as far as it can be borrowed from the bytes.

use num_bigint::BigInt;
use std::borrow::Cow;
use std::net::IpAddr;
use uuid::Uuid;

/// One value. Elements of collections, fields and tuple members can be null (`None`).
#[derive(Clone, Debug, PartialEq)]
pub enum CqlValue<'a> {
    /// A zero-length value of a type that has no empty form of its own. It is not null.
    Empty,
    /// `ascii` and `text`. Bytes that are not UTF-8 show as U+FFFD.
    Text(Cow<'a, str>),
    /// `blob`.
    Blob(&'a [u8]),
    /// `boolean`.
    Boolean(bool),
    /// `tinyint`.
    Tinyint(i8),
    /// `smallint`.
    Smallint(i16),
    /// `int`.
    Int(i32),
    /// `bigint`.
    Bigint(i64),
    /// `varint`.
    Varint(BigInt),
    /// `decimal`: unscaled × 10^−scale.
    Decimal {
        /// The digits.
        unscaled: BigInt,
        /// How many of them stand behind the point; negative for trailing zeros.
        scale: i32,
    },
    /// `float`.
    Float(f32),
    /// `double`.
    Double(f64),
    /// `timestamp`, in ms since 1970.
    Timestamp(i64),
    /// `date`, in days since 1970.
    Date(i32),
    /// `time`, in ns since midnight.
    Time(i64),
    /// `duration`; the three have one sign.
    Duration {
        /// Months.
        months: i32,
        /// Days.
        days: i32,
        /// Nanoseconds.
        nanos: i64,
    },
    /// `uuid` and `timeuuid`.
    Uuid(Uuid),
    /// `inet`.
    Inet(IpAddr),
    /// `counter`: the shards of one context (`CounterContext`).
    Counter(Vec<CounterShard>),
    /// `list`, frozen.
    List(Vec<Option<CqlValue<'a>>>),
    /// `set`, frozen.
    Set(Vec<Option<CqlValue<'a>>>),
    /// `map`, frozen.
    Map(Vec<(Option<CqlValue<'a>>, Option<CqlValue<'a>>)>),
    /// `tuple`. Shorter than the type if it was written before the type grew.
    Tuple(Vec<Option<CqlValue<'a>>>),
    /// A user-defined type's fields in order. Shorter than the type if it was written before `ALTER TYPE … ADD`.
    Udt(Vec<Option<CqlValue<'a>>>),
    /// `vector`.
    Vector(Vec<CqlValue<'a>>),
    /// A value of a type that only Cassandra can interpret.
    Custom(&'a [u8]),
}

/// One shard of a counter: what one node has counted. 32 bytes in a context (`CounterContext.ContextState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterShard {
    /// The counter id: the host id of the node that leads it.
    pub id: Uuid,
    /// Its logical clock.
    pub clock: i64,
    /// Its running sum.
    pub count: i64,
    /// How the context's header marks it.
    pub kind: ShardKind,
}

/// How a counter context's header marks a shard (`CounterContext`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardKind {
    /// Marked as global; all that 2.1 and later write.
    Global,
    /// Marked as local.
    Local,
    /// Not marked: data from before 2.1.
    Remote,
}
