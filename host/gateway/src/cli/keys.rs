//! `almoner keys`: the keys of pseudonyms. Lists them without their secrets, and adds one that becomes the active one.
//!
//! Works on the key file; a running gateway takes a new key up within a second, on record first. No key is ever
//! printed, and none is removed.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::config::ConfigFile;
use super::output::{Colour, Exit, Output, Table};
use super::when::thousands;
use crate::admin::client::{Client, ClientError};
use crate::admin::status::{RecordPage, Status};
use crate::plugins::{KeyFile, KeyFileError};

/// How long a running gateway may take to use a new key: it looks twice a second, and puts it on record.
const TAKEN_WAIT_MAX: Duration = Duration::from_secs(5);
/// Pause between two questions.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Options.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub enum Command {
    /// List the keys by their ids; what they are is not shown
    List,
    /// Add a key that pseudonyms are made with from now on
    #[command(
        after_help = "From then on the same value gets another pseudonym than before. What callers have kept no \
                            longer matches what they are given. An exchange under way ends with the key it began \
                            with. Earlier keys stay in the file; keep a backup of it.\n\n\
                            Exit codes: 0 done, 1 not possible or not taken up by the running gateway, 2 usage."
    )]
    Rotate,
}

/// Runs the command.
pub fn run(args: Args, output: &Output) -> Exit {
    let config = match args.config.load(output) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match args.command {
        Command::List => match KeyFile::existing(&config.keys_file) {
            Ok(keys) => list(&keys, output),
            Err(error) => failed(&error, output),
        },
        Command::Rotate => match KeyFile::rotate(&config.keys_file) {
            Ok(keys) => rotated(&keys, &config.keys_file, &config.admin_socket, output),
            Err(error) => failed(&error, output),
        },
    }
}

fn failed(error: &KeyFileError, output: &Output) -> Exit {
    let missing = matches!(error, KeyFileError::Io { error, .. } if error.kind() == std::io::ErrorKind::NotFound);
    if missing {
        output.error(format_args!(
            "{error}; the gateway makes the file at its first start, with a first key"
        ));
    } else {
        output.error(error);
    }
    Exit::FAILED
}

fn list(keys: &KeyFile, output: &Output) -> Exit {
    let keys: Vec<_> = keys.about().collect();
    output.json(&keys);
    let mut table = Table::new(&["key", "made", "state"]);
    for key in &keys {
        let state = if key.active { "active" } else { "kept" };
        table.row([key.id, key.created, state]);
    }
    output.table(&table);
    Exit::OK
}

fn rotated(keys: &KeyFile, file: &Path, socket: &Path, output: &Output) -> Exit {
    let ids: Vec<&str> = keys.about().map(|key| key.id).collect();
    let (active, before) = match ids.as_slice() {
        [.., before, active] => (*active, *before),
        _ => return failed(&KeyFileError::Malformed(file.to_owned()), output),
    };
    output.line(format_args!(
        "{active} is the active key from now on; {before} stays in {}, and nothing more is made with it",
        file.display()
    ));
    let taken = taken_up(socket, active);
    let (word, record) = match &taken {
        Taken::Recorded(seq) => ("in use", *seq),
        Taken::NotRunning => ("not running", None),
        Taken::Unknown(_) => ("unknown", None),
    };
    output.json(&json!({
        "active": active, "replaces": before, "file": file, "gateway": word, "record": record,
    }));
    match taken {
        Taken::Recorded(seq) => {
            let seq = seq.map_or_else(String::new, |seq| format!(", record {}", thousands(seq)));
            let said = format!("the running gateway uses it{seq}");
            output.line(output.paint(Colour::Green, &said));
        }
        Taken::NotRunning => output.line(format_args!(
            "no gateway answers on {}: it uses the key from its next start",
            socket.display()
        )),
        Taken::Unknown(why) => {
            output.error(why);
            return Exit::FAILED;
        }
    }
    output.line(
        "The same value now gets another pseudonym than before. What callers have kept no longer matches what they \
         are given: tell them, or have them ask again.",
    );
    Exit::OK
}

/// What the running gateway made of a new key.
enum Taken {
    /// It uses it, and this record says so.
    Recorded(Option<u64>),
    /// There is none.
    NotRunning,
    /// It does not say that it uses it; and why.
    Unknown(String),
}

fn taken_up(socket: &Path, key: &str) -> Taken {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Taken::Unknown(error.to_string()),
    };
    let client = Client::new(socket);
    let since = Instant::now();
    loop {
        let in_use = match runtime.block_on(client.get::<Status>("/v1/status")) {
            Ok(status) => status.overview.pseudonym_key,
            Err(ClientError::NoGateway(_)) => return Taken::NotRunning,
            Err(error) => return Taken::Unknown(error.to_string()),
        };
        if in_use == key {
            return Taken::Recorded(recorded(&runtime, &client, key));
        }
        if since.elapsed() > TAKEN_WAIT_MAX {
            return Taken::Unknown(format!(
                "the running gateway still makes pseudonyms with {in_use}: its log says why. Is it started with \
                 another configuration?"
            ));
        }
        std::thread::sleep(ASK_EVERY);
    }
}

/// The record that says that the key is in use.
fn recorded(runtime: &Runtime, client: &Client, key: &str) -> Option<u64> {
    let page: RecordPage = runtime
        .block_on(client.get("/v1/audit/records?kind=admin&limit=20"))
        .ok()?;
    let says_so = |record: &Value| {
        record.get("event").and_then(Value::as_str) == Some("pseudonym-key")
            && record.get("key").and_then(Value::as_str) == Some(key)
    };
    let mut found = page.records.iter();
    Some(found.find(|view| says_so(&view.record))?.seq)
}
