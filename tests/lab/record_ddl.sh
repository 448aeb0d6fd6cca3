#!/usr/bin/env bash
# record_ddl.sh PORT VERSION   records fixtures/VERSION/ddl from tests/lab/ddl.cql (4.1 and later). PORT and the three after it must be free.
# Needs python3 with venv.
set -euo pipefail
[ $# = 2 ] || { sed -n '2,3p' "$0" >&2; exit 64; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd); cd "$root"
port=$1 version=$2 node=target/lab/run/ddl-record-$2 out=fixtures/$2/ddl work=$(mktemp -d)
[ -x target/lab/venv/bin/python ] || { python3 -m venv target/lab/venv; target/lab/venv/bin/pip install -q cassandra-driver==3.30.1; }

rm -rf "$node"; mkdir -p "$out" "$work/set"
trap 'tests/lab/cassandra.sh kill "$version" "$node" || true; rm -rf "$work"' EXIT
tests/lab/cassandra.sh start "$version" "$node" NATIVE_PORT="$port" STORAGE_PORT=$((port + 1)) JMX_PORT=$((port + 3))
target/lab/venv/bin/python tests/lab/record_ddl.py run "$port" tests/lab/ddl.cql "$work/set"
tests/lab/cassandra.sh stop "$version" "$node"

cp "$node"/cdc_raw/CommitLog-* "$work/set"
tests/lab/oracle.sh "$version" --segments "$work/set" --schema "$work/set/schema.cql" --out "$work/set/oracle.jsonl"
for schema in "$work"/set/stage_*.cql; do
  number=${schema##*_}
  tests/lab/oracle.sh "$version" --segments "$work/set" --schema "$schema" --out "$work/set/oracle_stage_${number%.cql}.jsonl"
done
target/lab/venv/bin/python tests/lab/record_ddl.py merge "$work/set"
rm "$work"/set/stage_* "$work"/set/oracle_stage_*
find "$out" -name '*.zst' -o -name '*.idx' | xargs -r rm
python3 tests/lab/trim_set.py "$work/set" "$out"
ls -l "$out"
