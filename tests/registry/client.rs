//! What each answer of a registry comes to.

use crate::support::registry::{Mood, Server, read, settings, write};
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslStream};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use ringtail::config::{Login, Registry, RegistryAuth, Secret};
use ringtail::registry::{Client, Compatibility, Failure};
use std::net::TcpListener;
use std::time::{Duration, Instant};

const SCHEMA: &str = r#"{"type":"record","name":"Value","fields":[{"name":"geheim","type":"int"}]}"#;
const OTHER: &str = r#"{"type":"record","name":"Value","fields":[]}"#;

fn client(settings: &Registry) -> Client {
    Client::new(settings).unwrap()
}

#[test]
fn a_schema_is_registered_once_and_found_again() {
    let server = Server::start();
    let client = client(&settings(&[&server.url()]));

    assert_eq!(client.look_up("t-value", SCHEMA), Err(Failure::NotRegistered { subject: "t-value".into() }));
    assert_eq!(client.register("t-value", SCHEMA), Ok(1));
    assert_eq!(client.register("t-value", SCHEMA), Ok(1));
    assert_eq!(client.look_up("t-value", SCHEMA), Ok(1));
    assert_eq!(client.look_up("t-value", OTHER), Err(Failure::NotRegistered { subject: "t-value".into() }));
    assert_eq!(client.level().as_deref(), Ok("BACKWARD"));
    assert_eq!(server.state().subjects.keys().collect::<Vec<_>>(), ["t-value"]);
}

#[test]
fn comparing_changes_nothing() {
    let server = Server::start();
    let client = client(&settings(&[&server.url()]));

    assert_eq!(client.compare("t-value", SCHEMA), Ok(Compatibility::New));
    client.register("t-value", SCHEMA).unwrap();
    assert_eq!(client.compare("t-value", OTHER), Ok(Compatibility::Compatible));
    server.state().refuses = Some("READER_FIELD_MISSING_DEFAULT_VALUE".into());
    let failure = client.compare("t-value", OTHER).unwrap_err();

    assert!(failure.to_string().contains("subject t-value as incompatible: READER_FIELD_MISSING_DEFAULT_VALUE; nothing is skipped"));
    assert_eq!(server.state().schemas.len(), 1);
}

