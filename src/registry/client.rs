//! Confluent's REST API, as much of it as is needed.
//!
//! ```text
//! register   POST /subjects/S/versions                           {"schema":"…"}   200 {"id":7}   409, 422 {"error_code":n,"message":"…"}
//! look up    POST /subjects/S                                    {"schema":"…"}   200 {"id":7}   404 {"error_code":40401|40403,…}
//! compare    POST /compatibility/subjects/S/versions/latest      {"schema":"…"}   200 {"is_compatible":true}   404: nothing to compare with
//! level      GET  /config                                        200 {"compatibilityLevel":"BACKWARD"}
//! ```
//!
//! `S` is made of topics and adjusted names, so nothing in it has to be escaped.

use super::failure::{Failure, reason};
use crate::config::{Registry, RegistryAuth};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// More than any answer holds that is asked for.
const ANSWER_MAX: u64 = 4 << 20;

/// Asks one registry, at the first of its addresses that answers.
pub struct Client {
    agent: Agent,
    urls: Vec<String>,
    /// The header, which holds a secret.
    authorization: Option<String>,
    /// The address that answered last.
    current: AtomicUsize,
}

/// Says nothing of who we are.
impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// How a schema stands to those of its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compatibility {
    /// The subject has no schema yet.
    New,
    /// It can follow the latest one.
    Compatible,
}

struct Answer {
    url: String,
    status: u16,
    body: Json,
}

impl Client {
    /// A client; it asks nothing yet.
    ///
    /// # Errors
    /// The file of the authority cannot be read, or holds no certificate.
    pub fn new(settings: &Registry) -> io::Result<Client> {
        let roots = settings.ca.as_deref().map_or(Ok(RootCerts::PlatformVerifier), authorities)?;
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(roots).build();
        let agent = Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .http_status_as_error(false)
            // Who we are is for the addresses that the operator gave.
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("ringtail/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build()
            .into();
        let authorization = settings.auth.as_ref().map(|auth| match auth {
            RegistryAuth::Basic(login) => format!("Basic {}", BASE64.encode(format!("{}:{}", login.username, login.password.expose()))),
            RegistryAuth::Token(token) => format!("Bearer {}", token.expose()),
        });
        Ok(Client { agent, urls: settings.urls.clone(), authorization, current: AtomicUsize::new(0) })
    }

    /// The id of a schema, which is registered if it is not known.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn register(&self, subject: &str, schema: &str) -> Result<u32, Failure> {
        let answer = self.post(&format!("/subjects/{subject}/versions"), schema)?;
        match answer.status {
            200 => answer.id(),
            409 => Err(Failure::Incompatible { subject: subject.to_owned(), reason: answer.reason() }),
            422 => Err(Failure::Invalid { subject: subject.to_owned(), reason: answer.reason() }),
            _ => Err(answer.unexpected()),
        }
    }

    /// The id of a schema that is known.
    ///
    /// # Errors
    /// [`Failure`]; [`Failure::NotRegistered`] if it is not.
    pub fn look_up(&self, subject: &str, schema: &str) -> Result<u32, Failure> {
        let answer = self.post(&format!("/subjects/{subject}"), schema)?;
        match (answer.status, answer.error_code()) {
            (200, _) => answer.id(),
            (404, Some(40401 | 40403)) => Err(Failure::NotRegistered { subject: subject.to_owned() }),
            (422, _) => Err(Failure::Invalid { subject: subject.to_owned(), reason: answer.reason() }),
            _ => Err(answer.unexpected()),
        }
    }

    /// How a schema stands to the latest one of its subject. Changes nothing.
    ///
    /// # Errors
    /// [`Failure`]; [`Failure::Incompatible`] if it could not follow that one.
    pub fn compare(&self, subject: &str, schema: &str) -> Result<Compatibility, Failure> {
        let answer = self.post(&format!("/compatibility/subjects/{subject}/versions/latest?verbose=true"), schema)?;
        match (answer.status, answer.error_code(), answer.body.get("is_compatible").and_then(Json::as_bool)) {
            (200, _, Some(true)) => Ok(Compatibility::Compatible),
            (200, _, Some(false)) => {
                let messages = answer.body.get("messages").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
                let said: Vec<&str> = messages.iter().filter_map(Json::as_str).collect();
                let said = if said.is_empty() { "it cannot follow the latest version".to_owned() } else { reason(&said.join(", ")) };
                Err(Failure::Incompatible { subject: subject.to_owned(), reason: said })
            }
            (404, Some(40401 | 40402), _) => Ok(Compatibility::New),
            (422, _, _) => Err(Failure::Invalid { subject: subject.to_owned(), reason: answer.reason() }),
            _ => Err(answer.unexpected()),
        }
    }

