"""The files of this repository, for the checks that read all of them.

Walks the directory instead of asking git, so that a tarball or a copy owned by another user is checked just
the same. What it leaves out is what .gitignore leaves out.
"""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_LEFT_OUT = {".git", "target", ".venv", "__pycache__", ".pytest_cache", "node_modules"}
_GENERATED = {ROOT / "tests/python/gen"}


def files(directory: Path = ROOT) -> Iterator[Path]:
    """Every file that belongs to the repository, in a stable order."""
    for path in sorted(directory.iterdir()):
        if path.is_symlink():
            continue
        if path.is_dir():
            if path.name not in _LEFT_OUT and path not in _GENERATED:
                yield from files(path)
        else:
            yield path


def text(path: Path) -> str | None:
    """The file as text, or None where it is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def name(path: Path) -> str:
    """The path as a reader of a report wants it: from the root of the repository."""
    return str(path.relative_to(ROOT))


def shell_scripts() -> list[Path]:
    """Files that a shell runs: by their ending or by their first line."""
    found = []
    for path in files():
        if path.suffix in {".sh", ".bash"}:
            found.append(path)
        elif path.suffix == "":
            first = (text(path) or "").partition("\n")[0]
            if first.startswith("#!") and first.rstrip().endswith(("sh", "bash")):
                found.append(path)
    return found
