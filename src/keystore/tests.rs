use super::*;
use std::path::Path;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn keystore(name: &str, store_password: &str, key_password: &str) -> Keystore {
    Keystore { path: file(name), kind: None, store_password: store_password.into(), key_password: Some(key_password.into()) }
}

#[test]
fn every_aes_key_is_what_java_reads() {
    let text = fs::read_to_string(file("keystores/keys.txt")).unwrap();
    let mut checked = 0;
    for line in text.lines() {
        let [store, alias, hex] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let key: Vec<u8> = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();

        let keys = keystore(&format!("keystores/{store}"), "store pass", "key pass").load().unwrap();

        assert_eq!(keys.get(alias), Some(key.as_slice()), "{line}");
        assert_eq!(keys.aliases().count(), 3, "other kinds of keys are left out");
        checked += 1;
    }
    assert_eq!(checked, 6);
}

#[test]
fn the_keystores_of_recorded_nodes_open() {
    for set in ["4.1.6/encrypted", "5.0.9/encrypted"] {
        let keys = keystore(&format!("{set}/keystore.jceks"), "cassandra", "cassandra").load().unwrap();

        assert_eq!(keys.get("testing:1").unwrap().len(), 16, "{set}");
    }
}

#[test]
fn wrong_passwords_are_told_apart() {
    let of = |name, store, key| keystore(name, store, key).load().unwrap_err();

    assert!(matches!(of("keystores/keys.jceks", "nonsense", "key pass"), KeystoreError::StorePassword));
    assert!(matches!(of("keystores/keys.jceks", "store pass", "nonsense"), KeystoreError::KeyPassword { found: 4 }));
    assert!(matches!(of("keystores/keys.p12", "nonsense", "key pass"), KeystoreError::StorePassword));
}

#[test]
fn what_holds_no_aes_key_is_named() {
    let of = |name, kind| Keystore { kind, ..keystore(name, "store pass", "key pass") }.load().unwrap_err();

    assert!(matches!(of("keystores/other.jceks", None), KeystoreError::NoKey));
    assert!(of("keystores/keys.jks", Some(KeystoreType::Jks)).to_string().contains("JKS cannot hold secret keys"));
    assert_eq!(of("keystores/keys.p12", Some(KeystoreType::Jceks)).to_string(), "keystore is PKCS12: expected JCEKS");
    assert_eq!(of("keystores/keys.txt", None).to_string(), "keystore is no keystore: expected JCEKS or PKCS12");
    assert!(matches!(of("keystores/absent", None), KeystoreError::Io { .. }));
}

#[test]
fn java_opens_pkcs12_under_the_name_jks_and_so_do_we() {
    let keystore = Keystore { kind: Some(KeystoreType::Jks), ..keystore("keystores/keys.p12", "store pass", "") };

    assert!(keystore.load().is_ok());
}

#[test]
fn i6_every_cut_and_every_changed_byte_of_a_store_is_harmless() {
    let keystore = keystore("keystores/other.jceks", "store pass", "key pass");
    let bytes = fs::read(&keystore.path).unwrap();
    for cut in 0..bytes.len() {
        assert!(keystore.open(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    for at in 0..bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut twin = bytes.clone();
            twin[at] ^= change;
            assert!(!matches!(keystore.open(&twin), Ok(_) | Err(KeystoreError::NoKey)), "byte {at}");
        }
    }
}

#[test]
fn i9_passwords_are_never_printed() {
    let keystore = keystore("keystores/keys.jceks", "store pass", "key pass");

    assert!(!format!("{keystore:?}").contains("pass"));
}
