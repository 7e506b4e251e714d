#!/usr/bin/env python3
"""Finds declared dependencies that no source names.

Reads the manifests and searches the sources for the crate as a path (`name::`) or in a `use`. A dependency of
`[dependencies]` must be named in `src/`: one that only tests name belongs in `[dev-dependencies]`. Crates that
only generated code names are listed below with the reason; an entry that is not needed is an error too.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import tree

ALLOWED = {
    ("tidegate-proto", "tonic"): "the generated clients and servers name it",
    ("tidegate-proto", "tonic-prost"): "the generated services name its codec",
}
"""(package, dependency) -> why no source of ours names it."""

TEST_PACKAGES = {"tidegate-tests"}
"""Packages whose whole content is tests: `[dependencies]` may be named anywhere in them."""


def sources(package: Path, table: str, anywhere: bool) -> Iterator[Path]:
    """The Rust files in which a dependency of this table may be named."""
    if table == "build-dependencies":
        yield from package.glob("build.rs")
        yield from package.glob("build/**/*.rs")
        return
    directories = ["src"] if table == "dependencies" and not anywhere else ["src", "tests", "benches", "examples"]
    for directory in directories:
        yield from (package / directory).rglob("*.rs")
    if anywhere:
        yield from (path for path in package.rglob("*.rs") if "target" not in path.parts)


def names(code: str, crate: str) -> bool:
    """Whether code, comments apart, names the crate."""
    code = re.sub(r"(?<!:)//.*$", "", code, flags=re.MULTILINE)
    return re.search(rf"(?<![\w:]){crate}(?:::|\s*;|\s+as\s)|\buse\s+(?:::)?{crate}\b", code) is not None


def tables(manifest: dict) -> Iterator[tuple[str, dict]]:
    """All dependency tables of a manifest, those of single platforms included."""
    for holder in [manifest, *manifest.get("target", {}).values()]:
        for table in ("dependencies", "dev-dependencies", "build-dependencies"):
            yield table, holder.get(table, {})


def problems() -> Iterator[str]:
    workspace = tomllib.loads((tree.ROOT / "Cargo.toml").read_text())["workspace"]
    unclaimed = set(workspace["dependencies"])
    excused = set()
    for member in workspace["members"]:
        package = tree.ROOT / member
        manifest = tomllib.loads((package / "Cargo.toml").read_text())
        package_name = manifest["package"]["name"]
        for table, dependencies in tables(manifest):
            code = [path.read_text() for path in sources(package, table, package_name in TEST_PACKAGES)]
            for dependency in dependencies:
                unclaimed.discard(dependency)
                if any(names(text, dependency.replace("-", "_")) for text in code):
                    continue
                if table == "dependencies" and (package_name, dependency) in ALLOWED:
                    excused.add((package_name, dependency))
                    continue
                yield f"{member}/Cargo.toml: [{table}] {dependency} is not named in any source"
    for dependency in sorted(unclaimed):
        yield f"Cargo.toml: [workspace.dependencies] {dependency} is used by no member"
    for package_name, dependency in sorted(set(ALLOWED) - excused):
        yield f"scripts/unused_deps.py: the exception ({package_name}, {dependency}) is not needed"


def main() -> int:
    found = list(problems())
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
