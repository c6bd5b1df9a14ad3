"""One folder from which a machine without a network installs the product.

    python3 deploy/run.py wheelhouse DIR [--python 3.11,3.12,3.13] [--platform linux,windows]
                                         [--key release.key]

It holds every wheel of the lock that any patch release of these Pythons may need on these systems,
the checkout as an archive, ``SHA256SUMS``, its signature, and ``install.sh`` and ``install.ps1``,
which check all that first. A Linux machine makes the folder for Windows too: pip evaluates markers
for the machine that it runs on, so the markers are evaluated here, and pip gets lines without any.

The signature is RSA with SHA-256, because OpenSSL and Windows PowerShell 5.1 verify it with what
every system has. The key is made at its first use; carry its public half another way.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from packaging.markers import Marker

DEPLOY = Path(__file__).resolve().parent
ROOT = DEPLOY.parent
_FILES = DEPLOY / "wheelhouse_files"
_KEY_BITS = 3072
_PATCH_RELEASES = 40
_GLIBC = ("manylinux_2_{}_x86_64", range(34, 4, -1))
_OLD_GLIBC = ("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64")
# The tags of wheels that run there, and how markers see that system.
_TAGS: Mapping[str, tuple[str, ...]] = {
    "linux": (*(_GLIBC[0].format(minor) for minor in _GLIBC[1]), *_OLD_GLIBC, "linux_x86_64"),
    "windows": ("win_amd64",),
}
_SYSTEMS: Mapping[str, dict[str, str]] = {
    "linux": {
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": "x86_64",
    },
    "windows": {
        "sys_platform": "win32",
        "platform_system": "Windows",
        "os_name": "nt",
        "platform_machine": "AMD64",
    },
}
_REQUIREMENT = re.compile(r"^[A-Za-z0-9][^\n]*\n(?:[ \t]+[^\n]*\n)*", re.MULTILINE)


class WheelhouseError(Exception):
    """The folder could not be made; the text says why, and what now."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A line of the lock: ``name==version``, its marker or None, and its hashes."""

    pin: str
    marker: str | None
    hashes: tuple[str, ...]

    def may_hold(self, python: str, platform: str) -> bool:
        """Return True if the marker holds for any patch release of a Python on a system."""
        if self.marker is None:
            return True
        marker = Marker(self.marker)
        return any(
            marker.evaluate(_environment(python, patch, platform))
            for patch in range(_PATCH_RELEASES)
        )

    def line(self) -> str:
        """The line for pip, without the marker."""
        return " ".join([self.pin, *(f"--hash={digest}" for digest in self.hashes)])


def _environment(python: str, patch: int, platform: str) -> dict[str, str]:
    return {
        **_SYSTEMS[platform],
        "python_version": python,
        "python_full_version": f"{python}.{patch}",
        "implementation_name": "cpython",
        "implementation_version": f"{python}.{patch}",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_version": "",
        "extra": "",
    }


def read_lock(text: str) -> list[Requirement]:
    """Read the requirements of a lock file."""
    return [_requirement(entry) for entry in _REQUIREMENT.findall(text)]


def _requirement(entry: str) -> Requirement:
    joined = entry.replace("\\\n", " ").strip()
    head = joined.partition("--hash=")[0].strip()
    pin, _, marker = (part.strip() for part in head.partition(";"))
    return Requirement(pin, marker or None, tuple(re.findall(r"--hash=(\S+)", joined)))


