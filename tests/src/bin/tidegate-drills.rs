//! `make drills`: the long proofs in full. Writes `docs/PROOFS.md` with commit, machine and figures, and ends with 1 when
//! a proof fails. With names of drills as arguments it runs these alone and writes nothing.

use std::fmt::Write as _;
use std::path::Path;
use std::pin::Pin;
use std::process::{Command, ExitCode};
use std::time::Duration;

use tidegate_tests::cancels::{self, Obstacle, Processes};
use tidegate_tests::chaos::{self, Faults, StoreKind, reasons};
use tidegate_tests::fuzzing;
use tidegate_tests::orders::{self, Size};
use tidegate_tests::rolling;
use tidegate_tests::takeover::{self, Going};
use tidegate_tests::throughput::{self, Keys};
use tokio::task::LocalSet;

/// Rolling restarts of each deployment.
const ROLLS: usize = 20;
/// How long the calm run goes on.
const CALM: Duration = Duration::from_secs(60);
/// Owners that are killed, and owners that hand over.
const CHANGES: usize = 50;
/// How long calls are counted.
const THROUGHPUT: Duration = Duration::from_secs(20);
/// How long each target is fuzzed.
const FUZZING: Duration = Duration::from_secs(300);
const OUTAGE_MINUTES: usize = 10;
/// Failures of a proof that are shown.
const SHOWN_MAX: usize = 20;

/// What came of a drill: figures, and what must not have been.
type Outcome = anyhow::Result<(String, Vec<String>)>;

/// One drill.
struct Drill {
    /// As an argument names it.
    name: &'static str,
    title: &'static str,
    promise: &'static str,
    /// Mostly waits, and disturbs nobody: it is run while the others are.
    beside: bool,
    run: fn() -> Pin<Box<dyn Future<Output = Outcome>>>,
}

/// One drill that was run.
struct Proof {
    drill: &'static Drill,
    figures: String,
    failures: Vec<String>,
}

static DRILLS: [Drill; 11] = [
    Drill {
        name: "rolling",
        title: "Rolling restarts under load",
        promise: "every failed call carries the mark \"not executed\"; the exchange refuses no nonce; every process ends \
                  with code 0 in its grace period",
        beside: false,
        run: || {
            Box::pin(async {
                let figures = rolling::restarts(ROLLS).await?;
                Ok((figures.line() + &reasons(&figures.told), figures.failures()))
            })
        },
    },
    Drill {
        name: "calm",
        title: "Steady load, nothing goes wrong",
        promise: "the exchange refuses no nonce",
        beside: false,
        run: || Box::pin(chaos(StoreKind::Sentinels, Faults::none(CALM))),
    },
    Drill {
        name: "chaos",
        title: "Everything at once",
        promise: "no two requests use one nonce; every refused nonce is explained by an abandonment, a takeover or a copy; \
                  no caller sees one; every Status carries our mark or is the client's own; orders are what their callers \
                  were told; all lanes are open again without an operator",
        beside: false,
        run: || Box::pin(chaos(StoreKind::Sentinels, Faults::FULL)),
    },
    Drill {
        name: "promotion",
        title: "Everything at once, with promotions that lose acknowledged writes",
        promise: "the same, although each promoted replica lacks the last second and the old primary goes on for another",
        beside: false,
        run: || Box::pin(chaos(StoreKind::Pair, Faults::FULL)),
    },
    Drill {
        name: "orders",
        title: "Orders under every fault of the exchange",
        promise: "with each fault of the exchange on one order of twenty, and executors killed where it hurts, what callers were \
                  told equals the exchange's log as sets: every order told accepted was executed once, none told never executed \
                  was, and nobody is without a last word 100 s after the last fault",
        beside: false,
        run: || {
            Box::pin(async {
                let figures = orders::run(Size::FULL).await?;
                Ok((figures.report(), figures.failures))
            })
        },
    },
    Drill {
        name: "takeover",
        title: "Takeover after a crash",
        promise: "99 of 100 times the first call is answered by the new owner within 6 s of the kill",
        beside: false,
        run: || Box::pin(changes_of_owner(Going::Killed, 6_000)),
    },
    Drill {
        name: "handover",
        title: "Planned hand-over",
        promise: "between the last call of the old owner and the first of the new one are at most 100 ms and two exchange round \
                  trips; no call fails",
        beside: false,
        run: || Box::pin(changes_of_owner(Going::Asked, 100 + 2 * takeover::EXCHANGE_DELAY_MS)),
    },
    Drill {
        name: "cancels",
        title: "Cancels past everything",
        promise: "at an exchange of 50 ms, 9 of 10 cancels leave within one exchange delay while 700 calls queue, within 1.1 s \
                  while the call in flight hangs for ever, and within 5 ms with a spare lane",
        beside: false,
        run: || Box::pin(cancels()),
    },
    Drill {
        name: "throughput",
        title: "Throughput at an exchange of 50 ms",
        promise: "60 callers: 8 keys without a window at least 150 calls/s (the limit is 160), 1 key with a window of 10 s at \
                  least 1,000 calls/s; no nonce is refused",
        beside: false,
        run: || Box::pin(throughput()),
    },
    Drill {
        name: "fuzz",
        title: "Fuzzers at what reads and writes",
        promise: "whatever bytes come, replies, forms and configurations are read or refused as `tests/fuzzed` says: nothing panics, a form \
                  read back is the order, no amount passes through a float, and each refusal names a field or a place",
        beside: false,
        run: || {
            Box::pin(async {
                let figures = fuzzing::run(FUZZING).await?;
                Ok((figures.line(), figures.failures()))
            })
        },
    },
    Drill {
        name: "outage",
        title: "Redis away for ten minutes",
        promise: "a cancel succeeds in each minute, also through a gateway and an executor that were started meanwhile; orders \
                  go on when it is back",
        beside: true,
        run: || Box::pin(outages()),
    },
];

