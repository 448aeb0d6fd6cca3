//! `topics.create`: makes topics that do not exist.

use super::config::Properties;
use super::context::Context;
use super::health::Health;
use super::topics::Answer;
use crate::envelope::Topic;
use futures::executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long the brokers have to make a topic.
const ANSWER: Duration = Duration::from_secs(5);

/// What a topic is made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTopics {
    /// How many partitions; `None`: the brokers' `num.partitions`.
    pub partitions: Option<u32>,
    /// How many copies; `None`: the brokers' `default.replication.factor`.
    pub replication_factor: Option<u32>,
    /// Settings by Kafka's names.
    pub config: BTreeMap<String, String>,
}

/// Makes topics, on the thread that asks about them. The client is made with the first of them.
pub(super) struct Creator {
    settings: NewTopics,
    config: ClientConfig,
    health: Arc<Health>,
    admin: Option<AdminClient<Context>>,
}

impl Creator {
    /// With the operator's properties, but those of a producer.
    pub(super) fn new(settings: &NewTopics, properties: &Properties, health: &Arc<Health>) -> Creator {
        Creator { settings: settings.clone(), config: properties.of_an_admin().client_config(), health: health.clone(), admin: None }
    }

    /// Makes the topic. That another has made it meanwhile is as good.
    ///
    /// # Errors
    /// Why there is still no such topic, as the answer to who asked about it.
    pub(super) fn create(&mut self, topic: &Topic) -> Result<(), Answer> {
        let number = |number: Option<u32>| number.and_then(|number| i32::try_from(number).ok()).unwrap_or(-1);
        let NewTopics { partitions, replication_factor, config } = self.settings.clone();
        let new = NewTopic::new(topic, number(partitions), TopicReplication::Fixed(number(replication_factor)));
        let new = config.iter().fold(new, |new, (name, value)| new.set(name, value));
        let options = AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER));
        let result = block_on(self.admin()?.create_topics(&[new], &options));
        match result.map(|results| results.into_iter().next()) {
            Ok(None | Some(Ok(_))) => {
                tracing::info!(%topic, "the topic did not exist and was created (topics.create)");
                Ok(())
            }
            Ok(Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists)))) => Ok(()),
            Ok(Some(Err((_, code)))) => Err(Answer::NotCreated(code.to_string())),
            Err(error) => {
                tracing::debug!(%topic, %error, "no answer to the creation of a topic");
                Err(Answer::Unanswered)
            }
        }
    }

    fn admin(&mut self) -> Result<&AdminClient<Context>, Answer> {
        if self.admin.is_none() {
            // Nobody listens: a client that sends nothing has no reports.
            let context = Context { signals: channel().0, health: self.health.clone() };
            let made = self.config.create_with_context(context);
            self.admin = Some(made.map_err(|error| Answer::NotCreated(super::config::client_error(&error).to_string()))?);
        }
        self.admin.as_ref().ok_or(Answer::Unanswered)
    }
}