def make_wheelhouse(
    folder: Path, *, root: Path, pythons: Sequence[str], platforms: Sequence[str], key: Path | None
) -> None:
    """Make the folder; it gets its name only when it is whole.

    Args:
        folder: The folder, which must not be there yet.
        root: The checkout.
        pythons: Minor releases, such as ``3.12``.
        platforms: Names of ``_SYSTEMS``.
        key: Private key for the signature, made if it is not there; None: no signature.

    Raises:
        WheelhouseError: The folder exists, a package cannot be had, or git has no archive.
    """
    if folder.exists():
        raise WheelhouseError(f"{folder} exists already. Name a new folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        _archive(root, partial / "checkout.zip")
        wheels = partial / "wheels"
        wheels.mkdir()
        lock = read_lock((root / "deploy" / "requirements.lock").read_text(encoding="utf-8"))
        for platform in platforms:
            for python in pythons:
                wanted_lines = [line for line in lock if line.may_hold(python, platform)]
                _download(wanted_lines, wheels, python=python, platform=platform)
        for name in ("install.sh", "install.ps1"):
            shutil.copy(_FILES / name, partial / name)
        _write_sums(partial)
        if key is not None:
            _sign(partial / "SHA256SUMS", key)
        partial.chmod(0o755)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _archive(root: Path, target: Path) -> None:
    """Write what git has committed; an uncommitted lock would not fit the wheels."""
    git = ["git", "-C", str(root)]
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--untracked-files=no"],
        capture_output=True,
        text=True,
        check=False,
    )
    if changed.returncode or changed.stdout.strip():
        first = (changed.stdout or changed.stderr).strip().splitlines()[0]
        raise WheelhouseError(
            f"the checkout {root} is not as it was committed ({first}). Commit, or use a fresh "
            "clone: the archive and the wheels have to fit together."
        )
    command = [*git, "archive", "--format=zip", f"--output={target}", "HEAD"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise WheelhouseError(f"git archive: {made.stderr.strip()}")


def _download(lines: Iterable[Requirement], wheels: Path, *, python: str, platform: str) -> None:
    """Have pip fetch the wheels of one Python on one system, proved by the lock's hashes."""
    with tempfile.TemporaryDirectory() as scratch:
        requirements = Path(scratch) / "requirements.txt"
        requirements.write_text("".join(f"{line.line()}\n" for line in lines), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
        command += ["--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
        command += ["--implementation", "cp", "--python-version", python]
        tag = f"cp{python.replace('.', '')}"
        for abi in (tag, "abi3", "none"):
            command += ["--abi", abi]
        for system in _TAGS[platform]:
            command += ["--platform", system]
        command += ["--requirement", str(requirements), "--dest", str(wheels)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-4:])
        raise WheelhouseError(f"wheels for Python {python} on {platform}:\n{last}")
    print(f"Python {python} on {platform}: complete", flush=True)


def _write_sums(folder: Path) -> None:
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    lines = [f"{_sha256(folder / name)}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8", newline="\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sign(sums: Path, key_file: Path) -> None:
    if not key_file.exists():
        _make_key(key_file)
    key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise WheelhouseError(f"{key_file} is no RSA key. Name another file; it is made then.")
    signature = key.sign(sums.read_bytes(), padding.PKCS1v15(), hashes.SHA256())
    sums.with_name("SHA256SUMS.sig").write_bytes(signature)


def _make_key(path: Path) -> None:
    """Make a key for signatures, and its public half for OpenSSL and for .NET beside it."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=_KEY_BITS)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(private)
    public = key.public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    path.with_suffix(".pub.pem").write_bytes(pem)
    numbers = public.public_numbers()
    modulus, exponent = (
        b64encode(number.to_bytes((number.bit_length() + 7) // 8)).decode()
        for number in (numbers.n, numbers.e)
    )
    xml = f"<RSAKeyValue><Modulus>{modulus}</Modulus><Exponent>{exponent}</Exponent></RSAKeyValue>"
    path.with_suffix(".pub.xml").write_text(f"{xml}\n", encoding="ascii")


def main() -> int:
    """Make the folder that the arguments name."""
    parser = argparse.ArgumentParser(prog="run.py wheelhouse", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="the folder to make")
    parser.add_argument("--python", default="3.11,3.12,3.13", help="minor releases, with commas")
    parser.add_argument("--platform", default="linux,windows", help="linux, windows or both")
    parser.add_argument("--key", type=Path, help="private key for the signature; made if missing")
    given = parser.parse_args()
    pythons, platforms = given.python.split(","), given.platform.split(",")
    if unknown := set(platforms) - _SYSTEMS.keys():
        parser.error(f"--platform knows linux and windows, not {', '.join(sorted(unknown))}")
    if odd := [python for python in pythons if not re.fullmatch(r"3\.\d{1,2}", python)]:
        parser.error(f"--python takes minor releases such as 3.12, not {', '.join(odd)}")
    try:
        make_wheelhouse(
            given.folder.absolute(), root=ROOT, pythons=pythons, platforms=platforms, key=given.key
        )
    except (WheelhouseError, OSError) as error:
        print(f"wheelhouse: {error}", file=sys.stderr)
        return 1
    print(f"{given.folder.absolute()}: carry it whole, then run install.sh or install.ps1 there")
    if given.key is not None:
        print(f"Carry {given.key.with_suffix('.pub.pem')} and .pub.xml another way.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
