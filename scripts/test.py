#!/usr/bin/env python3
"""Runs every test, Rust and Python, and ends with one true line: `N passed, N failed`.

A test that did not run is not a success. Skipped and ignored tests, a test program that died before its
result, and a stage that could not start are each named and counted as failed.
Started by `make test`, which made .venv first.
"""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

import tree

PYTHON = str(tree.ROOT / ".venv/bin/python")
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", tree.ROOT / "target"))
_CARGO_RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Tally:
    """What came out so far. `remarks` says in words what `failed` holds beside plain failures."""

    passed: int = 0
    failed: int = 0
    remarks: list[str] = field(default_factory=list)

    def add(self, stage: str, exit_code: int, passed: int, failed: int, skipped: int) -> None:
        """Counts one stage of tests."""
        self.passed += passed
        self.failed += failed + skipped
        if skipped:
            self.remarks.append(f"{stage}: {skipped} skipped or ignored; a test that did not run counts as failed")
        if passed + failed + skipped == 0:
            self.broken(f"{stage}: no test ran (exit code {exit_code})")
        elif exit_code != 0 and failed == 0:
            self.broken(f"{stage}: exit code {exit_code} though no test reports a failure")

    def broken(self, remark: str) -> None:
        """Counts a stage that gave no result of its own as one failure."""
        self.failed += 1
        self.remarks.append(remark)


def run(*command: str) -> tuple[int, list[str]]:
    """Runs a command, shows its output as it comes, and returns its exit code and lines."""
    print(f"\n$ {' '.join(command)}", flush=True)
    lines = []
    try:
        with subprocess.Popen(
            command, cwd=tree.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process:
            for line in process.stdout or ():
                sys.stdout.write(line)
                sys.stdout.flush()
                lines.append(_COLOUR.sub("", line))
    except OSError as error:
        print(error)
        return 127, lines
    return process.returncode, lines


def rust(tally: Tally, stage: str, *which: str) -> None:
    """Tests of the workspace, documentation examples included."""
    exit_code, lines = run("cargo", "test", *which)
    results = [[int(n) for n in found.groups()] for line in lines if (found := _CARGO_RESULT.match(line))]
    passed, failed, ignored = (sum(column) for column in zip(*results)) if results else (0, 0, 0)
    tally.add(stage, exit_code, passed, failed, ignored)
    # With --no-fail-fast cargo names the programs that failed; one that died left no result line behind.
    for line in lines:
        if line.startswith("error: test failed") or "process didn't exit successfully" in line:
            tally.remarks.append(line.strip())


def python(tally: Tally) -> None:
    """The Python suite, with fresh stubs, against the binary that was built first."""
    exit_code, _ = run(PYTHON, "tests/python/stubs.py")
    if exit_code != 0:
        tally.broken(f"Python stubs: exit code {exit_code}")
        return
    report = TARGET / "pytest.xml"
    report.unlink(missing_ok=True)
    exit_code, _ = run(PYTHON, "-m", "pytest", "tests/python", f"--junit-xml={report}")
    passed = failed = skipped = 0
    if report.exists():
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            passed += int(suite.get("tests", 0)) - bad - int(suite.get("skipped", 0))
            failed += bad
            skipped += int(suite.get("skipped", 0))
    tally.add("pytest", exit_code, passed, failed, skipped)


def main() -> int:
    tally = Tally()
    # Most tests wait for processes, clocks and the exchange: with one for each core the cores stand idle half the time.
    os.environ.setdefault("RUST_TEST_THREADS", str(2 * (os.cpu_count() or 1)))
    # The tests start the real binary, so it comes first. Built with all targets it gets the same features as
    # what `cargo test` builds, so that nothing is compiled twice.
    exit_code, _ = run("cargo", "build", "--workspace", "--all-targets")
    if exit_code == 0:
        rust(tally, "cargo test", "--workspace", "--no-fail-fast")
        python(tally)
        # Last, because it builds the lanes anew with a feature that takes guards away: no other test may meet that build.
        rust(tally, "guard mutants", "-p", "tidegate-sim", "--features", "mutants", "--test", "mutants", "--", "--nocapture")
    else:
        tally.broken(f"cargo build: exit code {exit_code}; no test was started")
    print()
    for remark in tally.remarks:
        print(remark)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