    /// The compatibility level that holds where a subject has none of its own.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn level(&self) -> Result<String, Failure> {
        let answer = self.ask(|url| {
            let request = self.agent.get(format!("{url}/config")).header("accept", CONTENT_TYPE);
            self.authorized(request).call()
        })?;
        let level = answer.body.get("compatibilityLevel").and_then(Json::as_str).map(str::to_owned);
        level.filter(|_| answer.status == 200).ok_or_else(|| answer.unexpected())
    }

    fn post(&self, path: &str, schema: &str) -> Result<Answer, Failure> {
        let body = json!({ "schema": schema }).to_string();
        self.ask(|url| {
            let request = self.agent.post(format!("{url}{path}")).header("accept", CONTENT_TYPE).content_type(CONTENT_TYPE);
            self.authorized(request).send(&body)
        })
    }

    fn authorized<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.authorization {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        }
    }

    /// Asks one address after the other, beginning with the one that answered last, until one answers as a registry.
    fn ask(&self, request: impl Fn(&str) -> Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, Failure> {
        let first = self.current.load(Ordering::Relaxed);
        let mut failed = None;
        for turn in 0..self.urls.len() {
            let index = (first + turn) % self.urls.len();
            let Some(url) = self.urls.get(index) else { break };
            match answered(url, request(url)) {
                Ok(answer) => {
                    self.current.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(failure) if failure.is_of_one_address() => {
                    failed.get_or_insert(failure);
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(failed.unwrap_or(Failure::Unreachable { url: String::new(), reason: "it has no address".to_owned() }))
    }
}

/// What came back, if it came from a registry that can answer and lets us in.
fn answered(url: &str, response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, Failure> {
    let unreachable = |error: ureq::Error| Failure::Unreachable { url: url.to_owned(), reason: reason(&error.to_string()) };
    let mut response = response.map_err(unreachable)?;
    let status = response.status().as_u16();
    let text = response.body_mut().with_config().limit(ANSWER_MAX).read_to_vec().map_err(unreachable)?;
    let body: Option<Json> = serde_json::from_slice(&text).ok();
    let said = |otherwise: &str| body.as_ref().and_then(message).map_or_else(|| otherwise.to_owned(), reason);
    match (status, &body) {
        (401 | 403, _) => Err(Failure::Denied { url: url.to_owned(), status, reason: said("no reason given") }),
        (200 | 404 | 409 | 422, Some(Json::Object(_))) => Ok(Answer { url: url.to_owned(), status, body: body.unwrap_or_default() }),
        _ => Err(Failure::Unexpected { url: url.to_owned(), status, reason: said(NO_REGISTRY) }),
    }
}

const NO_REGISTRY: &str = "not in the form of a registry (is events.registry.url its address, with the path of its API?)";

fn message(body: &Json) -> Option<&str> {
    body.get("message").and_then(Json::as_str)
}

impl Answer {
    fn id(self) -> Result<u32, Failure> {
        // Ids are what four bytes hold.
        let id = self.body.get("id").and_then(Json::as_u64).and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| self.unexpected())
    }

    fn error_code(&self) -> Option<u64> {
        self.body.get("error_code").and_then(Json::as_u64)
    }

    fn reason(&self) -> String {
        message(&self.body).map_or_else(|| "no reason given".to_owned(), reason)
    }

    fn unexpected(&self) -> Failure {
        let reason = message(&self.body).map_or_else(|| NO_REGISTRY.to_owned(), reason);
        Failure::Unexpected { url: self.url.clone(), status: self.status, reason }
    }
}

fn authorities(path: &Path) -> io::Result<RootCerts> {
    let invalid = |problem: String| io::Error::new(io::ErrorKind::InvalidData, problem);
    let pem = std::fs::read(path)?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| invalid(error.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err(invalid("holds no certificate".to_owned())) } else { Ok(RootCerts::from(certificates)) }
}