#[test]
fn every_answer_has_its_sentence() {
    let server = Server::start();
    let url = server.url();
    let client = client(&settings(&[&url]));
    let error = |code: u32, message: &str| format!(r#"{{"error_code":{code},"message":"{message}"}}"#);
    for (status, body, expected) in [
        (
            401,
            error(401, "Unauthorized"),
            format!("schema registry {url} does not let us in (401): Unauthorized (events.registry.username,"),
        ),
        (403, String::new(), format!("schema registry {url} does not let us in (403): no reason given (events.registry.username,")),
        (409, error(409, "not so"), "the schema registry refuses the schema of subject t-key as incompatible: not so; nothing is".into()),
        (422, error(42201, "no schema"), "the schema registry refuses the schema of subject t-key as invalid: no schema".into()),
        (500, error(50001, "store down"), format!("schema registry {url} answers 500: store down")),
        (503, "<html>".into(), format!("schema registry {url} answers 503: not in the form of a registry (is events.registry.url its")),
        (404, "<html>".into(), format!("schema registry {url} answers 404: not in the form of a registry")),
        (302, String::new(), format!("schema registry {url} answers 302: not in the form of a registry")),
        (200, "garbage".into(), format!("schema registry {url} answers 200: not in the form of a registry")),
        (200, r#"{"id":"seven"}"#.into(), format!("schema registry {url} answers 200: not in the form of a registry")),
        (200, r#"{"id":4294967296}"#.into(), format!("schema registry {url} answers 200: not in the form of a registry")),
    ] {
        server.state().mood = Mood::Says(status, body);

        let failure = client.register("t-key", SCHEMA).unwrap_err().to_string();

        assert!(failure.starts_with(&expected), "{failure}\n{expected}");
        assert!(!failure.contains("geheim"), "{failure}");
    }
}

#[test]
fn a_registry_that_is_away_or_slow_is_named() {
    let server = Server::start();
    let url = server.url();
    let client = client(&Registry { timeout: Duration::from_millis(300), ..settings(&[&url]) });
    server.state().mood = Mood::Slow(Duration::from_secs(2));

    let begun = Instant::now();
    let slow = client.register("t-key", SCHEMA).unwrap_err().to_string();
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    drop(server);
    let away = client.register("t-key", SCHEMA).unwrap_err().to_string();

    assert!(slow.starts_with(&format!("schema registry {url} does not answer: timeout")), "{slow}");
    assert!(away.starts_with(&format!("schema registry {url} does not answer: ")) && away.contains("refused"), "{away}");
}

#[test]
fn addresses_are_tried_in_turn_and_the_one_that_answered_is_kept() {
    let (away, broken, well) = (Server::start().url(), Server::start(), Server::start());
    broken.state().mood = Mood::Says(502, String::new());
    let client = client(&settings(&[&away, &broken.url(), &well.url()]));

    assert_eq!(client.register("t-key", SCHEMA), Ok(1));
    assert_eq!(client.register("t-value", OTHER), Ok(2));

    assert_eq!((broken.asked("POST"), well.asked("POST")), (1, 2));
    drop(well);
    // All are away or broken: the one that was tried first is named.
    let failure = client.register("t-key", SCHEMA).unwrap_err();
    assert!(matches!(&failure, Failure::Unreachable { .. }), "{failure}");
    assert_eq!(broken.asked("POST"), 2);
}

#[test]
fn i9_a_registry_is_told_who_we_are_and_nobody_else() {
    let server = Server::start();
    let login = Login { username: "ringtail".into(), password: Secret::new("geheim") };
    for (auth, expected) in
        [(RegistryAuth::Basic(login), "Basic cmluZ3RhaWw6Z2VoZWlt"), (RegistryAuth::Token(Secret::new("geheim")), "Bearer geheim")]
    {
        let client = client(&Registry { auth: Some(auth), ..settings(&[&server.url()]) });

        client.level().unwrap();

        let asked = server.state().requests.last().cloned().unwrap();
        assert_eq!((asked.line.as_str(), asked.authorization.as_deref()), ("GET /config", Some(expected)));
        server.state().mood = Mood::Says(401, String::new());
        let printed = format!("{client:?} {0:?} {0}", client.level().unwrap_err());
        assert!(!printed.contains("geheim") && !printed.contains("Z2VoZWlt"), "{printed}");
        server.state().mood = Mood::Well;
    }
}

/// A certificate for 127.0.0.1 that signed itself, and its key.
fn certificate() -> (X509, PKey<openssl::pkey::Private>) {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "registry").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    let names = SubjectAlternativeName::new().ip("127.0.0.1").build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (builder.build(), key)
}

#[test]
fn https_trusts_the_authority_that_was_given_and_no_other() {
    let (certificate, key) = certificate();
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, certificate.to_pem().unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut context = SslContext::builder(SslMethod::tls_server()).unwrap();
        context.set_certificate(&certificate).unwrap();
        context.set_private_key(&key).unwrap();
        let context = context.build();
        for stream in listener.incoming() {
            let mut stream = SslStream::new(Ssl::new(&context).unwrap(), stream.unwrap()).unwrap();
            // A client that does not trust us hangs up.
            if stream.accept().is_ok()
                && let Ok((_, mut stream)) = read(stream)
            {
                _ = write(&mut stream, 200, r#"{"compatibilityLevel":"FULL"}"#);
                _ = stream.shutdown();
            }
        }
    });

    let distrusting = client(&settings(&[&url])).level().unwrap_err().to_string();
    let trusting = client(&Registry { ca: Some(ca), ..settings(&[&url]) }).level();

    assert!(distrusting.contains("does not answer: ") && distrusting.contains("certificate verify failed"), "{distrusting}");
    assert_eq!(trusting.as_deref(), Ok("FULL"));
}

#[test]
fn a_file_without_a_certificate_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("ca.pem");
    std::fs::write(&empty, "nothing").unwrap();

    assert_eq!(Client::new(&Registry { ca: Some(empty), ..settings(&["http://a"]) }).unwrap_err().to_string(), "holds no certificate");
    assert!(Client::new(&Registry { ca: Some("/nowhere/ca.pem".into()), ..settings(&["http://a"]) }).is_err());
}
