//! Exports: the trail as plain files that anyone can check.
//!
//! `records.jsonl` holds the lines as they are stored, each with a line feed; `bodies.jsonl` the bodies in
//! the order of their records, `{"data":base64,"index":i,"seq":s}`; `checkpoints.txt` the signed notes, with
//! a line of dashes after each; `verifier.key` the key's text. Nothing in an export is secret but what the
//! records and bodies say.

use std::fs::{DirBuilder, File};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use almoner_ledger::record::RECORD_BYTES_MAX;
use almoner_ledger::{Break, BreakCode, Examined, Report};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rocksdb::Direction;
use serde::Deserialize;

use crate::error::ReadError;
use crate::fit::BODIES_BYTES_MAX;
use crate::folder::VERIFIER_KEY;
use crate::offline::{self, CHUNK, Progress, VerifyStore};
use crate::parallel;
use crate::read::Reader;
use crate::store::{self, BODIES, CHECKPOINTS, RECORDS};

const RECORDS_FILE: &str = "records.jsonl";
const BODIES_FILE: &str = "bodies.jsonl";
const CHECKPOINTS_FILE: &str = "checkpoints.txt";
/// What stands after each signed note.
const DASHES: &str = "----------";
/// A line of bodies: the largest body in base64, and room for the rest.
const BODY_LINE_BYTES_MAX: usize = BODIES_BYTES_MAX / 3 * 4 + 1024;
/// How long signing may take.
const SIGN_WAIT_MAX: Duration = Duration::from_secs(10);
/// Bodies that a thread takes at a time.
const BODY_CHUNK: usize = 16;
/// All checkpoints of an export, in bytes: six years of them take 100 MB.
const CHECKPOINTS_BYTES_MAX: u64 = 1 << 30;

/// Writes the whole trail into `dir`, which must not exist. Returns the number of records. A live trail
/// signs a checkpoint first, and the export ends there. Blocks; call it off the runtime.
pub fn export(reader: &Reader, dir: &Path) -> Result<u64, ReadError> {
    let counting = reader.clone();
    let end = reader.signed(SIGN_WAIT_MAX, move || counting.count())??;
    DirBuilder::new()
        .mode(0o700)
        .create(dir)
        .map_err(io("making", dir))?;
    let live = reader.is_live();
    let past_end = store::record_key(end);
    let mut count = 0;
    write_file(&dir.join(RECORDS_FILE), |out| {
        for entry in reader
            .store
            .scan(RECORDS, b"", Direction::Forward, Some(&past_end))
            .map_err(Failed::Read)?
        {
            let (_, line) = entry.map_err(Failed::Read)?;
            out.write_all(&line)?;
            out.write_all(b"\n")?;
            count += 1;
        }
        Ok(())
    })?;
    write_file(&dir.join(BODIES_FILE), |out| {
        for entry in reader
            .store
            .scan(BODIES, b"", Direction::Forward, Some(&past_end))
            .map_err(Failed::Read)?
        {
            let (key, bytes) = entry.map_err(Failed::Read)?;
            let Some((seq, index)) = store::body_place(&key) else {
                continue;
            };
            writeln!(
                out,
                "{{\"data\":\"{}\",\"index\":{index},\"seq\":{seq}}}",
                STANDARD.encode(&bytes)
            )?;
        }
        Ok(())
    })?;
    write_file(&dir.join(CHECKPOINTS_FILE), |out| {
        let mut notes: Vec<_> = reader
            .store
            .scan(CHECKPOINTS, b"", Direction::Forward, None)
            .map_err(Failed::Read)?
            .collect::<Result<_, _>>()
            .map_err(Failed::Read)?;
        // Those that were signed since; of earlier epochs all stay, for they may tell of a loss.
        let epoch = notes
            .last()
            .and_then(|(key, _)| store::checkpoint_place(key))
            .map(|(epoch, _)| epoch);
        let since = |key: &[u8]| {
            store::checkpoint_place(key).is_some_and(|(of, size)| Some(of) == epoch && size > end)
        };
        notes.retain(|(key, _)| !(live && since(key)));
        for (_, note) in notes {
            out.write_all(&note)?;
            writeln!(out, "{DASHES}")?;
        }
        Ok(())
    })?;
    write_file(&dir.join(VERIFIER_KEY), |out| {
        Ok(out.write_all(reader.key.as_bytes())?)
    })?;
    Ok(count)
}

