#!/usr/bin/env python3
"""Runs every static check, one line each; all of them run even if one fails, the failing ones end the report.

The output of a check is shown only when it fails. Started by `make check`, which made .venv first.
"""

import os
import subprocess
import sys
import time

import tree

VENV = tree.ROOT / ".venv/bin"
PYTHON = str(VENV / "python")


def checks() -> dict[str, list[str]]:
    """Name -> command. Quick ones first; the two that compile stand last."""
    scripts = [tree.name(path) for path in tree.shell_scripts()]
    rules = {
        f"house rule: {rule}": [PYTHON, "scripts/house_rules.py", rule]
        for rule in ("length", "leftovers", "machine-paths", "registries")
    }
    return {
        "format": ["cargo", "fmt", "--all", "--check"],
        "protobuf": [str(VENV / "buf"), "lint", "proto"],
        "shell": [str(VENV / "shellcheck"), *scripts],
        "python": [PYTHON, "-W", "error", "-m", "compileall", "-fq", "scripts", "tests/python"],
        "unused dependencies": [PYTHON, "scripts/unused_deps.py"],
        **rules,
        "clippy": ["cargo", "clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"],
        # `--workspace` selects the same features as `cargo test --workspace`, so that both share their build.
        "walls": ["cargo", "test", "--quiet", "--workspace", "--test", "walls"],
    }


def passes(name: str, command: list[str]) -> bool:
    began = time.monotonic()
    try:
        done = subprocess.run(
            command,
            cwd=tree.ROOT,
            env={**os.environ, "TERM": "dumb"},  # the output is read later, indented: no colours
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        good, output = done.returncode == 0, done.stdout
    except OSError as error:  # the tool itself is missing
        good, output = False, f"{error}\n"
    print(f"{'ok  ' if good else 'FAIL'} {name} ({time.monotonic() - began:.1f} s)", flush=True)
    if not good:
        print(f"     $ {' '.join(command)}\n" + "".join(f"     {line}\n" for line in output.splitlines()), flush=True)
    return good


def main() -> int:
    failed = [name for name, command in checks().items() if not passes(name, command)]
    if failed:
        print(f"{len(failed)} checks failed: {', '.join(failed)}")
        return 1
    print("all checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
