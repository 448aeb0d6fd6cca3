//! A port in front of the node's, which can be closed.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Passes on what comes, while it is open. While it is closed, connections end as soon as they are made.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    open: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// In front of `target`, on `port`, open. It lives as long as the process.
    pub fn start(port: u16, target: String) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let state = Arc::new(State { open: AtomicBool::new(true), connections: Mutex::new(vec![]) });
        let accepting = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.open.load(Ordering::Relaxed)
                    && let Ok(server) = TcpStream::connect(&target)
                {
                    accepting.connect(&client, &server);
                }
            }
        });
        Proxy { address, state }
    }

    /// Where it listens.
    pub fn contact_point(&self) -> String {
        self.address.to_string()
    }

    /// Takes connections again.
    pub fn open(&self) {
        self.state.open.store(true, Ordering::Relaxed);
    }

    /// Ends all connections and takes no more.
    pub fn close(&self) {
        self.state.open.store(false, Ordering::Relaxed);
        // One that is being made right now is in the list soon.
        for _ in 0..2 {
            for connection in self.state.connections.lock().expect("nobody panics with it").drain(..) {
                connection.shutdown(Shutdown::Both).unwrap_or_default();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl State {
    fn connect(&self, client: &TcpStream, server: &TcpStream) {
        for (from, to) in [(client, server), (server, client)] {
            let (mut from, mut to) = (from.try_clone().expect("a second handle"), to.try_clone().expect("a second handle"));
            self.connections.lock().expect("nobody panics with it").push(from.try_clone().expect("a second handle"));
            std::thread::spawn(move || {
                let mut bytes = [0; 1 << 16];
                while let Ok(length @ 1..) = from.read(&mut bytes)
                    && to.write_all(&bytes[..length]).is_ok()
                {}
                // The other direction ends with this one.
                for end in [from, to] {
                    end.shutdown(Shutdown::Both).unwrap_or_default();
                }
            });
        }
    }
}
