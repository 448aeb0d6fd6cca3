//! One librdkafka producer with the two threads that serve it.

use super::config::client_error;
use super::context::{Context, Sent, Signal};
use super::create::Creator;
use super::failure::{Class, class};
use super::health::Health;
use super::topics::Answer;
use super::transaction::{Identity, Lead};
use crate::envelope::{Record, Topic};
use crate::sink::SinkError;
use rdkafka::ClientConfig;
use rdkafka::error::{IsError, KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// One turn of the poll thread. [`BaseProducer::poll`] always lasts this long and serves what comes meanwhile
/// at once.
const POLL: Duration = Duration::from_millis(100);
/// How long a broker has to answer a question about a topic.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two questions whether a broker is there.
const PROBE: Duration = Duration::from_secs(2);
/// How long giving up a producer may hold up the sink. The threads end it later if they must.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// What is asked of a broker.
enum Question {
    /// What a topic is like; made first, if it does not exist and that is asked for.
    Topic(Topic),
    /// Whether it is there.
    Presence,
}

/// A producer from its making to its end. What was in flight at its end is reported to nobody.
pub(super) struct Producer {
    client: Option<Arc<BaseProducer<Context>>>,
    signals: Receiver<Signal>,
    questions: Option<Sender<Question>>,
    /// Of a producer with transactions.
    commits: Option<Sender<()>>,
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Producer {
    /// Makes the producer. It connects by itself.
    pub(super) fn new(
        config: &ClientConfig,
        health: &Arc<Health>,
        identity: Option<&Arc<Identity>>,
        creator: Option<Creator>,
    ) -> Result<Producer, SinkError> {
        let (signal, signals) = channel();
        let (question, questions) = channel();
        let context = Context { signals: signal.clone(), health: health.clone() };
        let client: BaseProducer<Context> = config.create_with_context(context).map_err(|error| client_error(&error))?;
        let client = Arc::new(client);
        let mut producer = Producer {
            client: Some(client.clone()),
            signals,
            questions: Some(question),
            commits: None,
            ended: Arc::default(),
            threads: Vec::with_capacity(3),
        };
        if let Some(identity) = identity {
            let (commit, commits) = channel();
            producer.commits = Some(commit);
            let (client, identity) = (client.clone(), identity.clone());
            let lead = Lead { client, identity, commits, signals: signal.clone(), ended: producer.ended.clone() };
            producer.spawn("kafka-transact", move || lead.run())?;
        }
        let (polled, ended) = (client.clone(), producer.ended.clone());
        producer.spawn("kafka-poll", move || {
            while !ended.load(Ordering::Acquire) {
                polled.poll(POLL);
            }
        })?;
        let asking = Asking { client, health: health.clone(), creator };
        let ended = producer.ended.clone();
        producer.spawn("kafka-metadata", move || asking.serve(&questions, &signal, &ended))?;
        Ok(producer)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), SinkError> {
        let thread = thread::Builder::new().name(name.into()).spawn(run);
        self.threads.push(thread.map_err(|error| SinkError::Producer(format!("cannot start thread {name}: {error}")))?);
        Ok(())
    }

    /// Hands a record to librdkafka, which copies it.
    pub(super) fn send(&self, record: &Record, partition: i32, sent: Sent) -> Result<(), RDKafkaErrorCode> {
        let client = self.client.as_ref().ok_or(RDKafkaErrorCode::Fail)?;
        let mut message = BaseRecord::<[u8], [u8], _>::with_opaque_to(&record.topic, Box::new(sent)).partition(partition).key(&record.key);
        if let Some(value) = &record.value {
            message = message.payload(value);
        }
        if let Some(timestamp) = record.timestamp {
            message = message.timestamp(timestamp);
        }
        if !record.headers.is_empty() {
            let empty = OwnedHeaders::new_with_capacity(record.headers.len());
            message = message.headers(
                record.headers.iter().fold(empty, |headers, (key, value)| headers.insert(Header { key, value: Some(value.as_str()) })),
            );
        }
        client.send(message).map_err(|(error, _)| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail))
    }

    /// Asks a broker about a topic; the answer is a [`Signal::Topic`]. Asking may make the topic.
    pub(super) fn ask(&self, topic: &Topic) {
        if let Some(questions) = &self.questions {
            // The thread lives as long as this end of the channel does.
            questions.send(Question::Topic(topic.clone())).ok();
        }
    }

    /// Asks a broker whether it is there; [`Health`] hears the answer.
    pub(super) fn probe(&self) {
        if let Some(questions) = &self.questions {
            questions.send(Question::Presence).ok();
        }
    }

    /// Asks for the end of the transaction; the answer is a [`Signal::Transaction`].
    pub(super) fn commit(&self) {
        if let Some(commits) = &self.commits {
            // If the thread has ended, it has said why.
            commits.send(()).ok();
        }
    }

    /// Why the producer has stopped itself, if it has.
    pub(super) fn fatal_error(&self) -> Option<String> {
        self.fatal().map(|(code, reason)| format!("{code}: {reason}"))
    }

    /// That another producer has its transactional id.
    pub(super) fn fenced(&self) -> Option<String> {
        self.fatal().filter(|(code, _)| class(*code) == Class::Fenced).map(|(_, reason)| reason)
    }

    fn fatal(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.client.as_ref().and_then(|client| client.client().fatal_error())
    }

    /// The next signal, if there is one within `wait`.
    pub(super) fn next(&self, wait: Duration) -> Option<Signal> {
        self.signals.try_recv().ok().or_else(|| self.signals.recv_timeout(wait).ok())
    }
}

impl Drop for Producer {
    /// Makes sure that nothing more leaves, then lets the threads take the client down.
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            client.purge(PurgeConfig::default().queue().inflight().non_blocking());
        }
        // The last of the threads drops the client, which can take long (a name server that does not answer); this
        // end must not be the last.
        self.ended.store(true, Ordering::Release);
        self.questions = None;
        self.commits = None;
        let deadline = Instant::now() + END_TIMEOUT;
        while Instant::now() < deadline && !self.threads.iter().all(JoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What the thread that asks brokers has.
struct Asking {
    client: Arc<BaseProducer<Context>>,
    health: Arc<Health>,
    /// None: topics are not made by us.
    creator: Option<Creator>,
}

impl Asking {
    /// Answers questions about topics, and while no broker answers, asks whether one is there.
    fn serve(mut self, questions: &Receiver<Question>, signals: &Sender<Signal>, ended: &AtomicBool) {
        let mut last = None;
        self.probe(None);
        loop {
            match questions.recv_timeout(PROBE) {
                Ok(_) if ended.load(Ordering::Acquire) => return,
                Ok(Question::Presence) => self.probe(last.as_ref()),
                Ok(Question::Topic(topic)) => {
                    let answer = self.ask_or_create(&topic);
                    last = Some(topic.clone());
                    if signals.send(Signal::Topic(topic, answer)).is_err() {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) if self.health.is_good() => {}
                Err(RecvTimeoutError::Timeout) => self.probe(last.as_ref()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Asks for anything at all. Until a topic has been asked for that is the list of all topics.
    fn probe(&self, topic: Option<&Topic>) {
        match topic {
            Some(topic) => {
                self.ask(topic);
            }
            None => match self.client.client().fetch_metadata(None, METADATA_TIMEOUT) {
                Ok(_) => self.health.answered(),
                Err(error) => self.unanswered(&error),
            },
        }
    }

    /// What the brokers say of a topic that has just been made can still be that it does not exist: it is asked for again soon.
    fn ask_or_create(&mut self, topic: &Topic) -> Answer {
        let answer = self.ask(topic);
        match &mut self.creator {
            Some(creator) if answer == Answer::Missing => creator.create(topic).map_or_else(|failed| failed, |()| self.ask(topic)),
            _ => answer,
        }
    }

    fn ask(&self, topic: &Topic) -> Answer {
        match self.client.client().fetch_metadata(Some(topic), METADATA_TIMEOUT) {
            Ok(metadata) => {
                self.health.answered();
                metadata.topics().iter().find(|found| found.name() == &**topic).map_or(Answer::Missing, answer)
            }
            Err(error) => {
                self.unanswered(&error);
                Answer::Unanswered
            }
        }
    }

    fn unanswered(&self, error: &KafkaError) {
        tracing::debug!(%error, "no answer to a metadata request");
        self.health.unanswered();
    }
}

/// What the metadata says of one topic.
pub(super) fn answer(topic: &MetadataTopic) -> Answer {
    let Some(error) = topic.error().filter(IsError::is_error).map(RDKafkaErrorCode::from) else {
        // Only without an error: the list of partitions is a null pointer otherwise.
        return i32::try_from(topic.partitions().len()).map_or(Answer::Unanswered, Answer::Partitions);
    };
    match error {
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::InvalidTopic => Answer::Missing,
        RDKafkaErrorCode::TopicAuthorizationFailed => Answer::Unauthorized(error.to_string()),
        _ => Answer::Unanswered,
    }
}
