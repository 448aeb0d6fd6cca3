//! The CQL statements that define tables, types and views.
//!
//! ```text
//! CREATE TABLE [IF NOT EXISTS] [ks.]t ( column { , column } ) [WITH option { AND option }]
//! column  = name type [STATIC] [MASKED WITH …] [PRIMARY KEY] | PRIMARY KEY ( ( name {, name} ) | name {, name} )
//! option  = COMPACT STORAGE | CLUSTERING ORDER BY ( name [ASC | DESC] {, …} ) | ID = uuid | cdc = boolean | name = …
//! CREATE TYPE [IF NOT EXISTS] [ks.]t ( name type {, name type} )
//! CREATE MATERIALIZED VIEW [IF NOT EXISTS] [ks.]v AS SELECT * | name {, name} FROM [ks.]t WHERE … PRIMARY KEY (…) [WITH …]
//! ALTER TABLE …, ALTER TYPE …, DROP …, USE ks
//! ```
//!
//! Statements that define none of these or write data are passed over. All others are an error.
//!
//! Cassandra: `Parser.g`.

use super::cursor::Cursor;
use super::file::SchemaFileError;
use uuid::Uuid;

/// A name that may carry its keyspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QualifiedName {
    pub(super) keyspace: Option<String>,
    pub(super) name: String,
}

