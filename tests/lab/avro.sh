#!/usr/bin/env bash
# avro.sh BOOTSTRAP REGISTRY TOPIC...   prints what these topics hold, a JSON line a record, read by Java's Avro. Without arguments: only fetches.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cp=$("$here/classpath.sh" avro-1.11.4 org.apache.avro:avro:1.11.4 org.apache.kafka:kafka-clients:3.6.1 org.slf4j:slf4j-nop:1.7.36)
[ $# -gt 0 ] || exit 0
exec java -Xmx256m -cp "$cp" "$here/avro/ReadAvro.java" "$@"
