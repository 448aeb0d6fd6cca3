//! The name of a table's topic.

use super::Topic;
use super::template::{self, Piece};
use crate::schema::{TableMetadata, TablePattern};

/// What Kafka allows (`org.apache.kafka.common.internals.Topic`).
const LENGTH_MAX: usize = 249;

/// `topics.name`: text with the places `{prefix}`, `{keyspace}` and `{table}`; and `topics.tables`, the same for some tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicTemplate {
    name: Vec<Part>,
    /// The closest pattern first.
    tables: Vec<(TablePattern, Vec<Part>)>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Prefix,
    Keyspace,
    Table,
}

/// Why a text is no template of topic names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicTemplateError {
    /// A place that does not exist.
    #[error("unknown place {{{0}}} in the topic name, expected {{prefix}}, {{keyspace}} or {{table}}")]
    UnknownPlace(String),
    /// A bracket without its partner.
    #[error("unpaired bracket in the topic name, expected places like {{table}}")]
    Unpaired,
    /// Two tables would share a topic.
    #[error("the topic name lacks {{{0}}}, so events of different tables would share a topic")]
    Ambiguous(&'static str),
}

impl TopicTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TopicTemplateError`] for unknown places, unpaired brackets, and if the keyspace or the table is missing.
    ///
    /// ```
    /// use ringtail::envelope::TopicTemplate;
    /// assert!(TopicTemplate::parse("{prefix}.{keyspace}.{table}").is_ok());
    /// assert!(TopicTemplate::parse("{prefix}.{schema}").is_err());
    /// ```
    pub fn parse(template: &str) -> Result<Self, TopicTemplateError> {
        let parts = parts(template)?;
        for (part, name) in [(Part::Keyspace, "keyspace"), (Part::Table, "table")] {
            if !parts.contains(&part) {
                return Err(TopicTemplateError::Ambiguous(name));
            }
        }
        Ok(TopicTemplate { name: parts, tables: Vec::new() })
    }

    /// The same, with other templates for the tables of these patterns. They need no place: several tables can share a topic. Of several
    /// patterns that cover a table the one with the most letters holds.
    ///
    /// # Errors
    /// [`TopicTemplateError`] for unknown places and unpaired brackets.
    pub fn with_tables<'t>(mut self, tables: impl IntoIterator<Item = (&'t TablePattern, &'t str)>) -> Result<Self, TopicTemplateError> {
        for (pattern, template) in tables {
            self.tables.push((pattern.clone(), parts(template)?));
        }
        self.tables.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.fixed_letters()));
        Ok(self)
    }

    /// The topic of a table. Characters that Kafka does not allow become `_`, as in Debezium. A name that is too
    /// long keeps its first 240 characters and ends in the CRC-32 of the whole.
    pub fn topic(&self, prefix: &str, table: &TableMetadata) -> Topic {
        let mut name = String::new();
        let closest = self.tables.iter().find(|(pattern, _)| pattern.matches(&table.keyspace, &table.name));
        for part in closest.map_or(&self.name, |(_, parts)| parts) {
            name.push_str(match part {
                Part::Text(text) => text,
                Part::Prefix => prefix,
                Part::Keyspace => &table.keyspace,
                Part::Table => &table.name,
            });
        }
        safe_name(&name).into()
    }
}

impl Default for TopicTemplate {
    /// `{prefix}.{keyspace}.{table}`, Debezium's name.
    fn default() -> Self {
        let dot = || Part::Text(".".into());
        TopicTemplate { name: vec![Part::Prefix, dot(), Part::Keyspace, dot(), Part::Table], tables: Vec::new() }
    }
}

impl Part {
    fn place(name: &str) -> Result<Self, TopicTemplateError> {
        match name {
            "prefix" => Ok(Part::Prefix),
            "keyspace" => Ok(Part::Keyspace),
            "table" => Ok(Part::Table),
            _ => Err(TopicTemplateError::UnknownPlace(name.into())),
        }
    }
}

/// A name that Kafka takes: other characters than it allows become `_`, the two names that it refuses too, and what is too long ends in the
/// CRC-32 of the whole.
pub(super) fn safe_name(name: &str) -> String {
    let name: String = name.chars().map(|c| if is_allowed(c) { c } else { '_' }).collect();
    if name == "." || name == ".." { name.replace('.', "_") } else { shorten(name) }
}

fn parts(template: &str) -> Result<Vec<Part>, TopicTemplateError> {
    let pieces = template::pieces(template).map_err(|_| TopicTemplateError::Unpaired)?;
    let part = |piece| match piece {
        Piece::Text(text) => Ok(Part::Text(str::to_owned(text))),
        Piece::Place(place) => Part::place(place),
    };
    pieces.into_iter().map(part).collect()
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// `name` holds ASCII only.
fn shorten(mut name: String) -> String {
    if name.len() > LENGTH_MAX {
        let crc = crc32fast::hash(name.as_bytes());
        name.truncate(LENGTH_MAX - 9);
        name.push_str(&format!("_{crc:08x}"));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::testing::ks_t;

    #[test]
    fn the_default_is_debeziums_name() {
        let template = TopicTemplate::parse("{prefix}.{keyspace}.{table}").unwrap();

        assert_eq!(template, TopicTemplate::default());
        assert_eq!(&*template.topic("shop", &ks_t()), "shop.ks.t");
    }

    #[test]
    fn tables_share_a_topic_where_a_pattern_says_so_and_the_closest_pattern_holds() {
        let pattern = |text| TablePattern::parse(text).unwrap();
        let patterns = [(pattern("ks.*"), "{prefix}.all"), (pattern("ks.t"), "{prefix}.{keyspace}.own"), (pattern("*.*"), "rest")];
        let tables = patterns.iter().map(|(pattern, text)| (pattern, *text));
        let template = TopicTemplate::default().with_tables(tables).unwrap();
        let topic =
            |keyspace: &str, name: &str| template.topic("shop", &TableMetadata { keyspace: keyspace.into(), name: name.into(), ..ks_t() });

        assert_eq!([&*topic("ks", "t"), &*topic("ks", "u"), &*topic("ks2", "t")], ["shop.ks.own", "shop.all", "rest"]);
        assert!(TopicTemplate::default().with_tables([(&pattern("ks.t"), "{host}")]).is_err());
    }

    #[test]
    fn other_characters_become_underscores() {
        let table = TableMetadata { name: "Grün tea".into(), ..ks_t() };

        assert_eq!(&*TopicTemplate::parse("cdc-{keyspace}_{table}").unwrap().topic("", &table), "cdc-ks_Gr_n_tea");
    }

    #[test]
    fn long_names_are_cut_but_stay_different() {
        let topic = |name: &str| TopicTemplate::default().topic(&"p".repeat(300), &TableMetadata { name: name.into(), ..ks_t() });

        assert_eq!(topic("a").len(), LENGTH_MAX);
        assert_ne!(topic("a"), topic("b"));
    }

    #[test]
    fn templates_that_cannot_be_meant_are_refused() {
        let error = |template| TopicTemplate::parse(template).unwrap_err();

        assert_eq!(error("{prefix}.{keyspace}.{tabel}"), TopicTemplateError::UnknownPlace("tabel".into()));
        assert_eq!(error("{keyspace}.{table"), TopicTemplateError::Unpaired);
        assert_eq!(error("{keyspace}.table}"), TopicTemplateError::Unpaired);
        assert_eq!(error("{prefix}.{table}"), TopicTemplateError::Ambiguous("keyspace"));
        assert_eq!(error("all"), TopicTemplateError::Ambiguous("keyspace"));
    }
}
