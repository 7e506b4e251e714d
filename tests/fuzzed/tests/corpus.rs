//! What fuzzers were started with and what they found, without a fuzzer.

use std::path::Path;

use tidegate_fuzzed::TARGETS;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus");

/// How often each input is changed.
const PLACES: usize = 64;

#[test]
fn every_kept_input_goes_through_its_target() {
    for (name, target) in TARGETS {
        let files: Vec<_> = std::fs::read_dir(Path::new(CORPUS).join(name)).expect("a corpus").collect();
        assert!(files.len() > 5, "the corpus of {name} has {} files", files.len());
        for file in files {
            let path = file.expect("a file").path();
            let data = std::fs::read(&path).expect("readable");
            let run = std::panic::catch_unwind(|| target(&data));
            assert!(run.is_ok(), "{} breaks a property of {name}", path.display());
            // Cut short and with one byte changed, as a fuzzer would begin.
            for at in (0..data.len()).step_by(data.len() / PLACES + 1) {
                target(&data[..at]);
                let mut other = data.clone();
                other[at] ^= 1 << (at % 8);
                target(&other);
            }
        }
    }
}

#[test]
fn every_corpus_has_a_target_and_every_target_a_program() {
    let mut corpora: Vec<_> = std::fs::read_dir(CORPUS)
        .expect("the corpora")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    corpora.sort();
    let mut names = TARGETS.map(|(name, _)| name);
    names.sort_unstable();
    assert_eq!(corpora, names);
    for name in names {
        let program = Path::new(CORPUS).join(format!("../fuzz_targets/{name}.rs"));
        let text = std::fs::read_to_string(&program).expect("a program");
        assert!(text.contains(&format!("tidegate_fuzzed::{name}(data)")), "{name}");
    }
}
