"""What the benches over SSH share: a real sshd, OpenSSH's own client, and content to carry."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tasks.content.copy_item import CopyItem, CopyResult
from tasks.content.place import beside_of, content_path
from tasks.content.scan import ContentFile, scan
from tasks.content.transfer import copy_files
from tasks.errors import ContentWrongError
from tasks.hosts.factory import HostAddress, open_host
from tasks.hosts.host import Host
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tests.bench.delay import delayed
from tests.bench.frame import require
from tests.support.bundles import write_content
from tests.support.sshd import Sshd, running_sshd

CIPHER = "aes128-gcm@openssh.com"
POWERSHELL = (sys.executable, str(Path(__file__).parents[1] / "hosts" / "interpreter.py"))


def write_large_file(content_dir: Path, size_bytes: int) -> None:
    """Write one file of random bytes."""
    write_content(content_dir, os.urandom(size_bytes), "esd")


def write_small_files(content_dir: Path, count: int) -> None:
    """Write files with log-normal sizes (median 17 kB), none larger than 4 MB."""
    draw = random.Random(count)
    for _ in range(count):
        size = min(4_000_000, max(1, round(draw.lognormvariate(9.7, 2.2))))
        write_content(content_dir, os.urandom(size))


@dataclass(frozen=True, slots=True)
class Line:
    """An sshd, and the port under which it is reached: its own, or that of a delaying proxy."""

    sshd: Sshd
    port: int

    def open(self) -> Host:
        """Make the product's host for the server, as a run makes it."""
        known_hosts = self.sshd.folder / f"known_hosts-{self.port}"
        pinned = self.sshd.known_hosts.read_text().replace(f":{self.sshd.port} ", f":{self.port} ")
        known_hosts.write_text(pinned)
        return open_host(
            HostAddress(
                address=f"ssh://{self.sshd.user}@127.0.0.1:{self.port}",
                identity_file=self.sshd.identity_file,
                known_hosts=known_hosts,
                powershell=POWERSHELL,
            )
        )

    def sftp(self, *commands: str) -> None:
        """Carry out commands with OpenSSH's client, with the same cipher as ours."""
        options = [
            "-c", CIPHER, "-P", str(self.port), "-i", str(self.sshd.identity_file),
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", "-q", "-b", "-",
            f"{self.sshd.user}@127.0.0.1",
        ]  # fmt: skip
        program = shutil.which("sftp")
        if program is None:
            raise SystemExit("bench: sftp is not installed; it is the peer of this bench")
        subprocess.run(
            [program, *options], input="\n".join(commands), text=True, check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip


@contextmanager
def line(folder: Path, *, round_trip_ms: int = 0) -> Iterator[Line]:
    """Run an sshd, with a delay in front of it if there is to be one."""
    with running_sshd(folder) as sshd:
        if not round_trip_ms:
            yield Line(sshd, sshd.port)
            return
        with delayed(sshd.port, round_trip_ms) as port:
            yield Line(sshd, port)


@dataclass(frozen=True, slots=True)
class Cargo:
    """A content folder on this machine, and its files as plan and manifest list them."""

    folder: Path
    files: tuple[ContentFile, ...]

    @classmethod
    def of(cls, folder: Path) -> Cargo:
        """List a content folder."""
        local = LocalHost()
        return cls(folder, tuple(scan(local, local.path(str(folder)))))

    @property
    def text(self) -> str:
        """Number of files and bytes."""
        size_bytes = sum(file.size_bytes for file in self.files)
        return f"{len(self.files)} files, {size_bytes / 1_048_576:.0f} MiB"

    def copy(self, source: Host, target: Host, target_dir: Path) -> list[CopyResult]:
        """Copy all files as "Pack volumes" and "Unpack bundle" do."""
        items = self._items(target, target.path(str(target_dir)))
        return [result for batch in copy_files(source, target, items) for result in batch]

    def _items(self, target: Host, root: HostPath) -> Iterator[CopyItem]:
        for folder, group in groupby(self.files, key=lambda file: file.name.folder):
            target.make_folder(root.joined(folder))
            for file in group:
                final = content_path(root, file.name)
                yield CopyItem(
                    (file.path,), file.size_bytes, file.name.digest,
                    beside=beside_of(final), final=final,
                )  # fmt: skip

    def require_in(self, folder: Path) -> None:
        """Require that a folder has exactly these files, by their own bytes and names."""
        names = {path.name for path in folder.rglob("*") if path.is_file()}
        require(names == {file.name.text for file in self.files}, "names are missing, or more")
        for file in self.files:
            with (folder / file.name.folder / file.name.text).open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha1").hexdigest().upper()
            require(digest == file.name.digest.hex, f"{file.name.text} has other bytes")


def spoilt_cargo(folder: Path) -> Cargo:
    """Write three files, and change one byte of the second one."""
    write_small_files(folder, 3)
    cargo = Cargo.of(folder)
    path = Path(cargo.files[1].path.text)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return cargo


def require_one_refused(results: list[CopyResult], target_dir: Path) -> None:
    """Require that the second of three files failed alone, and has no final name."""
    require([result.is_ok for result in results] == [True, False, True], "a flip went through")
    require(isinstance(results[1].error, ContentWrongError), "it failed for another reason")
    name = Path(results[1].item.sources[0].text).name
    require(not list(target_dir.rglob(name)), "wrong bytes have a final name")


def remove_tree(folder: Path) -> None:
    """Remove a folder, if it is there."""
    shutil.rmtree(folder, ignore_errors=True)
