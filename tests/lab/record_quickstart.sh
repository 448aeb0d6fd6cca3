#!/usr/bin/env bash
# record_quickstart.sh [PORT]   records fixtures/quickstart anew from fixtures/quickstart/statements.cql. PORT and the three after it
# must be free. Needs python3 with venv.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd); cd "$root"
version=4.1.6 port=${1:-19550} node=target/lab/run/quickstart out=fixtures/quickstart
[ -x target/lab/venv/bin/python ] || { python3 -m venv target/lab/venv; target/lab/venv/bin/pip install -q cassandra-driver==3.30.1; }

tests/lab/cassandra.sh stop "$version" "$node" 2> /dev/null || true
rm -rf "$node"
trap 'tests/lab/cassandra.sh kill "$version" "$node"' EXIT
tests/lab/cassandra.sh start "$version" "$node" NATIVE_PORT="$port" STORAGE_PORT=$((port + 1)) JMX_PORT=$((port + 3)) commitlog_segment_size=1MiB
target/lab/venv/bin/python tests/lab/cql.py "$port" run "$out/statements.cql"
target/lab/venv/bin/python tests/lab/cql.py "$port" describe shop > "$out/schema.cql"
tests/lab/cassandra.sh stop "$version" "$node"

rm -f "$out"/CommitLog-*
for index in "$node"/cdc_raw/*_cdc.idx; do
  # Segments without an idx hold no change: the node leaves such an empty one behind at every clean stop.
  grep -q COMPLETED "$index"
  cp "$index" "${index%_cdc.idx}.log" "$out/"
done
tests/lab/oracle.sh "$version" --segments "$out" --schema "$out/schema.cql" --out "$out/oracle.jsonl"
zstd -19 -q -f --rm "$out/oracle.jsonl"
ls -l "$out"
