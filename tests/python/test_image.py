"""The image: its last stage is built here for real, from a binary that is built already, and answers a call.

The first stage compiles, on a base image that comes from a registry, which no test may depend on.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

import harness
from tidegate.v1 import account_pb2, account_pb2_grpc

DOCKERFILE = harness.ROOT / "deploy/Dockerfile"
IMAGE = "localhost/tidegate:test"
USER = "65532"


class Builder:
    """buildah with storage of its own, so that a developer's own images are never touched."""

    def __init__(self, directory: Path) -> None:
        self.base = ["buildah", "--storage-driver", "vfs"]
        self.base += ["--root", str(directory / "storage"), "--runroot", str(directory / "run")]

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self.base, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout.strip()


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("image")


@pytest.fixture(scope="module")
def root(work: Path) -> Path:
    """The root directory of the image, as the first stage lays it out."""
    root = work / "built" / "image"
    binary = harness.TARGET / "debug" / "tidegate"
    subprocess.run([harness.ROOT / "deploy/image-root.sh", binary, root], check=True)
    return root


@pytest.fixture(scope="module")
def container(work: Path, root: Path) -> Iterator[tuple[Builder, str]]:
    """A container made from the image."""
    buildah = Builder(work)
    # The named context stands in for the stage of that name, which is then not built.
    stage = f"builder={root.parent}"
    buildah("bud", "--isolation", "chroot", "--build-context", stage, "-f", str(DOCKERFILE), "-t", IMAGE, str(harness.ROOT))
    name = buildah("from", IMAGE)
    yield buildah, name
    buildah("rm", name)


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([harness.ROOT / ".venv/bin/hadolint", DOCKERFILE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_there_is_one_program_and_no_shell(root: Path) -> None:
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    programs = {name for name in files if name.startswith(("bin/", "sbin/", "usr/bin/", "usr/sbin/"))}
    assert programs == {"usr/bin/tidegate"}
    others = {name for name in files - programs if not name.startswith(("lib/", "lib64/", "usr/lib"))}
    assert others == {"etc/passwd", "etc/group", "etc/nsswitch.conf", "etc/ssl/certs/ca-certificates.crt"}


def test_the_image_runs_as_nobody_special_and_starts_the_binary(container: tuple[Builder, str]) -> None:
    buildah, _ = container
    form = "{{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}} {{.OCIv1.Config.Cmd}}"
    assert buildah("inspect", "--type", "image", "--format", form, IMAGE) == f"{USER}:{USER} [/usr/bin/tidegate] [all]"


def _inside(process: harness.Process) -> int:
    """The process id of the binary inside of the container."""

    def find() -> int | None:
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                except OSError:  # it has just ended
                    continue
        for pid in parents:
            above = pid
            while above in parents and above != process.pid:
                above = parents[above]
            if above == process.pid:
                try:
                    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if command[0] == b"/usr/bin/tidegate":
                    return pid
        return None

    return harness.wait_until("the binary to run in its container", find)


def test_the_binary_in_the_container_answers_a_call(container: tuple[Builder, str], work: Path) -> None:
    buildah, name = container
    free = [f"--env=TIDEGATE__{table}__LISTEN=127.0.0.1:0" for table in ("GATEWAY", "ADMIN", "SANDBOX")]
    argv = [*buildah.base, "run", "--isolation", "chroot", *free, name, "/usr/bin/tidegate", "all"]
    process = harness.Process("container", argv, work)
    address = process.address("gateway", "grpc")
    pid = _inside(process)
    try:
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
        assert set(status["Uid"].split()) == {USER} and set(status["Gid"].split()) == {USER}
        assert int(status["CapEff"], 16) == 0
        with grpc.insecure_channel(address) as channel:
            account = account_pb2_grpc.AccountServiceStub(channel)
            reply = account.GetBalance(account_pb2.GetBalanceRequest(), timeout=20, wait_for_ready=True)
        assert reply.balances["XXBT"] == "100.0000000000"
    finally:
        os.kill(pid, signal.SIGTERM)
        process.wait()
    assert "stopped" in process.tail()