/// Verifies an export. An error means that it could not be read: exit code 4.
pub fn verify_export(
    dir: &Path,
    options: &VerifyStore,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, ReadError> {
    let mut verifier = offline::begin(options);
    for note in notes(&dir.join(CHECKPOINTS_FILE))? {
        verifier.checkpoint(note, false);
    }
    let jobs = parallel::threads(options.jobs);
    let records = Lines::open(&dir.join(RECORDS_FILE), RECORD_BYTES_MAX, CHUNK as usize)?;
    let bodies = match options.bodies {
        true => Some(Lines::open(
            &dir.join(BODIES_FILE),
            BODY_LINE_BYTES_MAX,
            BODY_CHUNK,
        )?),
        false => None,
    };
    std::thread::scope(|scope| {
        let examine = |lines: Result<Vec<Vec<u8>>, ReadError>| {
            lines.map(|lines| {
                lines
                    .iter()
                    .map(|line| Examined::of(line))
                    .collect::<Vec<_>>()
            })
        };
        let decode = |lines: Result<Vec<Vec<u8>>, ReadError>| {
            lines.map(|lines| lines.iter().map(|line| decode(line)).collect::<Vec<_>>())
        };
        let records = parallel::ordered(scope, jobs, records, examine);
        let bodies = parallel::ordered(scope, jobs, bodies.into_iter().flatten(), decode);
        let mut bodies = bodies.flat_map(|chunk| match chunk {
            Ok(bodies) => bodies.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        });
        let mut waiting = None;
        for chunk in records {
            for mut examined in chunk? {
                let place = verifier.place_of(&examined);
                // Bodies lie in the order of their records.
                while let Some(body) = waiting
                    .take()
                    .map(Ok)
                    .or_else(|| bodies.next())
                    .transpose()?
                {
                    match body {
                        Some(body) if body.seq > place => {
                            waiting = Some(Some(body));
                            break;
                        }
                        Some(body) if body.seq == place => examined.body(body.index, &body.bytes),
                        other => verifier.report_break(stray(other)),
                    }
                }
                verifier.accept(examined);
            }
            progress(Progress {
                records: verifier.next_seq(),
                total: None,
            });
        }
        for body in waiting.map(Ok).into_iter().chain(bodies) {
            verifier.report_break(stray(body?));
        }
        Ok::<(), ReadError>(())
    })?;
    Ok(verifier.finish())
}

fn stray(body: Option<Decoded>) -> Break {
    match body {
        Some(body) => offline::extra(Some(body.seq), "a body belongs to no record".to_owned()),
        None => Break {
            code: BreakCode::Body,
            seq: None,
            explain: "a line of the bodies is malformed".to_owned(),
        },
    }
}

struct Decoded {
    seq: u64,
    index: u32,
    bytes: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyLine<'l> {
    data: &'l str,
    index: u32,
    seq: u64,
}

fn decode(line: &[u8]) -> Option<Decoded> {
    let line: BodyLine<'_> = serde_json::from_slice(line).ok()?;
    Some(Decoded {
        seq: line.seq,
        index: line.index,
        bytes: STANDARD.decode(line.data).ok()?,
    })
}

/// The signed notes of a file. What is not one is reported by the verifier.
fn notes(path: &Path) -> Result<Vec<String>, ReadError> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(io("opening", path))?;
    file.take(CHECKPOINTS_BYTES_MAX)
        .read_to_end(&mut text)
        .map_err(io("reading", path))?;
    let text = String::from_utf8_lossy(&text);
    let mut notes = vec![String::new()];
    for line in text.split_inclusive('\n') {
        match (line.strip_suffix('\n') == Some(DASHES), notes.last_mut()) {
            (false, Some(note)) => note.push_str(line),
            _ => notes.push(String::new()),
        }
    }
    notes.pop_if(|note| note.is_empty());
    Ok(notes)
}

/// Lines of a file, in chunks, each without its line feed and of bounded length.
struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    line_bytes_max: usize,
    chunk: usize,
}

impl Lines {
    fn open(path: &Path, line_bytes_max: usize, chunk: usize) -> Result<Lines, ReadError> {
        let file = File::open(path).map_err(io("opening", path))?;
        Ok(Lines {
            path: path.to_owned(),
            file: BufReader::with_capacity(1 << 20, file),
            line_bytes_max,
            chunk,
        })
    }

    fn line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        // One more than may be, so that a line that is too long is seen to be and not cut to fit.
        let most = self.line_bytes_max as u64 + 1;
        if self.file.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        Ok(Some(line))
    }
}

impl Iterator for Lines {
    type Item = Result<Vec<Vec<u8>>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut lines = Vec::new();
        while lines.len() < self.chunk {
            match self.line() {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => break,
                Err(error) => return Some(Err(io("reading", &self.path)(error))),
            }
        }
        (!lines.is_empty()).then_some(Ok(lines))
    }
}

/// What went wrong while a file was written.
enum Failed {
    Read(String),
    Write(std::io::Error),
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Failed {
        Failed::Write(error)
    }
}

fn write_file(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> Result<(), Failed>,
) -> Result<(), ReadError> {
    let failed = |failed| match failed {
        Failed::Read(error) => ReadError::Database(error),
        Failed::Write(error) => io("writing", path)(error),
    };
    let mut out =
        BufWriter::with_capacity(1 << 20, File::create_new(path).map_err(io("making", path))?);
    fill(&mut out).map_err(failed)?;
    let file = out
        .into_inner()
        .map_err(|error| io("writing", path)(error.into_error()))?;
    file.sync_all().map_err(io("syncing", path))
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ReadError {
    let path = path.to_owned();
    move |error| ReadError::Io { doing, path, error }
}
