//! Subjects: under which name a registry keeps a schema.

use crate::avro::adjusted_full;
use crate::config::SubjectName;
use crate::connect::Schema;
use crate::envelope::Part;

/// The subject of a schema in a topic, by Confluent's strategies.
pub fn subject(strategy: SubjectName, topic: &str, part: Part, schema: &Schema) -> String {
    let record = || schema.name.as_deref().map(adjusted_full);
    match (strategy, record()) {
        (SubjectName::Record, Some(record)) => record,
        (SubjectName::TopicRecord, Some(record)) => format!("{topic}-{record}"),
        // What is no record has no name.
        (SubjectName::Topic, _) | (_, None) => format!("{topic}-{}", if part == Part::Key { "key" } else { "value" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Kind;

    #[test]
    fn subjects_are_named_as_confluents_strategies_name_them() {
        let schema = Schema::of_struct("my-shop.ks.t.Value", vec![]);
        let subject = |strategy, part| subject(strategy, "my-shop.ks.t", part, &schema);

        assert_eq!(subject(SubjectName::Topic, Part::Key), "my-shop.ks.t-key");
        assert_eq!(subject(SubjectName::Topic, Part::Value), "my-shop.ks.t-value");
        assert_eq!(subject(SubjectName::Record, Part::Value), "my_u002dshop.ks.t.Value");
        assert_eq!(subject(SubjectName::TopicRecord, Part::Value), "my-shop.ks.t-my_u002dshop.ks.t.Value");
    }

    #[test]
    fn what_is_no_record_is_kept_under_its_topic() {
        assert_eq!(super::subject(SubjectName::Record, "t", Part::Key, &Schema::new(Kind::String)), "t-key");
    }
}
