//! A server that breaks the protocol: the real PostgreSQL behind somebody who changes what it says. Until a
//! message from the gateway contains `/*meddle*/` everything passes as it is; from then on each message of the
//! server on that connection goes through the test's own hands.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::raw::{Message, message};

/// What makes the meddler begin.
pub const MARK: &str = "/*meddle*/";

/// What becomes of one message of the server.
pub enum Meddling {
    /// It passes.
    Pass,
    /// These bytes pass in its place.
    Instead(Vec<u8>),
    /// These bytes pass in its place, and the connection ends.
    Last(Vec<u8>),
}

type Hands = dyn FnMut(&Message) -> Meddling + Send;

/// The meddler. Its connections end with the gateway's.
pub struct Meddler {
    port: u16,
    hands: Arc<Mutex<Box<Hands>>>,
    always: Arc<AtomicBool>,
}

impl Meddler {
    /// Stands in front of the server on this port.
    pub fn before(server: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let pass: Box<Hands> = Box::new(|_| Meddling::Pass);
        let hands = Arc::new(Mutex::new(pass));
        let theirs = Arc::clone(&hands);
        let always = Arc::new(AtomicBool::new(false));
        let from_start = Arc::clone(&always);
        std::thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else {
                    continue;
                };
                // A connection that ends is nothing to speak of.
                let begin = from_start.load(Ordering::SeqCst);
                let _ = stand_between(&caller, &upstream, &theirs, begin);
            }
        });
        Ok(Self {
            port,
            hands,
            always,
        })
    }

    /// Where the gateway finds it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Further connections are meddled with from their first message on, the login included.
    pub fn from_the_start(&self) {
        self.always.store(true, Ordering::SeqCst);
    }

    /// From the next mark on, this is what happens.
    pub fn set(&self, hands: impl FnMut(&Message) -> Meddling + Send + 'static) {
        *self.hands.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(hands);
    }
}

fn stand_between(
    caller: &TcpStream,
    upstream: &TcpStream,
    hands: &Arc<Mutex<Box<Hands>>>,
    begin: bool,
) -> io::Result<()> {
    let meddling = Arc::new(AtomicBool::new(begin));
    let (from, to, marked) = (
        caller.try_clone()?,
        upstream.try_clone()?,
        Arc::clone(&meddling),
    );
    std::thread::spawn(move || {
        let _ = pass_on(from, &to, &marked);
        let _ = to.shutdown(Shutdown::Both);
    });
    let (from, to, hands) = (
        upstream.try_clone()?,
        caller.try_clone()?,
        Arc::clone(hands),
    );
    std::thread::spawn(move || {
        let _ = pass_back(from, &to, &meddling, &hands);
        let _ = to.shutdown(Shutdown::Both);
    });
    Ok(())
}

/// Bytes to the server, with an eye on the mark. Tests' statements are short: each comes in one piece.
fn pass_on(mut from: TcpStream, mut to: &TcpStream, marked: &AtomicBool) -> io::Result<()> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        let piece = bytes.get(..count).unwrap_or_default();
        if piece.windows(MARK.len()).any(|at| at == MARK.as_bytes()) {
            marked.store(true, Ordering::SeqCst);
        }
        to.write_all(piece)?;
    }
}

fn pass_back(
    mut from: TcpStream,
    mut to: &TcpStream,
    meddling: &AtomicBool,
    hands: &Mutex<Box<Hands>>,
) -> io::Result<()> {
    loop {
        let mut head = [0; 5];
        from.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let mut body = vec![0; (u32::from_be_bytes(length) as usize).saturating_sub(4)];
        from.read_exact(&mut body)?;
        let one = Message {
            kind: char::from(kind),
            body,
        };
        let what = if meddling.load(Ordering::SeqCst) {
            hands.lock().unwrap_or_else(PoisonError::into_inner)(&one)
        } else {
            Meddling::Pass
        };
        match what {
            Meddling::Pass => to.write_all(&message(one.kind, &one.body))?,
            Meddling::Instead(bytes) => to.write_all(&bytes)?,
            Meddling::Last(bytes) => return to.write_all(&bytes),
        }
    }
}
