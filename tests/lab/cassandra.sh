#!/usr/bin/env bash
# One real Cassandra node with CDC on, from the artifacts that the project publishes to Maven Central.
#
#   cassandra.sh start VERSION DIR [key=value...]   start, or start again; returns when CQL answers
#   cassandra.sh stop VERSION DIR                   SIGTERM (the node drains), wait
#   cassandra.sh kill VERSION DIR                   SIGKILL, wait
#   cassandra.sh nodetool VERSION DIR COMMAND...
#
# Everything of the node lives under DIR: cassandra.yaml, data, commitlog, cdc_raw, logs/system.log, pid.
# Lower-case keys are cassandra.yaml's, their values YAML in flow style ('commitlog_compression=[{class_name: LZ4Compressor}]');
# an empty value removes a default. Upper-case keys: NATIVE_PORT STORAGE_PORT JMX_PORT HEAP WAIT (seconds) JVM_EXTRA.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/process.sh"
[ $# -ge 3 ] || { sed -n '2,12p' "$0" >&2; exit 64; }
action=$1 version=$2 dir=$3; shift 3

classpath() {
  local more=()
  # cassandra-all does not name the Thrift classes that a 3.11 daemon loads at its start.
  case $version in 3.11.*) more=("org.apache.cassandra:cassandra-thrift:$version") ;; esac
  "$here/classpath.sh" "cassandra-$version" "org.apache.cassandra:cassandra-all:$version" "${more[@]}"
}

case $action in
  stop) end TERM "$dir"; exit ;;
  kill) end KILL "$dir"; exit ;;
  nodetool)
    dir=$(cd "$dir" && pwd)
    exec java -Xmx128m "@$here/jvm.options" -Dcassandra.storagedir="$dir" -Dcassandra.config="file://$dir/conf/cassandra.yaml" \
      -Dlogback.configurationFile="file://$dir/conf/logback-tools.xml" -cp "$(classpath)" \
      org.apache.cassandra.tools.NodeTool -h 127.0.0.1 -p "$(cat "$dir/jmx_port")" "$@" ;;
  start) ;;
  *) echo "cassandra.sh: start, stop, kill or nodetool, not $action" >&2; exit 64 ;;
esac

mkdir -p "$dir"; dir=$(cd "$dir" && pwd)
mkdir -p "$dir"/{conf,logs,data,commitlog,cdc_raw,hints,saved_caches,triggers,tmp}
if [ -s "$dir/pid" ] && ours "$(cat "$dir/pid")" "$dir"; then echo "the node of $dir runs already" >&2; exit 1; fi

declare -A launcher=([NATIVE_PORT]=19542 [STORAGE_PORT]=19543 [JMX_PORT]=19545 [HEAP]=700m [WAIT]=180 [JVM_EXTRA]='')
declare -A yaml=()
for pair in "$@"; do
  case $pair in [A-Z]*) launcher[${pair%%=*}]=${pair#*=} ;; esac
done

yaml=(
  [cluster_name]="'lab'" [num_tokens]=1 [auto_bootstrap]=false
  [partitioner]=org.apache.cassandra.dht.Murmur3Partitioner [endpoint_snitch]=SimpleSnitch
  [seed_provider]="[{class_name: org.apache.cassandra.locator.SimpleSeedProvider, parameters: [{seeds: '127.0.0.1'}]}]"
  [listen_address]=127.0.0.1 [rpc_address]=127.0.0.1
  [native_transport_port]=${launcher[NATIVE_PORT]} [storage_port]=${launcher[STORAGE_PORT]}
  [ssl_storage_port]=$((launcher[STORAGE_PORT] + 1))
  [data_file_directories]="['$dir/data']" [commitlog_directory]="'$dir/commitlog'" [cdc_raw_directory]="'$dir/cdc_raw'"
  [hints_directory]="'$dir/hints'" [saved_caches_directory]="'$dir/saved_caches'"
  [cdc_enabled]=true [commitlog_sync]=periodic [commit_failure_policy]=stop [disk_failure_policy]=stop
  [concurrent_reads]=8 [concurrent_writes]=8 [concurrent_counter_writes]=8
)
case $version in
  3.11.* | 4.0.*)
    yaml+=([commitlog_sync_period_in_ms]=10000 [commitlog_segment_size_in_mb]=1 [commitlog_total_space_in_mb]=1024
      [cdc_total_space_in_mb]=8192 [write_request_timeout_in_ms]=30000 [read_request_timeout_in_ms]=30000
      [truncate_request_timeout_in_ms]=60000 [request_timeout_in_ms]=30000 [enable_materialized_views]=true) ;;
  *)
    yaml+=([commitlog_sync_period]=10000ms [commitlog_segment_size]=1MiB [commitlog_total_space]=1024MiB
      [cdc_total_space]=8192MiB [write_request_timeout]=30s [read_request_timeout]=30s
      [truncate_request_timeout]=60s [request_timeout]=30s [materialized_views_enabled]=true) ;;
