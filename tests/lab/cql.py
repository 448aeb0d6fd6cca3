#!/usr/bin/env python3
"""cql.py PORT run FILE | cql.py PORT describe KEYSPACE | cql.py PORT ids KEYSPACE

run: executes the statements of FILE in order; a statement ends with a semicolon at the end of a line, except inside a batch.
describe: prints the keyspace with table ids, the form that a schema file has.
ids: for 3.11, which has no DESCRIBE: the ids as comments, and the statements of the driver.
"""
import re
import sys

from cassandra.cluster import Cluster


def statements(text):
    text = re.sub(r"^--.*$", "", text, flags=re.M)
    pattern = r"\s*(BEGIN\b.*?APPLY BATCH|.*?);[ \t]*(?:\n|\Z)"
    return [found.group(1) for found in re.finditer(pattern, text, flags=re.S) if found.group(1).strip()]


def main():
    port, action, argument = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    cluster = Cluster(["127.0.0.1"], port=port, protocol_version=4, schema_metadata_enabled=False, token_metadata_enabled=False)
    session = cluster.connect()
    session.default_timeout = 60
    if action == "run":
        with open(argument, encoding="utf-8") as file:
            todo = statements(file.read())
        for statement in todo:
            session.execute(statement)
        print(len(todo), "statements", file=sys.stderr)
    elif action == "describe":
        created = [row[3] for row in session.execute(f"DESCRIBE KEYSPACE {argument} WITH INTERNALS")]
        print("\n\n".join(text.rstrip().rstrip(";") + ";" for text in created))
    elif action == "ids":
        for table, id in session.execute("SELECT table_name, id FROM system_schema.tables WHERE keyspace_name = %s", (argument,)):
            print(f"-- ID {argument}.{table} = {id}")
        cluster.control_connection._schema_meta_enabled = True
        cluster.refresh_schema_metadata()
        print(cluster.metadata.keyspaces[argument].export_as_string())
    else:
        sys.exit(__doc__)
    cluster.shutdown()


if __name__ == "__main__":
    main()