/// Two at once, which halves the time: each is mostly waiting.
async fn changes_of_owner(going: Going, bound_ms: u64) -> Outcome {
    let (one, two) =
        tokio::join!(takeover::measure(going, CHANGES / 2), takeover::measure(going, CHANGES / 2));
    let figures = one?.and(two?);
    let mut failures: Vec<_> = figures.nonces.failures().cloned().collect();
    if figures.at(99) > bound_ms {
        failures.push(format!("p99 is {} ms, the bound is {bound_ms} ms", figures.at(99)));
    }
    if going == Going::Asked {
        failures.extend(figures.failed.keys().cloned());
    }
    Ok((figures.line(), failures))
}

async fn outages() -> Outcome {
    let minute = Duration::from_secs(60);
    let (running, started) = tokio::join!(
        cancels::outage(Processes::Run, OUTAGE_MINUTES, minute),
        cancels::outage(Processes::StartMeanwhile, OUTAGE_MINUTES, minute)
    );
    let (running, started) = (running?, started?);
    let all = [&running, &started];
    let failures = all.iter().flat_map(|outage| outage.failed.iter().chain(outage.nonces.failures()));
    Ok((format!("{}; {}", running.line(), started.line()), failures.cloned().collect()))
}

async fn cancels() -> Outcome {
    let (mut text, mut failures) = (Vec::new(), Vec::new());
    for (obstacle, times) in [(Obstacle::Queue, 30), (Obstacle::Hung, 10), (Obstacle::SpareLane, 30)] {
        let figures = cancels::measure(obstacle, times).await?;
        text.push(figures.line());
        failures.extend(figures.nonces.failures().cloned());
        if figures.at(90) > figures.bound() {
            failures.push(format!("{}: the bound is {} us", figures.line(), figures.bound().as_micros()));
        }
    }
    Ok((text.join("; "), failures))
}

async fn throughput() -> Outcome {
    let (mut text, mut failures) = (Vec::new(), Vec::new());
    for (keys, bound) in
        [(Keys { count: 8, window_us: 0 }, 150), (Keys { count: 1, window_us: 10_000_000 }, 1_000)]
    {
        let figures = throughput::measure(keys, THROUGHPUT).await?;
        text.push(figures.line());
        failures.extend(figures.nonces.failures().cloned());
        if figures.nonces.refused() > 0 || !figures.failed.is_empty() || figures.calls_per_s < bound {
            failures.push(format!("{}: the bound is {bound} calls/s; {:?}", figures.line(), figures.failed));
        }
    }
    Ok((text.join("; "), failures))
}

