//! What `dump` leaves out when asked to, and what it says of filters that are none.

use super::dump::{quickstart, schema};
use super::place::{Ended, OUTBOX_MUTATIONS, SEGMENT, lines};
use super::support::process::output;
use serde_json::Value;

const ID: &str = "1795374647657";
const ADA: &str = "7d3f2a10-58c4-4b1e-9a6f-0c1d2e3f4a5b";
/// The entry of the quick start that ends at 56601, and its write time.
const AT: &str = "2026-11-22T19:10:52.727579Z";
const AT_MICROS: &str = "1795374652727579";

fn dump(more: &[&str]) -> Ended {
    let (schema, quickstart) = (schema(), quickstart());
    let fixed = ["dump", "--schema", &schema, &quickstart];
    let ended = Ended::of(&output(fixed.into_iter().chain(more.iter().copied())));
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{more:?}");
    ended
}

/// The positions of the lines that are shown.
fn positions(more: &[&str]) -> Vec<u32> {
    let ended = dump(more);
    let lines = ended.out.lines().filter(|line| line.starts_with("  "));
    let shown: Vec<u32> =
        lines.map(|line| line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a position")).collect();
    assert!(shown.is_sorted());
    shown
}

fn updates(more: &[&str]) -> Vec<Value> {
    let arguments: Vec<&str> = more.iter().copied().chain(["--json"]).collect();
    lines(&dump(&arguments).out).into_iter().filter(|line| line["kind"] == "update").collect()
}

fn names(updates: &[Value]) -> Vec<&str> {
    let mut names: Vec<&str> = updates.iter().map(|line| line["table"].as_str().expect("a table")).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn by_table_with_stars_and_more_than_once() {
    assert_eq!(positions(&["--filter", "shop.outbox"]).len(), OUTBOX_MUTATIONS);
    assert_eq!(names(&updates(&["--filter", "shop.*"])), ["orders_by_customer_and_date", "outbox"]);
    assert_eq!(names(&updates(&["--filter", "shop.outbox", "--filter", "system_schema.t*"])), ["outbox", "tables", "triggers", "types"]);
    assert_eq!(names(&updates(&["--filter", "nothing.*"])), <[&str; 0]>::default());
}

#[test]
fn of_a_mutation_over_two_tables_only_the_updates_that_are_asked_for_are_shown() {
    let whole: Vec<Value> = updates(&["--from", &format!("{ID}:55833"), "--to", &format!("{ID}:55833")]);
    let part = updates(&["--filter", "shop.outbox", "--from", &format!("{ID}:55833"), "--to", &format!("{ID}:55833")]);

    assert_eq!((whole.len(), part.len()), (2, 1));
    assert!(whole.contains(&part[0]), "a line does not change by what stands beside it");
    let line = dump(&["--filter", "shop.outbox", "--from", &format!("{ID}:55833"), "--to", &format!("{ID}:55833")]).out;
    assert!(!line.contains("orders_by_customer"), "{line}");
    assert!(line.ends_with("1 segment: 1 mutations, 1 updates, 1 rows, 4 cells; 0 mutations of unknown tables, 0 errors\n"), "{line}");
}

#[test]
fn by_partition_key_as_it_is_shown() {
    let bare = positions(&["--key", &format!("{ADA}:2025-06-02")]);

    assert!(bare.len() > 10);
    assert_eq!(positions(&["--key", &format!("\"{ADA}\":\"2025-06-02\"")]), bare, "text with its quotes");
    assert_eq!(positions(&["--key", ADA]), Vec::<u32>::new(), "half a key is none");
    assert_eq!(positions(&["--key", "local"])[..2], [373, 448]);
    assert_eq!(positions(&["--key", "local", "--filter", "shop.*"]), Vec::<u32>::new());
    let two = positions(&["--key", "local", "--key", &format!("{ADA}:2025-06-02")]);
    assert_eq!(two.len(), positions(&["--key", "local"]).len() + bare.len());
}

#[test]
fn by_position_both_ends_included() {
    assert_eq!(positions(&["--from", &format!("{ID}:56430"), "--to", &format!("{ID}:56705")]), [56430, 56601, 56705]);
    assert_eq!(positions(&["--from", &format!("{ID}:56431"), "--to", &format!("{SEGMENT}:56704")]), [56601]);
    let all = positions(&[]);
    assert_eq!(positions(&["--from", ID, "--to", ID]), all);
    assert_eq!(positions(&["--from", SEGMENT]), all);
    assert_eq!(positions(&["--from", "1795374647658"]), Vec::<u32>::new());
    assert!(!dump(&["--to", "1795374647656"]).out.contains(SEGMENT), "a segment that is not asked for is not opened");
}

#[test]
fn by_the_newest_write_time_in_any_spelling() {
    for at in [AT, AT_MICROS, "1795374652727579us", "2026-11-22T20:10:52.727579+01:00", "2026-11-22 19:10:52.727579"] {
        assert_eq!(positions(&["--since", at, "--until", at]), [56601], "{at}");
    }
    let (since, until) = (positions(&["--since", AT]), positions(&["--until", AT]));
    assert_eq!(since.len() + until.len(), positions(&[]).len() + 1, "the ends are included");
    assert_eq!(positions(&["--since", "1795374652727", "--until", "1795374652728ms"]), [56601]);
    let shop = ["--filter", "shop.*"];
    assert_eq!(positions(&["--since", "2026-11-22", "--until", "2026-11-23T00:00", "--filter", "shop.*"]), positions(&shop));
    // What a node writes of its own tables it dates back to 1970.
    assert_eq!(positions(&["--until", "1795374600"]), [36824, 41935, 45821]);
}

#[test]
fn filters_apply_to_json_and_leave_each_line_as_it_is() {
    let all = dump(&["--json"]).out;
    let some = dump(&["--json", "--filter", "shop.outbox", "--since", AT]).out;

    let kept: Vec<&str> = some.lines().filter(|line| line.starts_with("{\"cdc\"") || line.contains("\"kind\":\"update\"")).collect();
    assert!(kept.len() > 5 && kept.len() < OUTBOX_MUTATIONS);
    assert!(kept.iter().all(|line| all.lines().any(|whole| whole == *line)));
    let lines = lines(&some);
    let summary = &lines[lines.len() - 1];
    assert_eq!((summary["updates"].as_u64(), summary["mutations"].as_u64()), (Some(kept.len() as u64), Some(kept.len() as u64)));
}

#[test]
fn mutations_of_unknown_tables_are_only_counted_where_others_are_asked_for() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let nothing = dir.path().join("nothing.cql");
    std::fs::write(&nothing, "USE shop;").expect("a writable folder");
    let schema = nothing.display().to_string();

    let ended = Ended::of(&output(["dump", "--schema", &schema, "--filter", "system.local", &quickstart()]));

    assert_eq!(ended.code, Some(65), "what could not be read might have been asked for");
    assert_eq!(ended.err.matches("unknown table id").count(), 2, "{}", ended.err);
    assert!(!ended.out.contains("unknown table id"), "{}", ended.out);
    assert!(ended.out.contains("33 mutations of unknown tables"), "{}", ended.out);
}

#[test]
fn a_filter_that_is_none_is_refused_with_what_would_be_one() {
    let expected_bound = "expected a segment's id or file name, alone or with a position, as 1795374647657 or 1795374647657:55833";
    let expected_time =
        "expected ISO 8601, as 2026-11-22 or 2026-11-22T19:10:52.5Z, or a number since 1970, as 1795374652s, 1795374652500ms or us";
    for (flag, value, message) in [
        (
            "--filter",
            "orders",
            "error: invalid value 'orders' for '--filter <KS.TABLE>': expected keyspace.table, as ks.orders or ks.*".into(),
        ),
        ("--from", "x", format!("error: invalid value 'x' for '--from <SEGMENT[:POS]>': {expected_bound}")),
        ("--to", "5:", format!("error: invalid value '5:' for '--to <SEGMENT[:POS]>': {expected_bound}")),
        ("--since", "yesterday", format!("error: invalid value 'yesterday' for '--since <TIME>': {expected_time}")),
        ("--until", "5m", format!("error: invalid value '5m' for '--until <TIME>': {expected_time}")),
        ("--color", "sometimes", "error: invalid value 'sometimes' for '--color <WHEN>'\n  [possible values: auto, always, never]".into()),
    ] {
        let ended = Ended::of(&output(["dump", &quickstart(), flag, value]));

        assert_eq!((ended.code, ended.out.as_str()), (Some(64), ""), "{flag}");
        assert_eq!(ended.err, format!("{message}\n\nFor more information, try '--help'.\n"), "{flag}");
    }
    for (first, second) in [("--raw", "--json"), ("--stats", "--raw")] {
        let ended = Ended::of(&output(["dump", &quickstart(), first, second]));

        assert_eq!((ended.code, ended.out.as_str()), (Some(64), ""));
        ended.says(&format!("error: the argument '{first}' cannot be used with '{second}'\n"));
    }
}
