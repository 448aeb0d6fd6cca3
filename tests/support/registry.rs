//! A schema registry that is played: Confluent's API as far as it is used, and every fault that one can have.

use ringtail::config::{Registry, SubjectName};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What it does with a request.
#[derive(Clone, Debug, Default)]
pub enum Mood {
    /// Answers it.
    #[default]
    Well,
    /// Answers it after this long.
    Slow(Duration),
    /// Answers with this status and this body.
    Says(u16, String),
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method and path.
    pub line: String,
    /// The header `authorization`.
    pub authorization: Option<String>,
    /// The `schema` of the body.
    pub schema: Option<String>,
}

/// What it holds.
#[derive(Debug, Default)]
pub struct State {
    /// How it answers.
    pub mood: Mood,
    /// Why a second version of a subject is refused, if it is.
    pub refuses: Option<String>,
    /// Schemas by id, which begin with 1.
    pub schemas: Vec<String>,
    /// The ids of each subject.
    pub subjects: BTreeMap<String, Vec<usize>>,
    /// What was asked.
    pub requests: Vec<Request>,
}

/// The server; it is away when this is dropped.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// A server at any free port.
    pub fn start() -> Server {
        Server::at("127.0.0.1:0".parse().expect("an address"), State::default())
    }

    /// A server at an address.
    pub fn at(address: SocketAddr, state: State) -> Server {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (state, stopped) = (Arc::new(Mutex::new(state)), Arc::new(AtomicBool::new(false)));
        let (held, stop) = (state.clone(), stopped.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                // Who hangs up in the middle gets no answer.
                _ = stream.and_then(|stream| answer(stream, &held));
            }
        });
        Server { address, state, stopped, thread: Some(thread) }
    }

    /// What it holds.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    /// Its address for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests began so.
    pub fn asked(&self, line: &str) -> usize {
        self.state().requests.iter().filter(|request| request.line.starts_with(line)).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

/// Settings of a client.
pub fn settings(urls: &[&str]) -> Registry {
    Registry {
        urls: urls.iter().map(|url| (*url).to_owned()).collect(),
        subject: SubjectName::Topic,
        auto_register: true,
        auth: None,
        ca: None,
        timeout: Duration::from_secs(5),
    }
}

fn answer(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let (request, mut stream) = read(stream)?;
    let (mood, (status, body)) = {
        let mut state = state.lock().expect("no panic");
        state.requests.push(request.clone());
        (state.mood.clone(), state.reply(&request))
    };
    match mood {
        Mood::Well => write(&mut stream, status, &body.to_string()),
        Mood::Slow(wait) => {
            std::thread::sleep(wait);
            write(&mut stream, status, &body.to_string())
        }
        Mood::Says(status, body) => write(&mut stream, status, &body),
    }
}

/// One request, and the stream to answer it.
pub fn read<S: Read + Write>(stream: S) -> std::io::Result<(Request, S)> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length, mut authorization) = (String::new(), 0, None);
    reader.read_line(&mut line)?;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().expect("a length"),
            "authorization" => authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let schema = serde_json::from_slice::<Value>(&body).ok().and_then(|body| body["schema"].as_str().map(str::to_owned));
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    Ok((Request { line, authorization, schema }, reader.into_inner()))
}

/// One answer.
pub fn write(stream: &mut impl Write, status: u16, body: &str) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status} Status\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
    stream.flush()
}

impl State {
    fn reply(&mut self, request: &Request) -> (u16, Value) {
        let schema = request.schema.clone().unwrap_or_default();
        let path = request.line.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match parts[..] {
            ["config"] => (200, json!({ "compatibilityLevel": "BACKWARD" })),
            ["subjects", subject, "versions"] => self.register(subject, schema),
            ["subjects", subject] => match self.id_in(subject, &schema) {
                Some(id) => (200, json!({ "subject": subject, "id": id, "version": 1 })),
                None if self.subjects.contains_key(subject) => error(404, 40403, "Schema not found"),
                None => error(404, 40401, "Subject not found"),
            },
            ["compatibility", "subjects", subject, "versions", "latest"] => match (self.subjects.get(subject), &self.refuses) {
                (None, _) => error(404, 40401, "Subject not found"),
                (Some(_), Some(reason)) if self.id_in(subject, &schema).is_none() => {
                    (200, json!({ "is_compatible": false, "messages": [reason] }))
                }
                (Some(_), _) => (200, json!({ "is_compatible": true })),
            },
            _ => (404, json!("no such page")),
        }
    }

    fn id_in(&self, subject: &str, schema: &str) -> Option<usize> {
        let ids = self.subjects.get(subject)?;
        ids.iter().copied().find(|id| self.schemas[id - 1] == schema)
    }

    fn register(&mut self, subject: &str, schema: String) -> (u16, Value) {
        if let Some(id) = self.id_in(subject, &schema) {
            return (200, json!({ "id": id }));
        }
        if let (true, Some(reason)) = (self.subjects.contains_key(subject), &self.refuses) {
            return error(409, 409, reason);
        }
        if apache_avro::Schema::parse_str(&schema).is_err() {
            return error(422, 42201, "Invalid schema");
        }
        let id = self.schemas.iter().position(|other| *other == schema).map_or(self.schemas.len() + 1, |index| index + 1);
        if id > self.schemas.len() {
            self.schemas.push(schema);
        }
        self.subjects.entry(subject.to_owned()).or_default().push(id);
        (200, json!({ "id": id }))
    }
}

fn error(status: u16, code: u32, message: &str) -> (u16, Value) {
    (status, json!({ "error_code": code, "message": message }))
}
