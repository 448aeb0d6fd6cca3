#!/usr/bin/env bash
# The real Debezium connector for Cassandra 4 beside a node of cassandra.sh, from its jar on Maven Central.
#
#   debezium.sh start VERSION DIR NODE BOOTSTRAP [property=value...]   start; returns when it reads
#   debezium.sh stop VERSION DIR                                       SIGTERM, wait
#   debezium.sh kill VERSION DIR                                       SIGKILL, wait
#
# VERSION is Debezium's, as 3.5.0.Final; NODE is the folder that cassandra.sh was given. Everything lives under DIR: connector.properties,
# offsets, relocation, log, pid. HTTP=port and HEAP=512m are the launcher's. It reads the node's system_schema from its sstables, so what
# it is to know must be flushed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/process.sh"
[ $# -ge 3 ] || { sed -n '2,10p' "$0" >&2; exit 64; }
action=$1 version=$2 dir=$3; shift 3
case $action in
  stop) end TERM "$dir"; exit ;;
  kill) end KILL "$dir"; exit ;;
  start) ;;
  *) echo "debezium.sh: start, stop or kill, not $action" >&2; exit 64 ;;
esac
node=$(cd "$1" && pwd) bootstrap=$2; shift 2

# The jar holds all that it needs. Its parent POM is not on Maven Central, and Maven does not go on without it: an empty one does.
jar() {
  local cache="$here/../../target/lab/debezium" repository parent
  mkdir -p "$cache"; cache=$(cd "$cache" && pwd)
  exec 9> "$cache/.lock"; flock 9
  [ -s "$cache/$version" ] && [ -e "$(cat "$cache/$version")" ] && { cat "$cache/$version"; return; }
  repository="$cache/repository" parent=debezium-connector-reactor-cassandra
  mkdir -p "$repository/io/debezium/$parent/$version"
  cat > "$repository/io/debezium/$parent/$version/$parent-$version.pom" <<EOF
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>io.debezium</groupId><artifactId>$parent</artifactId><version>$version</version><packaging>pom</packaging></project>
EOF
  cat > "$cache/pom.xml" <<EOF
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>lab</groupId><artifactId>lab</artifactId><version>1</version><packaging>pom</packaging>
<repositories><repository><id>parent</id><url>file:$repository</url></repository></repositories>
<dependencies><dependency><groupId>io.debezium</groupId><artifactId>debezium-connector-cassandra-4</artifactId><version>$version</version>
<classifier>jar-with-dependencies</classifier>
<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency></dependencies></project>
EOF
  mvn -q -B -U -Dstyle.color=never -f "$cache/pom.xml" dependency:build-classpath -Dmdep.outputFile="$cache/$version" -Dmdep.includeScope=runtime >&2
  cat "$cache/$version"
}

mkdir -p "$dir/offsets" "$dir/relocation"; dir=$(cd "$dir" && pwd)
if [ -s "$dir/pid" ] && ours "$(cat "$dir/pid")" "$dir"; then echo "the connector of $dir runs already" >&2; exit 1; fi
cql=$(sed -n 's/^native_transport_port: //p' "$node/conf/cassandra.yaml")
heap=512m
cat > "$dir/driver.conf" <<EOF
datastax-java-driver { basic { contact-points = [ "127.0.0.1:$cql" ], load-balancing-policy.local-datacenter = datacenter1, request.timeout = 30 seconds } }
EOF
declare -A properties=(
  [connector.name]=lab [topic.prefix]=lab [cassandra.cluster.name]=lab [cassandra.node.id]=n1
  [cassandra.config]="$node/conf/cassandra.yaml" [cassandra.driver.config.file]="$dir/driver.conf"
  [kafka.producer.bootstrap.servers]="$bootstrap" [kafka.producer.acks]=all
  [offset.backing.store.dir]="$dir/offsets" [commit.log.relocation.dir]="$dir/relocation"
  [snapshot.mode]=NEVER [http.port]=20399
  [key.converter]=org.apache.kafka.connect.json.JsonConverter [value.converter]=org.apache.kafka.connect.json.JsonConverter
  [key.converter.schemas.enable]=false [value.converter.schemas.enable]=false
)
for pair in "$@"; do
  case $pair in
    HEAP=*) heap=${pair#*=} ;;
    HTTP=*) properties[http.port]=${pair#*=} ;;
    *) properties[${pair%%=*}]=${pair#*=} ;;
  esac
done
for name in "${!properties[@]}"; do printf '%s=%s\n' "$name" "${properties[$name]}"; done | sort > "$dir/connector.properties"
cat > "$dir/logback.xml" <<'EOF'
<configuration><appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
<encoder><pattern>%d{HH:mm:ss.SSS} %-5level [%thread] %logger{0} - %msg%n</pattern></encoder></appender>
<root level="INFO"><appender-ref ref="OUT"/></root><logger name="org.apache.kafka" level="WARN"/></configuration>
EOF
jar=$(jar)
cd "$dir"
launch "$dir" "$dir/log" java "-Xmx$heap" "@$here/jvm.options" -da -Dlogback.configurationFile="$dir/logback.xml" -Dlog4j.configuration=none \
  -Dcassandra.storagedir="$dir/storage" -cp "$jar" io.debezium.connector.cassandra.CassandraConnectorTask "$dir/connector.properties"
await_port "$dir" "$dir/log" "${properties[http.port]}" 120
echo "debezium $version, process $(cat "$dir/pid")"
