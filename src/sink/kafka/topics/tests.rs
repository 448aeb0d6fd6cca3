use super::*;

const REFRESH: Duration = Duration::from_secs(300);

struct Scene {
    topics: Topics,
    topic: Topic,
    now: Instant,
}

impl Scene {
    fn new() -> Scene {
        Scene { topics: Topics::new(Some(REFRESH)), topic: "t".into(), now: Instant::now() }
    }

    /// A scene in which the topic has so many partitions.
    fn known(partitions: i32) -> Scene {
        let mut scene = Scene::new();
        scene.admit();
        scene.learn(Answer::Partitions(partitions));
        scene
    }

    fn admit(&mut self) -> Admission {
        self.topics.admit(&self.topic, self.now)
    }

    fn partitions(&mut self) -> Result<i32, SendError> {
        self.admit().partitions
    }

    fn learn(&mut self, answer: Answer) {
        self.topics.learned(&self.topic, answer, self.now);
    }

    fn send(&mut self) {
        self.partitions().unwrap();
        self.topics.sent(&self.topic);
    }
}

#[test]
fn new_topic_is_asked_for_once_and_taken_when_known() {
    let mut scene = Scene::new();

    assert_eq!(scene.admit(), Admission { partitions: Err(SendError::Full), ask: true });
    assert_eq!(scene.admit(), Admission { partitions: Err(SendError::Full), ask: false });
    scene.learn(Answer::Partitions(3));
    assert_eq!(scene.admit(), Admission { partitions: Ok(3), ask: false });
}

#[test]
fn known_topic_is_asked_for_again_after_the_refresh_interval_without_waiting() {
    let mut scene = Scene::known(3);

    scene.now += REFRESH;

    assert_eq!(scene.admit(), Admission { partitions: Ok(3), ask: true });
    assert_eq!(scene.admit(), Admission { partitions: Ok(3), ask: false });
}

#[test]
fn missing_topic_is_believed_only_after_a_while_and_looked_for_ever_after() {
    let mut scene = Scene::new();
    scene.admit();

    scene.learn(Answer::Missing);
    assert_eq!(scene.partitions(), Err(SendError::Full), "it may just be created");
    scene.now += MISSING_FOR;
    assert!(scene.admit().ask);
    scene.learn(Answer::Missing);
    assert_eq!(scene.partitions(), Err(SendError::UnknownTopic("t".into())));

    scene.now += LOOK_AGAIN;
    assert!(scene.admit().ask);
    scene.learn(Answer::Partitions(1));
    assert_eq!(scene.partitions(), Ok(1));
}

#[test]
fn silence_changes_nothing() {
    let mut scene = Scene::known(3);

    scene.learn(Answer::Unanswered);

    assert_eq!(scene.partitions(), Ok(3));
}

#[test]
fn i1_grown_topic_takes_nothing_until_what_is_in_flight_has_arrived() {
    let mut scene = Scene::known(3);
    scene.send();
    scene.send();

    scene.learn(Answer::Partitions(6));
    assert_eq!(scene.partitions(), Err(SendError::Full));
    scene.topics.arrived(&scene.topic);
    assert_eq!(scene.partitions(), Err(SendError::Full));
    scene.topics.arrived(&scene.topic);

    assert_eq!(scene.partitions(), Ok(6));
}

#[test]
fn i1_topic_forgotten_with_records_in_flight_still_waits_for_them_when_its_count_has_changed() {
    let mut scene = Scene::known(3);
    scene.send();

    scene.topics.forget(&scene.topic);
    scene.learn(Answer::Partitions(6));
    assert_eq!(scene.partitions(), Err(SendError::Full));
    scene.topics.arrived(&scene.topic);

    assert_eq!(scene.partitions(), Ok(6));
}

#[test]
fn denied_topic_says_why_until_an_answer_lets_it_in() {
    let mut scene = Scene::known(3);
    scene.send();
    scene.topics.failed(&scene.topic);

    scene.topics.denied(&scene.topic, "no".into(), scene.now);
    scene.topics.reset();
    assert_eq!(scene.partitions(), Err(SendError::Unauthorized("topic t: no".into())), "also over a reset");
    assert_eq!(scene.topics.unauthorized().unwrap(), "not authorised: topic t: no");

    scene.now += LOOK_AGAIN;
    assert!(scene.admit().ask);
    scene.learn(Answer::Partitions(3));
    assert_eq!(scene.partitions(), Ok(3));
    assert_eq!(scene.topics.unauthorized(), None);
}

#[test]
fn record_is_alone_only_if_nothing_was_in_flight_from_its_sending_to_its_failing() {
    let mut scene = Scene::known(1);

    scene.send();
    assert!(scene.topics.failed(&scene.topic));

    scene.send();
    scene.send();
    assert!(!scene.topics.failed(&scene.topic));
    assert!(!scene.topics.failed(&scene.topic), "its batch-mate was reported before it");
}

#[test]
fn refused_batch_goes_again_in_smaller_groups_until_the_record_is_found() {
    let mut scene = Scene::known(1);
    scene.send();
    scene.send();
    assert!(!scene.topics.failed(&scene.topic));
    scene.topics.suspect(&scene.topic);
    scene.topics.reset();
    assert!(scene.admit().ask);
    scene.learn(Answer::Partitions(1));

    scene.send();
    assert_eq!(scene.partitions(), Err(SendError::Full));
    scene.topics.arrived(&scene.topic);
    scene.send();
    assert!(scene.topics.failed(&scene.topic));
    scene.topics.found(&scene.topic);

    scene.send();
    assert_eq!(scene.partitions(), Ok(1), "in batches again");
}

#[test]
fn reset_asks_anew_and_warns_of_no_change() {
    let mut scene = Scene::known(3);
    scene.send();

    scene.topics.reset();
    assert_eq!(scene.admit(), Admission { partitions: Err(SendError::Full), ask: true });
    scene.learn(Answer::Partitions(3));

    assert_eq!(scene.partitions(), Ok(3));
}
