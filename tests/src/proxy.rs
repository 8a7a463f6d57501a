//! A TCP proxy between gateway and server, which tears what the server says into pieces, or holds what the
//! gateway says and cuts the line. Bytes are never changed.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Between two pieces: long enough that they are two reads, short enough for hundreds of them.
const PIECE_PAUSE: Duration = Duration::from_micros(700);

/// The proxy. It ends with the process; its connections end with their peers.
#[derive(Clone)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Bytes of the server since the gateway last spoke.
    answered: AtomicUsize,
    /// The answer is torn behind so many bytes; 0: it is not.
    tear: AtomicUsize,
    /// The answer goes out in pieces of so many bytes; 0: whole.
    piece: AtomicUsize,
    line: Mutex<Line>,
    changed: Condvar,
}

#[derive(Default)]
struct Line {
    /// What is held when the gateway says it.
    trap: Option<Vec<u8>>,
    held: bool,
    cut: bool,
}

impl Proxy {
    /// In front of a server on this port.
    pub fn start(server: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let proxy = Self {
            port: listener.local_addr()?.port(),
            shared: Arc::default(),
        };
        let shared = Arc::clone(&proxy.shared);
        thread::spawn(move || {
            for gateway in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else {
                    continue;
                };
                if connect(&gateway, &server, &shared).is_err() {
                    return;
                }
            }
        });
        Ok(proxy)
    }

    /// Where the gateway connects.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Tears each answer in two behind so many bytes.
    pub fn tear_at(&self, bytes: usize) {
        self.shared.tear.store(bytes, Ordering::SeqCst);
    }

    /// Sends each answer in pieces of so many bytes.
    pub fn pieces_of(&self, bytes: usize) {
        self.shared.piece.store(bytes, Ordering::SeqCst);
    }

    /// Bytes of the server since the gateway last spoke.
    pub fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// Holds what the gateway sends from when it says this.
    pub fn hold(&self, text: &str) {
        *self.line() = Line {
            trap: Some(text.as_bytes().to_vec()),
            ..Line::default()
        };
    }

    /// Whether it has said so.
    pub fn holds(&self) -> bool {
        self.line().held
    }

    /// Cuts the line that is held: nothing of what was held ever arrives.
    pub fn cut(&self) {
        self.line().cut = true;
        self.shared.changed.notify_all();
    }

    fn line(&self) -> std::sync::MutexGuard<'_, Line> {
        self.shared
            .line
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(gateway: &TcpStream, server: &TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    gateway.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let asks = (
        gateway.try_clone()?,
        server.try_clone()?,
        Arc::clone(shared),
    );
    let answers = (
        server.try_clone()?,
        gateway.try_clone()?,
        Arc::clone(shared),
    );
    thread::spawn(move || {
        let (from, to, shared) = asks;
        carry(&from, &to, |to, bytes| shared.asked(to, bytes));
    });
    thread::spawn(move || {
        let (from, to, shared) = answers;
        carry(&from, &to, |to, bytes| shared.answer(to, bytes));
    });
    Ok(())
}

fn carry(
    mut from: &TcpStream,
    to: &TcpStream,
    mut pass: impl FnMut(&TcpStream, &[u8]) -> io::Result<()>,
) {
    let mut buffer = [0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if pass(to, buffer.get(..read).unwrap_or_default()).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

impl Shared {
    fn asked(&self, mut server: &TcpStream, bytes: &[u8]) -> io::Result<()> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let says = |trap: &Vec<u8>| bytes.windows(trap.len()).any(|part| part == trap);
        if line.trap.as_ref().is_some_and(says) {
            line.trap = None;
            line.held = true;
            let wait = self.changed.wait_while(line, |line| !line.cut);
            drop(wait.unwrap_or_else(PoisonError::into_inner));
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        drop(line);
        self.answered.store(0, Ordering::SeqCst);
        server.write_all(bytes)
    }

    fn answer(&self, mut gateway: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let before = self.answered.load(Ordering::SeqCst);
            let (tear, piece) = (
                self.tear.load(Ordering::SeqCst),
                self.piece.load(Ordering::SeqCst),
            );
            let mut length = bytes.len();
            if piece > 0 {
                length = length.min(piece);
            }
            if tear > before {
                length = length.min(tear - before);
            }
            let (now, later) = bytes.split_at(length);
            gateway.write_all(now)?;
            self.answered.fetch_add(length, Ordering::SeqCst);
            bytes = later;
            if !bytes.is_empty() {
                thread::sleep(PIECE_PAUSE);
            }
        }
        Ok(())
    }
}