esac
case $version in 3.11.*) yaml+=([start_rpc]=false [start_native_transport]=true) ;; esac
for pair in "$@"; do
  key=${pair%%=*} value=${pair#*=}
  case $pair in [A-Z]*) continue ;; esac
  if [ -z "$value" ]; then unset "yaml[$key]"; else yaml[$key]=$value; fi
done
for key in "${!yaml[@]}"; do printf '%s: %s\n' "$key" "${yaml[$key]}"; done | sort > "$dir/conf/cassandra.yaml"
echo "${launcher[JMX_PORT]}" > "$dir/jmx_port"
printf 'dc=datacenter1\nrack=rack1\n' > "$dir/conf/cassandra-rackdc.properties"
cat > "$dir/conf/logback.xml" <<EOF
<configuration><appender name="FILE" class="ch.qos.logback.core.FileAppender"><file>$dir/logs/system.log</file>
<encoder><pattern>%-5level [%thread] %date{ISO8601} %F:%L - %msg%n</pattern></encoder></appender>
<root level="INFO"><appender-ref ref="FILE"/></root></configuration>
EOF
echo '<configuration><root level="OFF"/></configuration>' > "$dir/conf/logback-tools.xml"

cp=$(classpath)
agent=$(tr ':' '\n' <<< "$cp" | grep -E '/jamm-[0-9.]+\.jar$' | head -1)
# shellcheck disable=SC2086  # JVM_EXTRA is several words on purpose.
launch "$dir" "$dir/logs/stdout.log" java "-Xms${launcher[HEAP]}" "-Xmx${launcher[HEAP]}" "@$here/jvm.options" "-javaagent:$agent" \
  -XX:+ExitOnOutOfMemoryError -Djava.io.tmpdir="$dir/tmp" -Dcassandra.config="file://$dir/conf/cassandra.yaml" \
  -Dlogback.configurationFile="file://$dir/conf/logback.xml" -Dcassandra.storagedir="$dir" -Dcassandra.logdir="$dir/logs" \
  -Dcassandra.triggers_dir="$dir/triggers" -Dcassandra.jmx.local.port="${launcher[JMX_PORT]}" \
  -Dcassandra.skip_wait_for_gossip_to_settle=0 -Dcassandra.ring_delay_ms=100 -Dcassandra-foreground=yes \
  -Dcassandra.libjemalloc=- ${launcher[JVM_EXTRA]} -cp "$dir/conf:$cp" org.apache.cassandra.service.CassandraDaemon
await_port "$dir" "$dir/logs/stdout.log" "${launcher[NATIVE_PORT]}" "${launcher[WAIT]}"
echo "cassandra $version, process $(cat "$dir/pid"), CQL on 127.0.0.1:${launcher[NATIVE_PORT]}"