/// A statement that matters.
#[derive(Debug)]
pub(super) enum Statement<'a> {
    Use(String),
    CreateType { if_not_exists: bool, fields: Vec<(String, &'a str)> },
    CreateTable(CreateTable<'a>),
    CreateView(CreateView),
    AlterType(AlterType<'a>),
    AlterTable(AlterTable<'a>),
    DropKeyspace,
    DropTable,
    DropType,
    DropView,
}

/// `CREATE TABLE`.
#[derive(Debug)]
pub(super) struct CreateTable<'a> {
    pub(super) if_not_exists: bool,
    pub(super) columns: Vec<ColumnDefinition<'a>>,
    pub(super) key: PrimaryKey,
    pub(super) options: Options,
}

/// A column in `CREATE TABLE` or `ALTER TABLE … ADD`.
#[derive(Debug)]
pub(super) struct ColumnDefinition<'a> {
    pub(super) name: String,
    pub(super) type_name: &'a str,
    pub(super) is_static: bool,
}

/// The names of the columns of a primary key.
#[derive(Debug, Default)]
pub(super) struct PrimaryKey {
    pub(super) partition_key: Vec<String>,
    pub(super) clustering: Vec<String>,
}

/// The options of a table or view that say how its bytes are to be read.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) id: Option<Uuid>,
    pub(super) cdc: Option<bool>,
    pub(super) compact_storage: bool,
    /// Columns in descending order.
    pub(super) descending: Vec<String>,
}

/// `CREATE MATERIALIZED VIEW`.
#[derive(Debug)]
pub(super) struct CreateView {
    pub(super) if_not_exists: bool,
    /// The selected columns; `None` for all.
    pub(super) columns: Option<Vec<String>>,
    pub(super) base: QualifiedName,
    pub(super) key: PrimaryKey,
    pub(super) options: Options,
}

/// `ALTER TYPE`.
#[derive(Debug)]
pub(super) enum AlterType<'a> {
    Add(Vec<(String, &'a str)>),
    Rename(Vec<(String, String)>),
    Alter(String, &'a str),
}

/// `ALTER TABLE`.
#[derive(Debug)]
pub(super) enum AlterTable<'a> {
    Add(Vec<ColumnDefinition<'a>>),
    /// The columns, and when they were dropped, in µs.
    Drop(Vec<String>, Option<i64>),
    DropCompactStorage,
    Rename(Vec<(String, String)>),
    Alter(String, &'a str),
    With(Options),
}

/// First words of statements that say nothing about tables.
const PASSED_OVER: [&str; 12] =
    ["ALTER", "APPLY", "BEGIN", "CREATE", "DELETE", "DROP", "GRANT", "INSERT", "REVOKE", "SELECT", "TRUNCATE", "UPDATE"];
/// What is created, altered and dropped without changing what bytes mean.
const OTHER_OBJECTS: [&str; 12] =
    ["AGGREGATE", "CUSTOM", "FUNCTION", "IDENTITY", "INDEX", "KEYSPACE", "MATERIALIZED", "OR", "ROLE", "SCHEMA", "TRIGGER", "USER"];

/// The statement and the object it is about; `None` if it is passed over.
pub(super) fn statement<'a>(at: &mut Cursor<'a>) -> Result<Option<(QualifiedName, Statement<'a>)>, SchemaFileError> {
    let found = if at.take(&["USE"]) {
        let name = at.name()?;
        (QualifiedName { keyspace: None, name: name.clone() }, Statement::Use(name))
    } else if at.take(&["CREATE", "TABLE"]) || at.take(&["CREATE", "COLUMNFAMILY"]) {
        create_table(at)?
    } else if at.take(&["CREATE", "TYPE"]) {
        let if_not_exists = at.take(&["IF", "NOT", "EXISTS"]);
        (qualified_name(at)?, Statement::CreateType { if_not_exists, fields: at.in_parentheses(field)? })
    } else if at.take(&["CREATE", "MATERIALIZED", "VIEW"]) {
        create_view(at)?
    } else if at.take(&["ALTER", "TABLE"]) || at.take(&["ALTER", "COLUMNFAMILY"]) {
        at.take(&["IF", "EXISTS"]);
        (qualified_name(at)?, Statement::AlterTable(alter_table(at)?))
    } else if at.take(&["ALTER", "TYPE"]) {
        at.take(&["IF", "EXISTS"]);
        (qualified_name(at)?, Statement::AlterType(alter_type(at)?))
    } else if let Some(dropped) = dropped(at) {
        at.take(&["IF", "EXISTS"]);
        (qualified_name(at)?, dropped)
    } else if is_passed_over(at) {
        return Ok(None);
    } else if at.take(&["CREATE"]) || at.take(&["ALTER"]) || at.take(&["DROP"]) {
        return Err(at.expected("TABLE, TYPE or another kind of definition"));
    } else {
        return Err(at.expected("a CQL statement"));
    };
    if !at.is_at_end() {
        return Err(at.expected("the end of the statement"));
    }
    Ok(Some(found))
}

fn dropped<'a>(at: &mut Cursor<'a>) -> Option<Statement<'a>> {
    if at.take(&["DROP", "TABLE"]) || at.take(&["DROP", "COLUMNFAMILY"]) {
        Some(Statement::DropTable)
    } else if at.take(&["DROP", "KEYSPACE"]) || at.take(&["DROP", "SCHEMA"]) {
        Some(Statement::DropKeyspace)
    } else if at.take(&["DROP", "TYPE"]) {
        Some(Statement::DropType)
    } else if at.take(&["DROP", "MATERIALIZED", "VIEW"]) {
        Some(Statement::DropView)
    } else {
        None
    }
}

fn is_passed_over(at: &Cursor<'_>) -> bool {
    let Some(first) = PASSED_OVER.iter().find(|word| at.is_at(&[word])) else { return false };
    !["ALTER", "CREATE", "DROP"].contains(first) || OTHER_OBJECTS.iter().any(|object| at.is_at(&[first, object]))
}

fn qualified_name(at: &mut Cursor<'_>) -> Result<QualifiedName, SchemaFileError> {
    let first = at.name()?;
    if at.take_symbol('.') {
        return Ok(QualifiedName { keyspace: Some(first), name: at.name()? });
    }
    Ok(QualifiedName { keyspace: None, name: first })
}

fn field<'a>(at: &mut Cursor<'a>) -> Result<(String, &'a str), SchemaFileError> {
    Ok((at.name()?, at.type_name()?))
}