async fn chaos(kind: StoreKind, faults: Faults) -> Outcome {
    let figures = chaos::run(kind, faults).await?;
    Ok((figures.line() + &reasons(&figures.told), figures.failures()))
}

impl Proof {
    fn text(&self) -> String {
        let Self { drill, figures, failures } = self;
        let verdict = if failures.is_empty() { "holds" } else { "FAILS" };
        let mut text = format!(
            "\n## {}: {verdict}\n\nPromise: {}.\n\nMeasured: {figures}.\n",
            drill.title, drill.promise
        );
        for failure in failures.iter().take(SHOWN_MAX) {
            let _ = write!(text, "\nFAILED: {failure}\n");
        }
        text
    }
}

/// One after the other, but those that disturb nobody, which begin first and end last.
async fn prove_all(drills: Vec<&'static Drill>) -> Vec<Proof> {
    let (beside, others): (Vec<_>, Vec<_>) = drills.into_iter().partition(|drill| drill.beside);
    let beside: Vec<_> = beside.into_iter().map(|drill| tokio::task::spawn_local(prove(drill))).collect();
    let mut proofs = Vec::new();
    for drill in others {
        proofs.push(prove(drill).await);
    }
    for running in beside {
        // A drill that falls over says so in its proof.
        proofs.extend(running.await);
    }
    proofs
}

async fn prove(drill: &'static Drill) -> Proof {
    // In a task of its own, so that one that falls over does not take the others with it.
    let ended = tokio::task::spawn_local((drill.run)()).await.unwrap_or_else(|error| Err(error.into()));
    let proof = match ended {
        Ok((figures, failures)) => Proof { drill, figures, failures },
        Err(error) => Proof {
            drill,
            figures: "nothing".to_owned(),
            failures: vec![format!("could not be carried out: {error:#}")],
        },
    };
    #[expect(clippy::print_stderr, reason = "a run that is cut short was not in vain")]
    {
        eprintln!("{}", proof.text());
    }
    proof
}

fn first_line_of(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}

fn field(file: &str, name: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map_or("unknown", |(_, value)| value.trim()).to_owned()
}

fn report(proofs: &[Proof]) -> String {
    let dirty = if first_line_of("git", &["status", "--porcelain", "--untracked-files=no"]) == "unknown" {
        ""
    } else {
        ", with changes that were not committed"
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let mut text = format!(
        "# Proofs\n\nWritten by `make drills`, which runs the long proofs in full against real processes.\n\n\
         - Commit: {}{dirty}\n- Day: {day}\n- Machine: {cores} cores, {}, {} of memory, Linux {}\n",
        first_line_of("git", &["rev-parse", "HEAD"]),
        field("/proc/cpuinfo", "model name"),
        field("/proc/meminfo", "MemTotal"),
        first_line_of("uname", &["-r"]).split('-').next().unwrap_or_default(),
    );
    for proof in proofs {
        text.push_str(&proof.text());
    }
    text
}

#[tokio::main]
async fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let known = |name: &String| DRILLS.iter().any(|drill| drill.name == name);
    let is_wanted = |drill: &&'static Drill| wanted.is_empty() || wanted.iter().any(|n| n == drill.name);
    let proofs = if wanted.iter().all(known) {
        LocalSet::new().run_until(prove_all(DRILLS.iter().filter(is_wanted).collect())).await
    } else {
        Vec::new()
    };
    let text = report(&proofs);
    let file = Path::new("docs/PROOFS.md");
    let written = match wanted[..] {
        [] => std::fs::create_dir_all("docs").and_then(|()| std::fs::write(file, &text)),
        _ => Ok(()),
    };
    #[expect(clippy::print_stdout, reason = "a report for whoever ran the drills")]
    {
        println!("{text}");
        if proofs.is_empty() {
            let names: Vec<_> = DRILLS.iter().map(|drill| drill.name).collect();
            println!("the drills are: {}", names.join(" "));
        }
        if let Err(error) = &written {
            println!("{} could not be written: {error}", file.display());
        }
    }
    if written.is_ok() && !proofs.is_empty() && proofs.iter().all(|proof| proof.failures.is_empty()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
