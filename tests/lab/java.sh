#!/usr/bin/env bash
# A Java class with Kafka's own jars.
#
#   java.sh compile KAFKA_VERSION FOLDER SOURCE...    javac against kafka-clients alone, classes into FOLDER
#   java.sh clients KAFKA_VERSION FOLDER CLASS...     a class out of FOLDER with kafka-clients alone
#   java.sh tools KAFKA_VERSION CLASS...              a class of the broker's own tools, as kafka.tools.ConsoleConsumer
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 3 ] || { sed -n '2,7p' "$0" >&2; exit 64; }
action=$1 version=$2; shift 2
clients() { "$here/classpath.sh" "kafka-clients-$version" "org.apache.kafka:kafka-clients:$version"; }
case $action in
  compile) folder=$1; shift; mkdir -p "$folder"; exec javac -Xlint:all -Werror -cp "$(clients)" -d "$folder" "$@" ;;
  clients) folder=$1; shift; exec java -Xmx256m -cp "$folder:$(clients)" "$@" ;;
  tools) exec java -Xmx256m -cp "$("$here/classpath.sh" "kafka-$version" "org.apache.kafka:kafka_2.13:$version")" "$@" ;;
  *) echo "java.sh: compile, clients or tools, not $action" >&2; exit 64 ;;
esac