fn create_table<'a>(at: &mut Cursor<'a>) -> Result<(QualifiedName, Statement<'a>), SchemaFileError> {
    let if_not_exists = at.take(&["IF", "NOT", "EXISTS"]);
    let name = qualified_name(at)?;
    let mut key = PrimaryKey::default();
    let columns = at.in_parentheses(|at| {
        if at.take(&["PRIMARY", "KEY"]) {
            key = primary_key(at)?;
            return Ok(None);
        }
        let column = column(at)?;
        if at.take(&["PRIMARY", "KEY"]) {
            key.partition_key.push(column.name.clone());
        }
        Ok(Some(column))
    })?;
    let columns = columns.into_iter().flatten().collect();
    let options = options(at)?;
    Ok((name, Statement::CreateTable(CreateTable { if_not_exists, columns, key, options })))
}

fn column<'a>(at: &mut Cursor<'a>) -> Result<ColumnDefinition<'a>, SchemaFileError> {
    let (name, type_name) = field(at)?;
    let is_static = at.take(&["STATIC"]);
    if at.take(&["MASKED", "WITH"]) {
        at.skip_until(&["PRIMARY"]);
    }
    Ok(ColumnDefinition { name, type_name, is_static })
}

/// `((a, b), c, d)`, `(a, c, d)`.
fn primary_key(at: &mut Cursor<'_>) -> Result<PrimaryKey, SchemaFileError> {
    at.symbol('(')?;
    let partition_key = if at.take_symbol('(') {
        let names = at.list(Cursor::name)?;
        at.symbol(')')?;
        names
    } else {
        vec![at.name()?]
    };
    let clustering = if at.take_symbol(',') { at.list(Cursor::name)? } else { Vec::new() };
    at.symbol(')')?;
    Ok(PrimaryKey { partition_key, clustering })
}

/// `[WITH option { AND option }]`.
fn options(at: &mut Cursor<'_>) -> Result<Options, SchemaFileError> {
    let mut options = Options::default();
    if !at.take(&["WITH"]) {
        return Ok(options);
    }
    loop {
        option(at, &mut options)?;
        if !at.take(&["AND"]) {
            return Ok(options);
        }
    }
}

fn option(at: &mut Cursor<'_>, options: &mut Options) -> Result<(), SchemaFileError> {
    if at.take(&["COMPACT", "STORAGE"]) {
        options.compact_storage = true;
        return Ok(());
    }
    if at.take(&["CLUSTERING", "ORDER", "BY"]) {
        let columns = at.in_parentheses(order)?;
        options.descending = columns.into_iter().filter(|(_, descending)| *descending).map(|(name, _)| name).collect();
        return Ok(());
    }
    let name = at.name()?;
    at.symbol('=')?;
    if !matches!(name.as_str(), "id" | "cdc") {
        at.skip_until(&["AND"]);
        return Ok(());
    }
    // Asked for these two only: to say where an option stands, the file's lines are counted from its beginning.
    let wrong = at.expected(if name == "id" { "a UUID" } else { "true or false" });
    let value = at.skip_until(&["AND"]).trim_matches('\'');
    match name.as_str() {
        "id" => options.id = Some(Uuid::try_parse(value).map_err(|_| wrong)?),
        "cdc" if value.eq_ignore_ascii_case("true") => options.cdc = Some(true),
        "cdc" if value.eq_ignore_ascii_case("false") => options.cdc = Some(false),
        "cdc" => return Err(wrong),
        _ => {}
    }
    Ok(())
}

/// `name [ASC | DESC]`: the name, and whether it descends.
fn order(at: &mut Cursor<'_>) -> Result<(String, bool), SchemaFileError> {
    let name = at.name()?;
    let descending = at.take(&["DESC"]);
    if !descending {
        at.take(&["ASC"]);
    }
    Ok((name, descending))
}

