use super::*;
use proptest::prelude::*;

/// Knows `pair` and `Quoted "Type"` in every keyspace.
struct Udts;

impl UdtResolver for Udts {
    fn resolve(&self, keyspace: &str, name: &str) -> Option<Arc<UserType>> {
        let fields = vec![("a".to_owned(), CqlType::Int), ("Tags".to_owned(), CqlType::Set(CqlType::Text.into()).freeze())];
        let known = ["pair", "Quoted \"Type\"", "date", "select"].contains(&name);
        known.then(|| UserType { keyspace: keyspace.to_owned(), name: name.to_owned(), fields }.into())
    }
}

fn parse(text: &str) -> CqlType {
    parse_type(text, "ks", &Udts).unwrap()
}

fn refuse(text: &str) -> String {
    parse_type(text, "ks", &Udts).unwrap_err().to_string()
}

#[test]
fn every_native_type_is_read_and_printed() {
    for (name, cql_type) in NATIVE_TYPES {
        assert_eq!(parse(name), cql_type);
        assert_eq!(parse(&name.to_uppercase()), cql_type);
        assert_eq!(parse(&cql_type.to_string()), cql_type);
    }
    assert_eq!(parse("varchar").to_string(), "text");
}

#[test]
fn names_of_recorded_columns_print_as_they_were() {
    let names = [
        "list<vector<float, 2>>",
        "vector<frozen<list<int>>, 2>",
        "map<frozen<pair>, frozen<map<text, frozen<tuple<int, frozen<set<uuid>>>>>>>",
        "frozen<tuple<frozen<list<int>>, frozen<tuple<uuid, double>>>>",
        "frozen<\"Quoted \"\"Type\"\"\">",
        "pair",
        "'org.apache.cassandra.db.marshal.DynamicCompositeType(a=>org.apache.cassandra.db.marshal.AsciiType)'",
    ];
    for name in names {
        assert_eq!(parse(name).to_string(), name);
    }
}

#[test]
fn only_bare_collections_and_user_types_are_multi_cell() {
    for name in ["list<int>", "set<frozen<set<int>>>", "map<int, int>", "pair", "ks.pair", "\"pair\""] {
        assert!(parse(name).is_multi_cell(), "{name}");
    }
    for name in ["frozen<list<int>>", "frozen<pair>", "tuple<int>", "frozen<tuple<int>>", "vector<int, 3>", "int", "frozen<int>"] {
        assert!(!parse(name).is_multi_cell(), "{name}");
    }
}

#[test]
fn what_is_nested_is_frozen_whether_it_says_so_or_not() {
    assert_eq!(parse("list<set<pair>>"), parse("list<frozen<set<frozen<pair>>>>"));
    assert_eq!(parse("frozen<map<int, list<tuple<int>>>>"), parse("frozen<map<int, frozen<list<frozen<tuple<int>>>>>>"));
    assert_eq!(parse("frozen<frozen<list<int>>>"), parse("frozen<list<int>>"));
    assert_eq!(parse(" FROZEN < List<INT> > "), parse("frozen<list<int>>"));
}

#[test]
fn a_quoted_name_is_never_a_native_type() {
    assert!(matches!(parse("\"date\""), CqlType::Udt(_)));
    assert_eq!(parse("\"date\"").to_string(), "\"date\"");
    assert_eq!(parse("date"), CqlType::Date);
}

