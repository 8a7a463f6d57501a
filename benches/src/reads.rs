//! Prepared point reads: PostgreSQL directly, through a bare relay, and through the gateway with guards,
//! approval, masking and strict recording, in turns.

use almoner_audit::{VerifyStore, verify_store};
use anyhow::ensure;

use crate::bare::Bare;
use crate::options::Options;
use crate::pgbench::{Pgbench, Run, Target};
use crate::relay::Relay;
use crate::report::{Table, at_least, count, micros, plain};
use crate::sample::median;
use crate::world::{self, World};

const CLIENTS: [u32; 3] = [1, 8, 64];
/// Synced writes timed in each turn of one client: some hundredths of a second.
const WRITES: usize = 300;
/// Of a bare relay's throughput, at 64 clients.
const RATIO_TARGET: f64 = 0.6;
/// Of one synced write, for the latency added at one client.
const ADDED_TARGET: f64 = 1.5;

/// Measures them.
pub(crate) fn measure(options: &Options) -> anyhow::Result<Vec<Table>> {
    let world = World::start()?;
    world.prove_masking()?;
    let relay = Relay::start(world.database(None).port)?;
    let pgbench = Pgbench::new(&world::script())?;
    let targets = [
        world.database(None),
        world.database(Some(relay.port())),
        world.almoner(),
    ];
    let mut table = Table::new(
        "PostgreSQL: prepared point reads, masked",
        &[
            "clients",
            "direct",
            "relay",
            "Almoner",
            "Almoner / relay",
            "target",
            "verdict",
        ],
    );
    // Beside the gateway's own trail, so on the same disk.
    let folder = tempfile::tempdir()?;
    let mut bare = Bare::open(folder.path())?;
    let mut alone = Table::new(
        "PostgreSQL: what one client waits for",
        &["what", "measured", "target", "verdict"],
    );
    let mut writes = Vec::new();
    let mut least = 0.0;
    for clients in CLIENTS
        .into_iter()
        .filter(|clients| options.wants_clients(*clients))
    {
        eprintln!("  {clients} clients");
        let turns = turns(options, &pgbench, &targets, clients, &mut bare, &mut writes)?;
        let [direct, relayed, guarded] = turns.map(|runs| Middle::of(&runs));
        // Logins take their part of each turn.
        least += guarded.tps * options.turn().as_secs_f64() / 4.0;
        let ratio = guarded.tps / relayed.tps;
        let verdict = if clients == 64 {
            at_least(ratio, RATIO_TARGET)
        } else {
            plain(format!("{ratio:.2}"))
        };
        let cells = [
            clients.to_string(),
            direct.cell(),
            relayed.cell(),
            guarded.cell(),
        ];
        table.row(cells.into_iter().chain(verdict));
        if clients == 1 {
            waits(&mut alone, &relayed, &guarded, &writes);
        }
    }
    table.remark("Cells: transactions per second, latency at the median.");
    prove_recording(world, least)?;
    Ok(vec![table, alone])
}

/// Every target in turn, for so many rounds.
fn turns(
    options: &Options,
    pgbench: &Pgbench,
    targets: &[Target; 3],
    clients: u32,
    bare: &mut Bare,
    writes: &mut Vec<f64>,
) -> anyhow::Result<[Vec<Run>; 3]> {
    let mut runs = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..options.rounds() {
        for (target, runs) in targets.iter().zip(&mut runs) {
            runs.push(pgbench.run(target, clients, options.turn())?);
        }
        if clients == 1 {
            writes.extend(bare.single_writes(WRITES)?);
        }
    }
    Ok(runs)
}

/// The middle of several runs.
struct Middle {
    tps: f64,
    latency_us: f64,
}

impl Middle {
    fn of(runs: &[Run]) -> Self {
        Self {
            tps: median(runs.iter().map(|run| run.tps).collect()),
            latency_us: median(runs.iter().map(|run| run.latency_us).collect()),
        }
    }

    fn cell(&self) -> String {
        format!("{}, {}", count(self.tps), micros(self.latency_us))
    }
}

fn waits(table: &mut Table, relayed: &Middle, guarded: &Middle, writes: &[f64]) {
    let write = median(writes.to_vec());
    let added = guarded.latency_us - relayed.latency_us;
    let mut row =
        |what: &str, cells: [String; 3]| table.row([what.to_owned()].into_iter().chain(cells));
    row("one synced RocksDB write of 1 KiB", plain(micros(write)));
    row("added to a read, at the median", plain(micros(added)));
    row(
        "the same in synced writes",
        crate::report::at_most(added / write, ADDED_TARGET, " ×"),
    );
}

/// Stops the gateway and verifies what it recorded: the trail is whole, and nothing measured is missing.
fn prove_recording(mut world: World, least: f64) -> anyhow::Result<()> {
    world.gateway.stop()?;
    let trail = world.gateway.data_folder().join("audit");
    let report = verify_store(&trail, &VerifyStore::default(), &mut |_| ())?;
    ensure!(
        report.failures_total == 0,
        "the trail of the run does not verify"
    );
    let records = report.records;
    let least = format!("{least:.0}").parse::<u64>()?;
    ensure!(
        records >= least,
        "the trail has {records} records of more than {least} exchanges"
    );
    eprintln!("  the trail has {records} records and verifies");
    Ok(())
}