fn create_view<'a>(at: &mut Cursor<'a>) -> Result<(QualifiedName, Statement<'a>), SchemaFileError> {
    let if_not_exists = at.take(&["IF", "NOT", "EXISTS"]);
    let name = qualified_name(at)?;
    at.keywords(&["AS", "SELECT"])?;
    let columns = if at.take_symbol('*') { None } else { Some(at.list(Cursor::name)?) };
    at.keywords(&["FROM"])?;
    let base = qualified_name(at)?;
    at.skip_to(&["PRIMARY", "KEY"]);
    at.keywords(&["PRIMARY", "KEY"])?;
    let key = primary_key(at)?;
    let options = options(at)?;
    Ok((name, Statement::CreateView(CreateView { if_not_exists, columns, base, key, options })))
}

fn alter_table<'a>(at: &mut Cursor<'a>) -> Result<AlterTable<'a>, SchemaFileError> {
    if at.take(&["ADD"]) {
        at.take(&["IF", "NOT", "EXISTS"]);
        return Ok(AlterTable::Add(one_or_in_parentheses(at, column)?));
    }
    if at.take(&["DROP", "COMPACT", "STORAGE"]) {
        return Ok(AlterTable::DropCompactStorage);
    }
    if at.take(&["DROP"]) {
        at.take(&["IF", "EXISTS"]);
        let names = one_or_in_parentheses(at, Cursor::name)?;
        let timestamp = if at.take(&["USING", "TIMESTAMP"]) { Some(timestamp(at)?) } else { None };
        return Ok(AlterTable::Drop(names, timestamp));
    }
    if at.take(&["RENAME"]) {
        return Ok(AlterTable::Rename(renames(at)?));
    }
    if at.take(&["ALTER"]) {
        at.take(&["IF", "EXISTS"]);
        let name = at.name()?;
        if at.is_at(&["MASKED"]) || at.is_at(&["DROP", "MASKED"]) {
            at.skip_until(&[]);
            return Ok(AlterTable::Add(Vec::new()));
        }
        at.keywords(&["TYPE"])?;
        return Ok(AlterTable::Alter(name, at.type_name()?));
    }
    if at.is_at(&["WITH"]) {
        return Ok(AlterTable::With(options(at)?));
    }
    Err(at.expected("ADD, DROP, RENAME, ALTER or WITH"))
}

fn alter_type<'a>(at: &mut Cursor<'a>) -> Result<AlterType<'a>, SchemaFileError> {
    if at.take(&["ADD"]) {
        at.take(&["IF", "NOT", "EXISTS"]);
        return Ok(AlterType::Add(at.list(field)?));
    }
    if at.take(&["RENAME"]) {
        return Ok(AlterType::Rename(renames(at)?));
    }
    if at.take(&["ALTER"]) {
        let name = at.name()?;
        at.keywords(&["TYPE"])?;
        return Ok(AlterType::Alter(name, at.type_name()?));
    }
    Err(at.expected("ADD, RENAME or ALTER"))
}

/// `a TO b { AND c TO d }`.
fn renames(at: &mut Cursor<'_>) -> Result<Vec<(String, String)>, SchemaFileError> {
    at.take(&["IF", "EXISTS"]);
    let mut renames = Vec::new();
    loop {
        let from = at.name()?;
        at.keywords(&["TO"])?;
        renames.push((from, at.name()?));
        if !at.take(&["AND"]) {
            return Ok(renames);
        }
    }
}

fn one_or_in_parentheses<'a, T>(
    at: &mut Cursor<'a>,
    item: impl FnMut(&mut Cursor<'a>) -> Result<T, SchemaFileError>,
) -> Result<Vec<T>, SchemaFileError> {
    if at.is_at_symbol('(') { at.in_parentheses(item) } else { at.list(item) }
}

/// Microseconds since 1970.
fn timestamp(at: &mut Cursor<'_>) -> Result<i64, SchemaFileError> {
    let wrong = at.expected("a timestamp in microseconds");
    at.skip_until(&[]).parse().map_err(|_| wrong)
}
