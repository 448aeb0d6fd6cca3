#!/usr/bin/env bash
# One real Kafka broker (KRaft, one node, plain text), from the artifacts on Maven Central.
#
#   kafka.sh start VERSION DIR PORT [key=value...]   start, or start again; returns when the broker answers
#   kafka.sh stop VERSION DIR                        SIGTERM, wait
#   kafka.sh kill VERSION DIR                        SIGKILL, wait
#
# The controller listens on PORT + 1. Everything lives under DIR: server.properties, data, log, pid. Lower-case keys are broker
# settings; HEAP=512m is the launcher's.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/process.sh"
[ $# -ge 3 ] || { sed -n '2,9p' "$0" >&2; exit 64; }
action=$1 version=$2 dir=$3; shift 3
case $action in
  stop) end TERM "$dir"; exit ;;
  kill) end KILL "$dir"; exit ;;
  start) ;;
  *) echo "kafka.sh: start, stop or kill, not $action" >&2; exit 64 ;;
esac
port=$1; shift

mkdir -p "$dir"; dir=$(cd "$dir" && pwd)
if [ -s "$dir/pid" ] && ours "$(cat "$dir/pid")" "$dir"; then echo "the broker of $dir runs already" >&2; exit 1; fi
heap=512m
cat > "$dir/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=$dir/data
num.partitions=4
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
EOF
for pair in "$@"; do
  case $pair in HEAP=*) heap=${pair#*=} ;; *) echo "$pair" >> "$dir/server.properties" ;; esac
done
cat > "$dir/log4j.properties" <<'EOF'
log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=[%d] %p %m (%c)%n
EOF

artifacts=("org.apache.kafka:kafka_2.13:$version")
# From 4.0 on the broker brings no binding of slf4j, and would log nothing.
case $version in 3.*) ;; *) artifacts+=("org.slf4j:slf4j-simple:1.7.36") ;; esac
cp=$("$here/classpath.sh" "kafka-$version" "${artifacts[@]}")
flags=("-Dlog4j.configuration=file:$dir/log4j.properties")
if [ ! -f "$dir/data/meta.properties" ]; then
  java -cp "$cp" "${flags[@]}" -Xmx256m kafka.tools.StorageTool format -t cmluZ3RhaWwtbGFiLTAwMQ -c "$dir/server.properties" \
    > "$dir/format.log" 2>&1 || { cat "$dir/format.log" >&2; exit 1; }
fi
cd "$dir"
launch "$dir" "$dir/log" java "-Xms$heap" "-Xmx$heap" -XX:+UseG1GC -XX:+ExitOnOutOfMemoryError -cp "$cp" "${flags[@]}" \
  kafka.Kafka "$dir/server.properties"
await_port "$dir" "$dir/log" "$port" 120
echo "kafka $version, process $(cat "$dir/pid"), 127.0.0.1:$port"
