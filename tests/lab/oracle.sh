#!/usr/bin/env bash
# oracle.sh VERSION --segments DIR --schema FILE --out FILE [--yaml FILE]
#
# Decodes every segment in DIR with the CommitLogReader of that Cassandra release (4.0 and later) into JSON Lines. FILE of --schema
# is CQL as DESCRIBE ... WITH INTERNALS prints it; FILE of --yaml holds more lines of cassandra.yaml (encryption).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
[ $# -ge 7 ] || { sed -n '2,5p' "$0" >&2; exit 64; }
version=$1; shift
more=/dev/null
while [ $# -ge 2 ]; do
  case $1 in
    --segments) segments=$2 ;; --schema) schema=$2 ;; --out) out=$2 ;; --yaml) more=$2 ;;
    *) echo "oracle.sh: unknown option $1" >&2; exit 64 ;;
  esac
  shift 2
done
case $version in
  3.*) echo "oracle.sh: the reader of $version takes its schema from a node's files only" >&2; exit 64 ;;
  4.0.*) shim=shim-4.0 views='enable_materialized_views: true' ;;
  *) shim=shim-4.1 views='materialized_views_enabled: true' ;;
esac

cp=$("$here/classpath.sh" "cassandra-$version" "org.apache.cassandra:cassandra-all:$version")
classes="$root/target/lab/oracle-$version"
exec 9> "$root/target/lab/.oracle-lock"; flock 9
if [ ! -e "$classes/built" ] || [ -n "$(find "$here/oracle" -name '*.java' -newer "$classes/built" -print -quit)" ]; then
  mkdir -p "$classes"
  javac -nowarn -proc:none -Xlint:-options -d "$classes" -cp "$cp" "$here"/oracle/*.java "$here/oracle/$shim"/*.java
  touch "$classes/built"
fi
exec 9>&-

work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cat - "$more" > "$work/cassandra.yaml" <<EOF
cluster_name: 'oracle'
num_tokens: 1
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
seed_provider: [{class_name: org.apache.cassandra.locator.SimpleSeedProvider, parameters: [{seeds: '127.0.0.1'}]}]
commitlog_sync: periodic
commitlog_sync_period_in_ms: 10000
data_file_directories: ['$work/data']
commitlog_directory: '$work/commitlog'
cdc_raw_directory: '$work/cdc_raw'
hints_directory: '$work/hints'
saved_caches_directory: '$work/saved_caches'
$views
EOF
echo '<configuration><root level="OFF"/></configuration>' > "$work/logback.xml"
agent=$(tr ':' '\n' <<< "$cp" | grep -E '/jamm-[0-9.]+\.jar$' | head -1)
java -Xmx1g "@$here/jvm.options" -da "-javaagent:$agent" -Dcassandra.config="file://$work/cassandra.yaml" -Dcassandra.storagedir="$work" \
  -Dlogback.configurationFile="file://$work/logback.xml" -cp "$classes:$cp" lab.Oracle "$segments" "$schema" "$out"
