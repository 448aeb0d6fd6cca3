#!/usr/bin/env bash
# classpath.sh NAME GROUP:ARTIFACT:VERSION...
# Prints the class path of these artifacts with everything they need at run time. Maven fetches them once; the answer is kept
# as target/lab/classpath/NAME and asked for again when a jar it names is gone.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
name=$1; shift
cache="$root/target/lab/classpath"
mkdir -p "$cache"
exec 9> "$cache/.lock"; flock 9

complete() { [ -s "$1" ] && tr ':' '\n' < "$1" | while read -r jar; do [ -e "$jar" ] || return 1; done; }

if ! complete "$cache/$name"; then
  work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>lab</groupId><artifactId>lab</artifactId><version>1</version><packaging>pom</packaging><dependencies>'
    for artifact in "$@"; do
      IFS=: read -r group id version <<< "$artifact"
      echo "<dependency><groupId>$group</groupId><artifactId>$id</artifactId><version>$version</version></dependency>"
    done
    echo '</dependencies></project>'
  } > "$work/pom.xml"
  # One more try: a registry that drops a connection in the middle of a hundred jars is nothing unusual.
  mvn -q -B -Dstyle.color=never -f "$work/pom.xml" dependency:build-classpath -Dmdep.outputFile="$work/out" -Dmdep.includeScope=runtime >&2 ||
    mvn -q -B -Dstyle.color=never -f "$work/pom.xml" dependency:build-classpath -Dmdep.outputFile="$work/out" -Dmdep.includeScope=runtime >&2
  mv "$work/out" "$cache/$name"
fi
cat "$cache/$name"
