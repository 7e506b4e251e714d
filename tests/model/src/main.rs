//! Runs every search and prints a line for each. `tidegate-model [part of a name ...] [-t]`; `-t` adds the shortest trace.

use std::io::Write as _;
use std::process::ExitCode;

use tidegate_model::search::{Outcome, search, shortest};
use tidegate_model::variants::{Variant, all};

/// Above every search of the table.
const VISITS_MAX: usize = 60_000_000;

fn main() -> std::io::Result<ExitCode> {
    let (flags, parts): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|a| a.starts_with('-'));
    let mut out = std::io::stdout().lock();
    let mut wrong = 0;
    for variant in all() {
        if !parts.is_empty() && !parts.iter().any(|part| variant.name.contains(part.as_str())) {
            continue;
        }
        let outcome = search(variant.config, variant.until(), VISITS_MAX);
        let expected = variant.agrees(&outcome);
        wrong += usize::from(!expected);
        let mark = if expected { "  " } else { "! " };
        writeln!(out, "{mark}{}", line(&variant, &outcome))?;
        if flags.iter().any(|flag| flag == "-t") {
            for property in &outcome.broken {
                writeln!(out, "     {property}:")?;
                for step in shortest(variant.config, property) {
                    writeln!(out, "       {step}")?;
                }
            }
        }
        out.flush()?;
    }
    writeln!(out, "{wrong} searches did not find what the table expects")?;
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(variant: &Variant, outcome: &Outcome) -> String {
    let mut result = match (outcome.broken.is_empty(), outcome.complete) {
        (true, true) => "holds".to_owned(),
        (true, false) => "GIVEN UP: too many states".to_owned(),
        (false, _) => format!("breaks: {}", outcome.broken.join(", ")),
    };
    if !outcome.unseen.is_empty() {
        result += &format!(" (never {})", outcome.unseen.join(", "));
    }
    if !variant.note.is_empty() {
        result += &format!(" -- {}", variant.note);
    }
    format!("{:<50} {:>9} states, depth {:>2}  {result}", variant.name, outcome.states, outcome.depth)
}