#[test]
fn class_names_are_the_types_they_stand_for() {
    let marshal = |text: &str| parse(&format!("'{}'", text.replace('@', "org.apache.cassandra.db.marshal.")));

    assert_eq!(marshal("@UTF8Type"), CqlType::Text);
    assert_eq!(marshal("UTF8Type"), CqlType::Text);
    assert_eq!(marshal("@ReversedType(@Int32Type)"), CqlType::Int);
    assert_eq!(marshal("@ReversedType(@LexicalUUIDType)").fixed_length(), Some(16));
    assert_eq!(marshal("@LexicalUUIDType").fixed_length(), Some(16));
    assert_eq!(marshal("@ListType(@SetType(@Int32Type))"), parse("list<frozen<set<int>>>"));
    assert_eq!(marshal("@FrozenType(@MapType(@UTF8Type, @BytesType))"), parse("frozen<map<text, blob>>"));
    assert_eq!(marshal("@TupleType(@Int32Type,@TimeUUIDType)"), parse("tuple<int, timeuuid>"));
    assert_eq!(marshal("@VectorType(@FloatType , 3)"), parse("vector<float, 3>"));
    assert_eq!(marshal("@UserType(ks,70616972,61:@Int32Type,54616773:@SetType(@UTF8Type))"), parse("pair"));
    assert_eq!(marshal("com.example.Type(1)"), CqlType::Custom("com.example.Type(1)".into()));
    assert_eq!(
        marshal("@ListType(@CompositeType(@Int32Type,@UTF8Type))").to_string(),
        "list<'org.apache.cassandra.db.marshal.CompositeType(org.apache.cassandra.db.marshal.Int32Type,org.apache.cassandra.db.marshal.UTF8Type)'>"
    );
}

#[test]
fn dropped_user_types_become_tuples() {
    assert_eq!(parse("frozen<pair>").expand_user_types(), parse("tuple<int, set<text>>"));
    assert_eq!(parse("list<pair>").expand_user_types(), parse("list<tuple<int, set<text>>>"));
    assert_eq!(parse("frozen<map<int, pair>>").expand_user_types(), parse("frozen<map<int, tuple<int, set<text>>>>"));
    assert!(parse("pair").expand_user_types().is_multi_cell());
}

#[test]
fn errors_say_what_and_where() {
    assert_eq!(refuse("list<int"), "type name \"list<int\" at byte 4: expected a type name");
    assert_eq!(refuse("nope"), "unknown type \"nope\" in keyspace \"ks\"");
    assert_eq!(refuse("map<int>"), "parameters of type map: expected two types, found 1");
    assert_eq!(refuse("set"), "parameters of type set: expected some between < and >, found 0");
    assert_eq!(refuse("vector<int, 65536>"), "dimension of vector: expected 1 to 65535 and values below 2 GiB, found 65536");
    assert!(refuse("vector<vector<int, 60000>, 60000>").contains("2 GiB"));
    assert_eq!(refuse(&format!("{}int{}", "frozen<".repeat(70), ">".repeat(70))), "type name is nested deeper than 64");
    assert_eq!(refuse(&format!("'{}X{}'", "ListType(".repeat(9999), ")".repeat(9999))), "type name is nested deeper than 64");
}

/// Any type that Cassandra could print.
fn any_type() -> impl Strategy<Value = CqlType> {
    let leaf = prop_oneof![
        (0..NATIVE_TYPES.len()).prop_map(|index| NATIVE_TYPES[index].1.clone()),
        Just(parse("\"Quoted \"\"Type\"\"\"")),
        Just(CqlType::Custom("com.example.Type(a=>b.C,61:d.E)".into())),
    ];
    leaf.prop_recursive(5, 20, 3, |inner| {
        let inner = inner.prop_map(CqlType::freeze);
        prop_oneof![
            inner.clone().prop_map(|element| CqlType::List(element.into())),
            inner.clone().prop_map(|element| CqlType::Set(element.into())),
            (inner.clone(), inner.clone()).prop_map(|(key, value)| CqlType::Map(key.into(), value.into())),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|members| CqlType::Tuple(members.into())),
            (inner.clone(), 1..20u16).prop_map(|(element, dimension)| CqlType::Vector(element.into(), dimension)),
            inner,
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(cql_type in any_type()) {
        prop_assert_eq!(parse(&cql_type.to_string()), cql_type);
    }

    #[test]
    fn i6_no_text_makes_the_type_parser_panic(text in "(list|map|frozen|vector|int|pair|'|\"|<|>|,| |[0-9]+|\\.|\\(|\\)|:|=>|UserType|ListType|é){0,40}") {
        drop(parse_type(&text, "ks", &Udts));
    }
}
