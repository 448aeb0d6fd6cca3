//! The name of a message's topic.

use crate::envelope::Topic;
use crate::envelope::topic::safe_name;
use crate::schema::TableMetadata;

/// `topic` of an outbox table: text with the places `{aggregate_type}`, `{prefix}`, `{keyspace}` and `{table}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxTopic(String);

/// Why a text is no template of topic names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is {0:?}; expected {{aggregate_type}}, {{prefix}}, {{keyspace}}, {{table}} and letters, digits, '.', '_', '-'")]
pub struct OutboxTopicError(String);

const PLACES: [&str; 4] = ["{aggregate_type}", "{prefix}", "{keyspace}", "{table}"];

impl OutboxTopic {
    /// Reads a template.
    ///
    /// # Errors
    /// [`OutboxTopicError`]: nothing, an unknown place, or a letter that no topic may have.
    pub fn parse(template: &str) -> Result<OutboxTopic, OutboxTopicError> {
        let literal = PLACES.iter().fold(template.to_owned(), |left, place| left.replace(place, ""));
        let valid = literal.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if valid && !template.is_empty() { Ok(OutboxTopic(template.to_owned())) } else { Err(OutboxTopicError(template.to_owned())) }
    }

    /// The topic of an aggregate type, made safe as the names of tables' topics are.
    pub(super) fn topic(&self, prefix: &str, table: &TableMetadata, aggregate_type: &str) -> Topic {
        let fixed = self.0.replace("{prefix}", prefix).replace("{keyspace}", &table.keyspace).replace("{table}", &table.name);
        // Last: what a row holds may look like a place.
        safe_name(&fixed.replace("{aggregate_type}", aggregate_type)).into()
    }
}

impl Default for OutboxTopic {
    /// `outbox.event.{aggregate_type}`, the name that Debezium's router gives.
    fn default() -> Self {
        OutboxTopic("outbox.event.{aggregate_type}".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::testing::ks_t;

    fn topic(template: &str, aggregate_type: &str) -> String {
        OutboxTopic::parse(template).unwrap().topic("shop", &ks_t(), aggregate_type).to_string()
    }

    #[test]
    fn the_default_is_that_of_debeziums_router() {
        assert_eq!(OutboxTopic::parse("outbox.event.{aggregate_type}"), Ok(OutboxTopic::default()));
        assert_eq!(topic("outbox.event.{aggregate_type}", "order"), "outbox.event.order");
        assert_eq!(topic("{prefix}.{keyspace}.{table}.{aggregate_type}", "Order-2"), "shop.ks.t.Order-2");
        assert_eq!(topic("events", "order"), "events");
    }

    #[test]
    fn what_a_row_holds_becomes_a_name_that_kafka_takes() {
        assert_eq!(topic("outbox.event.{aggregate_type}", "Grün tea/{table}"), "outbox.event.Gr_n_tea__table_");
        assert_eq!(topic("{aggregate_type}", ".."), "__");
        assert_eq!(topic("{aggregate_type}", &"a".repeat(300)).len(), 249);
    }

    #[test]
    fn templates_that_cannot_be_meant_are_refused() {
        for wrong in ["", "outbox.{agregate_type}", "outbox event", "{aggregate_type", "a/{aggregate_type}"] {
            let error = OutboxTopic::parse(wrong).unwrap_err();
            assert!(error.to_string().starts_with(&format!("is {wrong:?}; expected {{aggregate_type}}, ")), "{error}");
        }
    }
}
