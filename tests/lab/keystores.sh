#!/usr/bin/env bash
# keystores.sh DIR
#
# Makes keystores of every kind with keytool, and keys.txt: what Java itself reads out of them, one "file alias hex" a line.
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,4p' "$0" >&2; exit 64; }
mkdir -p "$1"; cd "$1"
rm -f keys.jceks keys.p12 keys.jks other.jceks
secret() { keytool -genseckey -noprompt -storepass 'store pass' "$@"; }
pair() { keytool -genkeypair -noprompt -storepass 'store pass' -alias pair -keyalg RSA -keysize 2048 -dname CN=ringtail "$@"; }

for alias in Testing:1=128 testing:2=192 testing:3=256; do
  secret -alias "${alias%=*}" -keyalg AES -keysize "${alias#*=}" -storetype jceks -keystore keys.jceks -keypass 'key pass'
  secret -alias "${alias%=*}" -keyalg AES -keysize "${alias#*=}" -storetype pkcs12 -keystore keys.p12
done
secret -alias des -keyalg DES -keysize 56 -storetype jceks -keystore keys.jceks -keypass 'key pass'
pair -storetype jceks -keystore keys.jceks -keypass 'key pass'
pair -storetype pkcs12 -keystore keys.p12
pair -storetype jks -keystore keys.jks -keypass 'key pass'
keytool -exportcert -noprompt -storepass 'store pass' -alias pair -keystore keys.p12 -file pair.cer
keytool -importcert -noprompt -storepass 'store pass' -alias trusted -keystore keys.jceks -storetype jceks -file pair.cer
secret -alias hmac -keyalg HmacSHA256 -keysize 256 -storetype jceks -keystore other.jceks -keypass 'key pass'
rm pair.cer

work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cat > "$work/Print.java" <<'J'
import java.io.FileInputStream;
import java.security.KeyStore;
import java.util.Collections;
import java.util.HexFormat;

class Print {
    public static void main(String[] args) throws Exception {
        for (String[] store : new String[][] {{"keys.jceks", "JCEKS", "key pass"}, {"keys.p12", "PKCS12", "store pass"}}) {
            KeyStore keys = KeyStore.getInstance(store[1]);
            keys.load(new FileInputStream(store[0]), "store pass".toCharArray());
            for (String alias : Collections.list(keys.aliases()))
                if (keys.isKeyEntry(alias) && keys.getKey(alias, store[2].toCharArray()).getAlgorithm().equals("AES"))
                    System.out.println(store[0] + " " + alias + " " + HexFormat.of().formatHex(keys.getKey(alias, store[2].toCharArray()).getEncoded()));
        }
    }
}
J
java "$work/Print.java" | sort > keys.txt
