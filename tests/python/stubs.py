#!/usr/bin/env python3
"""Generates Python messages and clients from proto/ into tests/python/gen, as any user of tidegate would."""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROTO = HERE.parent.parent / "proto"
GENERATED = HERE / "gen"


def generate() -> int:
    """Replaces the stubs as a whole, so that a removed message does not live on. Returns protoc's exit code."""
    shutil.rmtree(GENERATED, ignore_errors=True)
    GENERATED.mkdir()
    sources = sorted(str(path.relative_to(PROTO)) for path in (PROTO / "tidegate").rglob("*.proto"))
    if not sources:
        print(f"no .proto file under {PROTO}", file=sys.stderr)
        return 1
    out = [f"--python_out={GENERATED}", f"--grpc_python_out={GENERATED}"]
    # The module, not protoc.main(): only the module adds Google's own protos to the path.
    return subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", *out, *sources]).returncode


if __name__ == "__main__":
    sys.exit(generate())
