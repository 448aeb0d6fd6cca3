#!/usr/bin/env python3
"""record_ddl.py run PORT FILE OUT | record_ddl.py merge OUT

run: executes the stages of FILE and writes into OUT: schema_stages.json, a list with name, begun (µs), statements and the schema as CQL
once the DDL of the stage is done; schema.cql and schema_columns.json, the schema of the end; schema_start.cql and
schema_columns_start.json, that of the first stage.
merge: makes oracle_as_of_write.jsonl of oracle_stage_<n>.jsonl: of each entry the lines under the schema of the stage in which it was written.
"""
import json
import re
import sys
import time
from pathlib import Path

import trim_set
from cql import statements

TABLES = "aggregates columns dropped_columns functions indexes keyspaces tables triggers types views".split()


def columns(session):
    answer = {}
    for table in TABLES:
        rows = session.execute(f"SELECT JSON * FROM system_schema.{table}")
        answer[table] = [json.loads(row[0]) for row in rows]
    return answer


def described(session, keyspaces):
    known = {row[0] for row in session.execute("SELECT keyspace_name FROM system_schema.keyspaces")}
    texts = [row[3] for keyspace in keyspaces if keyspace in known for row in session.execute(f"DESCRIBE KEYSPACE {keyspace} WITH INTERNALS")]
    return "\n\n".join(text.rstrip().rstrip(";") + ";" for text in texts) + "\n"


def run(port, file, out):
    from cassandra.cluster import Cluster

    cluster = Cluster(["127.0.0.1"], port=port, protocol_version=4, schema_metadata_enabled=False, token_metadata_enabled=False)
    session = cluster.connect()
    session.default_timeout = 60
    stages, start = [], None
    for part in re.split(r"^-- stage ", file.read_text(), flags=re.M)[1:]:
        name, _, text = part.partition("\n")
        begun, schema = time.time_ns() // 1000, None
        todo = statements(text)
        for statement in todo:
            if schema is None and not re.match(r"(CREATE|ALTER|DROP)\b", statement):
                schema = described(session, ["evolve", "passing"])
                start = start or (schema, columns(session))
            session.execute(statement)
        stages.append(dict(name=name, begun=begun, statements=todo, schema=schema))
    (out / "schema_stages.json").write_text(json.dumps(stages, indent=1))
    for suffix, (schema, rows) in (("", (stages[-1]["schema"], columns(session))), ("_start", start)):
        (out / f"schema{suffix}.cql").write_text(schema)
        (out / f"schema_columns{suffix}.json").write_text(json.dumps(rows, sort_keys=True))
    for number, stage in enumerate(stages):
        (out / f"stage_{number}.cql").write_text(stage["schema"])
    cluster.shutdown()


def timestamps(value):
    """Every write timestamp in a line."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("timestamp", "marked_for_delete_at") and isinstance(inner, int):
                yield inner
            yield from timestamps(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from timestamps(inner)


def read(path):
    """The lines of a run by entry, in order."""
    entries = {}
    for text in path.read_text().splitlines():
        line = json.loads(text)
        if line["kind"] != "summary":
            entries.setdefault((line["segment"], line.get("mutation_index", -1)), []).append((text, line))
    return entries


def merge(out):
    stages = json.loads((out / "schema_stages.json").read_text())
    runs = [read(out / f"oracle_stage_{number}.jsonl") for number in range(len(stages))]
    ends = [stage["begun"] for stage in stages[1:]] + [1 << 62]
    chosen = []
    for key in runs[0]:
        for number, (stage, end) in enumerate(zip(stages, ends)):
            times = [time for _, line in runs[number][key] for time in timestamps(line)]
            # Its newest timestamp was given while this stage ran, so this is the schema that it was written under.
            if times and stage["begun"] <= max(times) < end:
                break
        else:
            number = 0
            if any([text for text, _ in run[key]] != [text for text, _ in runs[0][key]] for run in runs):
                sys.exit(f"record_ddl.py: the stage of {key} is not known")
        chosen += runs[number][key]
    lines = [line for _, line in chosen]
    texts = [text for text, _ in chosen] + [json.dumps(trim_set.count(lines), separators=(",", ":"))]
    (out / "oracle_as_of_write.jsonl").write_text("\n".join(texts) + "\n")
    print(texts[-1], file=sys.stderr)
    for line in lines:
        if line["kind"] in ("skipped", "error"):
            print(line, file=sys.stderr)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"] and len(sys.argv) == 5:
        run(int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
    elif sys.argv[1:2] == ["merge"] and len(sys.argv) == 3:
        merge(Path(sys.argv[2]))
    else:
        sys.exit(__doc__)
