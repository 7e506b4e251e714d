"""The strategy in the README is a program that works, not a picture of one."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import harness

README = harness.ROOT / "README.md"
DEFAULT_ADDRESS = "127.0.0.1:50051"


def strategy() -> str:
    """The first Python block of the README."""
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert blocks, "the README has no ```python block"
    return blocks[0]


def test_the_strategy_of_the_readme_runs(all_in_one: harness.Process, tmp_path: Path) -> None:
    code = strategy()
    assert DEFAULT_ADDRESS in code, f"the strategy should speak to {DEFAULT_ADDRESS}, where `make run` listens"
    assert len([line for line in code.splitlines() if line.strip()]) <= 20

    file = tmp_path / "strategy.py"
    file.write_text(code.replace(DEFAULT_ADDRESS, all_in_one.address("gateway", "grpc")), encoding="utf-8")
    stubs = {**os.environ, "PYTHONPATH": str(harness.ROOT / "tests/python/gen")}
    run = subprocess.run(
        [sys.executable, str(file)], env=stubs, capture_output=True, text=True, timeout=harness.DEADLINE_S
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.strip(), "a strategy that prints nothing shows nothing"

    with urllib.request.urlopen(f"http://{all_in_one.address('sandbox', 'rest')}/sandbox/log") as reply:
        done = {entry["endpoint"] for entry in json.load(reply)["entries"] if entry["executed"]}
    assert "AddOrder" in done, "the exchange saw no order of the strategy"
