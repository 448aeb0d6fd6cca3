//! Any bytes as choices of a schema and of what is written to it.

use crate::check;
use crate::described::Mutation;
use crate::generate::Workload;
use ringtail::mutation::decode;

/// What was described is read, and its events are valid JSON and the same when they are decoded again.
pub fn structured(data: &[u8]) {
    let workload = Workload::of(data).expect("any bytes are choices");
    let segment = workload.segment();

    let read = check::segment(&segment.bytes).expect("the header is whole");

    assert!(read.damages.is_empty() && read.unmarked.is_none());
    let ends: Vec<usize> = segment.sections.iter().flat_map(|section| &section.entries).map(|entry| entry.end).collect();
    assert_eq!(read.entries.iter().map(|(_, end)| end.0 as usize).collect::<Vec<_>>(), ends);
    let contents = workload.contents();
    assert_eq!(read.entries.len(), contents.len());
    for (body, described) in read.bodies().into_iter().zip(&contents) {
        let decoded = decode(body, &workload.catalog).expect("what the encoder writes can be decoded");
        assert_eq!(Mutation::of(&decoded), *described);
        let records = check::records(&decoded).expect("the described ranges pair");
        let again = decode(body, &workload.catalog).expect("it could be decoded before");
        assert_eq!(check::records(&again), Some(records));
    }
}
