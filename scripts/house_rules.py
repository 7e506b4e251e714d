#!/usr/bin/env python3
"""Rules of this house that no ready-made linter knows: length, leftovers, paths of one machine, registries.

    house_rules.py RULE     prints every breach as `file:line: what`, exits 1 if there is one
"""

import re
import sys
from collections.abc import Iterator

import tree

LINES_MAX = 600
"""A Rust file longer than this is two modules."""

# Written so that this file does not break its own rule.
_LEFTOVER = re.compile(r"\b(?:" + "|".join(["todo" + "!", "unimplemented" + "!", "dbg" + "!", "FIX" + "ME", "TO" + "DO"]) + ")")
_MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:work|root|home|Users)/")
_REGISTRY = re.compile(
    "|".join(
        [
            r"pypi" + r"\.org",
            r"pythonhosted" + r"\.org",
            r"(?:index|static)\.crates" + r"\.io",
            r"npmjs" + r"\.(?:org|com)",
            r"--(?:extra-)?index" + "-url",
            r"replace-" + "with",
        ]
    )
)
_LOCK_SOURCE = re.compile(r'^source = "(.*)"$')
_LOCK_SOURCE_ALLOWED = "registry+https://github.com/rust-lang/crates" + ".io-index"


def length() -> Iterator[str]:
    """No Rust file has more than LINES_MAX lines."""
    for path in tree.files():
        if path.suffix == ".rs":
            lines = len((tree.text(path) or "").splitlines())
            if lines > LINES_MAX:
                yield f"{tree.name(path)}: {lines} lines, at most {LINES_MAX}"


def leftovers() -> Iterator[str]:
    """Nothing unfinished and no debugging aid is left in the sources."""
    return _matches(_LEFTOVER, suffixes={".rs", ".proto", ".lua", ".py", ".sh", ".toml"})


def machine_paths() -> Iterator[str]:
    """Nothing refers to a directory of one person's or one builder's machine."""
    return _matches(_MACHINE_PATH)


def registries() -> Iterator[str]:
    """Where packages come from is the builder's setting: nothing here names a registry or replaces one."""
    yield from _matches(_REGISTRY)
    for number, line in enumerate((tree.text(tree.ROOT / "Cargo.lock") or "").splitlines(), start=1):
        source = _LOCK_SOURCE.match(line)
        if source and source[1] != _LOCK_SOURCE_ALLOWED:
            yield f"Cargo.lock:{number}: package from {source[1]}"


def _matches(pattern: re.Pattern[str], suffixes: set[str] | None = None) -> Iterator[str]:
    for path in tree.files():
        if suffixes is not None and path.suffix not in suffixes:
            continue
        for number, line in enumerate((tree.text(path) or "").splitlines(), start=1):
            if found := pattern.search(line):
                yield f"{tree.name(path)}:{number}: {found[0]}"


RULES = {"length": length, "leftovers": leftovers, "machine-paths": machine_paths, "registries": registries}


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] not in RULES:
        print(f"usage: house_rules.py {'|'.join(RULES)}", file=sys.stderr)
        return 64
    breaches = list(RULES[sys.argv[1]]())
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
