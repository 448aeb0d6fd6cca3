//! The account of each ended segment, on its topic.

use crate::log::{catalog, entries, plain};
use crate::rig::{Rig, Setup};
use crate::support::segment;
use ringtail::sink::faults::{Fault, Faults};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

const ID: u64 = 4000;

fn rig(faults: Faults) -> Rig {
    let mut rig = Rig::new(Setup { accounts: true, faults, ..Setup::default() }, catalog());
    for id in ID..ID + 3 {
        rig.put(id, segment::reidentify(&plain(ID, &entries(10)), id));
    }
    rig
}

/// The accounts that arrived.
fn accounts(rig: &Rig) -> Vec<Value> {
    let records = rig.arrived.records();
    let ours = records.iter().filter(|record| *record.topic == *"shop.audit");
    ours.map(|record| serde_json::from_slice(record.value.as_deref().expect("a value")).expect("JSON")).collect()
}

fn ids(accounts: &[Value]) -> Vec<u64> {
    accounts.iter().map(|account| account["segment"].as_u64().expect("an id")).collect()
}

#[test]
fn each_ended_segment_has_its_account_on_the_topic() {
    let mut rig = rig(Faults::default());
    rig.start();
    rig.settle();

    let accounts = accounts(&rig);
    assert_eq!(ids(&accounts), [ID, ID + 1, ID + 2]);
    for account in &accounts {
        assert_eq!((&account["v"], &account["node"], &account["state"]), (&1.into(), &"n1".into(), &"finished (deleted)".into()));
        let record = &account["record"];
        assert_eq!(record["entries"]["seen"], 10, "{record:#}");
        assert!(record["entries"]["published"].as_u64() > Some(0) && record["bytes"]["file"]["length"].as_u64() > Some(0));
        for name in ["header_crc", "first_entry_crc", "content_crc", "first", "end"] {
            assert!(record[name].is_u64(), "{name}: {record:#}");
        }
    }
    let delivered = rig.pipeline().delivered();
    assert_eq!(delivered as usize, rig.arrived.records().len() - 3, "an account is no event");
    rig.restart();
    rig.settle();
    assert_eq!(self::accounts(&rig).len(), 3, "nothing is due any more");
}

#[test]
fn an_account_comes_at_least_once_whatever_happens_to_the_process() {
    for turns in 1..40 {
        let mut rig = rig(Faults::default());
        rig.start();
        (0..turns).for_each(|_| rig.turn(Duration::from_millis(30)).expect("a turn"));
        rig.crash();
        rig.store.crash();
        rig.start();
        rig.settle();

        let mut found = ids(&accounts(&rig));
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, [ID, ID + 1, ID + 2], "killed after {turns} turns");
    }
}

#[test]
fn an_account_that_fails_to_arrive_is_sent_again() {
    let mut whole = rig(Faults::default());
    whole.start();
    whole.settle();
    let sent = whole.arrived.records().len() as u64;

    let mut rig = rig(Faults { script: BTreeMap::from([(sent - 1, Fault::Lost)]), ..Faults::default() });
    rig.start();
    rig.settle();
    rig.settle();

    assert_eq!(ids(&accounts(&rig)).last(), Some(&(ID + 2)));
    assert_eq!(rig.resets(), 1);
}
