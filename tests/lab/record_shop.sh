#!/usr/bin/env bash
# record_shop.sh PORT VERSION SET [key=value...]
#
# Records fixtures/VERSION/SET: the statements of the quick start, on a node with these settings. PORT and the three after it must be
# free. With the key `encrypted` instead of a setting the node gets a keystore and writes encrypted segments. Of 3.11, which has
# neither DESCRIBE nor an oracle here, the schema is the statements' own, and the lines of the oracle are to be added.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,7p' "$0" >&2; exit 64; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd); cd "$root"
port=$1 version=$2 name=$3; shift 3
node=target/lab/run/shop-$version-$name out=fixtures/$version/$name work=$(mktemp -d)
[ -x target/lab/venv/bin/python ] || { python3 -m venv target/lab/venv; target/lab/venv/bin/pip install -q cassandra-driver==3.30.1; }
cql=(target/lab/venv/bin/python tests/lab/cql.py "$port")
rm -rf "$node" "$out"; mkdir -p "$out"

settings=() tde=
for setting in "$@"; do
  if [ "$setting" = encrypted ]; then
    keytool -genseckey -noprompt -alias testing:1 -keyalg AES -keysize 128 -storetype jceks -keystore "$out/keystore.jceks" -storepass cassandra 2> /dev/null
    tde="{enabled: true, chunk_length_kb: 4, cipher: AES/CBC/PKCS5Padding, key_alias: 'testing:1', iv_length: 16, key_provider: [{class_name: org.apache.cassandra.security.JKSKeyProvider, parameters: [{keystore: 'KEYSTORE', keystore_password: cassandra, store_type: JCEKS, key_password: cassandra}]}]}"
    echo "transparent_data_encryption_options: ${tde/KEYSTORE/keystore.jceks}" > "$out/tde.yaml"
    echo "transparent_data_encryption_options: ${tde/KEYSTORE/$root/$out/keystore.jceks}" > "$work/tde.yaml"
    settings+=("transparent_data_encryption_options=${tde/KEYSTORE/$root/$out/keystore.jceks}")
  else
    settings+=("$setting")
  fi
done
[ -e "$work/tde.yaml" ] || : > "$work/tde.yaml"

trap 'tests/lab/cassandra.sh kill "$version" "$node" || true; rm -rf "$work"' EXIT
# Assertions in the commit log of 5.0 do not hold for encrypted segments.
tests/lab/cassandra.sh start "$version" "$node" NATIVE_PORT="$port" STORAGE_PORT=$((port + 1)) JMX_PORT=$((port + 3)) \
  "JVM_EXTRA=-da:org.apache.cassandra.db.commitlog..." "${settings[@]}"
"${cql[@]}" run fixtures/quickstart/statements.cql
case $version in
  3.11.*)
    "${cql[@]}" ids shop > "$work/schema.cql"
    # A segment comes into cdc_raw only when it is discarded: after a drop has ended it, and a flush.
    cat > "$work/rotate.cql" <<'EOF'
CREATE KEYSPACE rotate WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1};
CREATE TABLE rotate.t (k int PRIMARY KEY);
INSERT INTO rotate.t (k) VALUES (1);
DROP TABLE rotate.t;
EOF
    "${cql[@]}" run "$work/rotate.cql"
    tests/lab/cassandra.sh nodetool "$version" "$node" flush || true
    sleep 1 ;;
  *) "${cql[@]}" describe shop > "$work/schema.cql" ;;
esac
tests/lab/cassandra.sh stop "$version" "$node"
mkdir "$work/set"; cp "$node"/cdc_raw/CommitLog-* "$work/set"
case $version in
  3.11.*) ;;
  *) tests/lab/oracle.sh "$version" --segments "$work/set" --schema "$work/schema.cql" --yaml "$work/tde.yaml" --out "$work/set/oracle.jsonl" ;;
esac
cp "$work/schema.cql" "$work/set"
[ ! -e "$out/tde.yaml" ] || cp "$out/tde.yaml" "$out/keystore.jceks" "$work/set"
python3 tests/lab/trim_set.py "$work/set" "$out"
ls -l "$out"
