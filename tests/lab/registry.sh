#!/usr/bin/env bash
# One schema registry with Confluent's API: Apicurio, its artifacts in memory, from Maven Central.
#
#   registry.sh start VERSION DIR PORT    returns when it answers at http://127.0.0.1:PORT/apis/ccompat/v7
#   registry.sh stop VERSION DIR          SIGTERM, wait
#   registry.sh kill VERSION DIR          SIGKILL, wait
#
# 2.6.13.Final runs on Java 17. Everything lives under DIR: log, pid. Unlike Confluent's it begins with compatibility NONE.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/process.sh"
[ $# -ge 3 ] || { sed -n '2,8p' "$0" >&2; exit 64; }
action=$1 version=$2 dir=$3; shift 3
case $action in
  stop) end TERM "$dir"; exit ;;
  kill) end KILL "$dir"; exit ;;
  start) ;;
  *) echo "registry.sh: start, stop or kill, not $action" >&2; exit 64 ;;
esac
port=$1

mkdir -p "$dir"; dir=$(cd "$dir" && pwd)
if [ -s "$dir/pid" ] && ours "$(cat "$dir/pid")" "$dir"; then echo "the registry of $dir runs already" >&2; exit 1; fi
app=$root/target/lab/apicurio-$version
mkdir -p "$root/target/lab"
exec 9> "$root/target/lab/.apicurio.lock"; flock 9
if [ ! -d "$app" ]; then
  fetched=$(mktemp -d -p "$root/target/lab"); trap 'rm -rf "$fetched"' EXIT
  mvn -q -B -Dstyle.color=never org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    "-Dartifact=io.apicurio:apicurio-registry-app:$version:tar.gz:all" "-DoutputDirectory=$fetched" >&2
  mkdir "$fetched/app"
  tar xzf "$fetched/apicurio-registry-app-$version-all.tar.gz" -C "$fetched/app"
  mv "$fetched/app" "$app"
fi
exec 9>&-
cd "$dir"
launch "$dir" "$dir/log" java -Xmx512m "-Dringtail.lab=$dir" "-Dquarkus.http.port=$port" -Dquarkus.http.host=127.0.0.1 \
  -jar "$app/apicurio-registry-app-$version-runner.jar"
await_port "$dir" "$dir/log" "$port" 120
echo "apicurio $version, process $(cat "$dir/pid"), http://127.0.0.1:$port/apis/ccompat/v7"
