//! The bare protocol over TCP, for what no driver would send: malformed messages, odd orders, pipelines
//! cut at any byte. Knows just enough to log in.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};

/// Longer than any answer takes; a test that waits so long has found a hang.
const READ_LIMIT: Duration = Duration::from_secs(20);

/// A message of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type byte, as a letter.
    pub kind: char,
    /// Its body, without the length.
    pub body: Vec<u8>,
}

impl Message {
    /// A field of an error or notice: `C` the code, `M` the text.
    pub fn field(&self, name: char) -> Option<String> {
        let mut fields = self.body.split(|byte| *byte == 0);
        let found = fields.find(|field| {
            field
                .first()
                .is_some_and(|first| char::from(*first) == name)
        })?;
        Some(String::from_utf8_lossy(found.get(1..).unwrap_or_default()).into_owned())
    }
}

/// A connection.
pub struct Raw {
    stream: TcpStream,
}

impl Raw {
    /// Connects and says nothing.
    pub fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(READ_LIMIT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Connects, logs in with protocol 3.0, and reads up to the first ReadyForQuery.
    pub fn login(port: u16, user: &str, password: &str, database: &str) -> io::Result<Self> {
        let mut raw = Self::open(port)?;
        raw.startup(196_608, &[("user", user), ("database", database)])?;
        raw.authenticate(password)?;
        raw.until('Z')?;
        Ok(raw)
    }

    /// Sends a start-up message.
    pub fn startup(&mut self, version: u32, parameters: &[(&str, &str)]) -> io::Result<()> {
        let mut body = version.to_be_bytes().to_vec();
        for (name, value) in parameters {
            for text in [name, value] {
                body.extend_from_slice(text.as_bytes());
                body.push(0);
            }
        }
        body.push(0);
        self.send_bytes(&length_of(body.len()))?;
        self.send_bytes(&body)
    }

    /// Answers a SCRAM-SHA-256 exchange. An error message of the server becomes an error with its text.
    pub fn authenticate(&mut self, password: &str) -> io::Result<()> {
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        loop {
            let message = self.receive()?;
            let code = message
                .body
                .first_chunk()
                .map(|code| u32::from_be_bytes(*code));
            let data = message.body.get(4..).unwrap_or_default();
            match (message.kind, code) {
                ('R', Some(0)) => return Ok(()),
                ('R', Some(10)) => {
                    let first = scram.message();
                    let mut body = SCRAM_SHA_256.as_bytes().to_vec();
                    body.push(0);
                    body.extend_from_slice(&u32::try_from(first.len()).unwrap_or(0).to_be_bytes());
                    body.extend_from_slice(first);
                    self.send('p', &body)?;
                }
                ('R', Some(11)) => {
                    scram.update(data)?;
                    let last = scram.message().to_vec();
                    self.send('p', &last)?;
                }
                ('R', Some(12)) => scram.finish(data)?,
                _ => {
                    return Err(io::Error::other(format!(
                        "{}: {:?}",
                        message.kind,
                        message.field('M')
                    )));
                }
            }
        }
    }

    /// Sends one message.
    pub fn send(&mut self, kind: char, body: &[u8]) -> io::Result<()> {
        self.send_bytes(&message(kind, body))
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next message; an error at the end of the stream.
    pub fn receive(&mut self) -> io::Result<Message> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = u32::from_be_bytes(length) as usize;
        let mut body = vec![0; length.saturating_sub(4)];
        self.stream.read_exact(&mut body)?;
        Ok(Message {
            kind: char::from(kind),
            body,
        })
    }

    /// All messages up to and including the first of this kind.
    pub fn until(&mut self, kind: char) -> io::Result<Vec<Message>> {
        let mut messages = Vec::new();
        loop {
            let message = self.receive()?;
            let last = message.kind == kind;
            messages.push(message);
            if last {
                return Ok(messages);
            }
        }
    }

    /// One byte: the answer to a request for TLS.
    pub fn receive_byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte)?;
        let [byte] = byte;
        Ok(byte)
    }

    /// The byte that comes next, left to be read.
    pub fn peek(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.stream.peek(&mut byte)?;
        let [byte] = byte;
        Ok(byte)
    }

    /// Whether nothing comes for so long. What comes is left to be read.
    pub fn is_silent(&mut self, wait: Duration) -> io::Result<bool> {
        self.stream.set_read_timeout(Some(wait))?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(READ_LIMIT))?;
        match peeked {
            Ok(_) => Ok(false),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(e) => Err(e),
        }
    }

    /// Whether the server has closed the connection.
    pub fn closed(&mut self) -> io::Result<bool> {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => Ok(true),
            Ok(_) => Ok(false),
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => Ok(true),
            Err(e) => Err(e),
        }
    }
}

/// A message's bytes.
pub fn message(kind: char, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(kind).unwrap_or(b'?')];
    bytes.extend_from_slice(&length_of(body.len()));
    bytes.extend_from_slice(body);
    bytes
}

/// Strings, each ended by a zero byte.
pub fn strings(texts: &[&str]) -> Vec<u8> {
    texts
        .iter()
        .flat_map(|text| text.bytes().chain([0]))
        .collect()
}

fn length_of(body: usize) -> [u8; 4] {
    u32::try_from(body + 4).unwrap_or(u32::MAX).to_be_bytes()
}
