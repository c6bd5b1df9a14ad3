"""The first command: makes the environment, then runs a command of the product in it.

    python3 deploy/run.py demo            the crossings of two months on simulated servers
    python3 deploy/run.py test            all checks and tests, after installing what they need
    python3 deploy/run.py test -k seal    only the tests that pytest picks with these arguments
    python3 deploy/run.py bench NAME…     measure the named benches, or all, against their peers
    python3 deploy/run.py wheelhouse DIR  one folder for an installation without a network
    python3 deploy/run.py COMMAND …       the same as `wsus-airgap COMMAND …` in the environment

Only the standard library is used here. A call with the environment ready reads two small files
and hands over. The environment is ``.venv`` in the checkout, or the folder that WSUS_AIRGAP_VENV
names. The installation may be interrupted, and may be started twice at once: it locks a file
beside the environment, and it discards the remains of an interrupted installation.

An installed copy (no checkout around this file) runs in the Python that it was installed into.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  this file meets every Python
    sys.stderr.write(
        f"wsus-airgap needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}.\n"
        "Run this with a newer one, for example: python3.12 deploy/run.py demo\n"
    )
    raise SystemExit(64)

DEPLOY = Path(__file__).resolve().parent
ROOT = DEPLOY.parent
WINDOWS = os.name == "nt"
FAILED = 1
# Commands that need the tests and what they need, and the modules that carry them out.
TEST_PROGRAMS = {"test": "tests.support.checks", "bench": "tests.bench"}
PROGRAMS = {"wheelhouse": "deploy.wheelhouse"}


class SetupError(Exception):
    """The environment could not be made; the text names the reason and the next step."""


def main(arguments: list[str]) -> int:
    """Prepare the environment and run the command; on POSIX ``hand_over`` does not return."""
    try:
        if not (ROOT / "pyproject.toml").is_file():
            return hand_over([sys.executable, "-m", "flows.command_line", *arguments])
        environment = Environment(ROOT, venv_folder())
        if arguments and arguments[0] in TEST_PROGRAMS:
            environment.prepare("test")
            os.chdir(ROOT)
            program = [str(environment.python), "-m", TEST_PROGRAMS[arguments[0]]]
            return hand_over([*program, *arguments[1:]])
        environment.prepare("product")
        if arguments and arguments[0] in PROGRAMS:
            program = [str(environment.python), "-m", PROGRAMS[arguments[0]]]
            return hand_over([*program, *arguments[1:]])
        return hand_over([str(environment.program("wsus-airgap")), *arguments])
    except SetupError as error:
        say(str(error))
        return FAILED
    except KeyboardInterrupt:
        say("interrupted; the same command goes on from here")
        return 130


def say(text: str) -> None:
    """Write a line to stderr, so that stdout stays the command's own."""
    sys.stderr.write(f"run.py: {text}\n")
    sys.stderr.flush()


def venv_folder() -> Path:
    """The folder of the environment, made or not."""
    chosen = os.environ.get("WSUS_AIRGAP_VENV")
    return Path(os.path.abspath(chosen)) if chosen else ROOT / ".venv"


def hand_over(command: list[str]) -> int:
    """Become the command (POSIX), or run it and end with its exit code (Windows)."""
    sys.stdout.flush()
    sys.stderr.flush()
    if not WINDOWS:
        os.execv(command[0], command)  # noqa: S606  no shell is the point
    child = subprocess.Popen(command)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            # The child got the same Ctrl-C from the console; it decides how to end.
            continue


class Environment:
    """The virtual environment of one checkout.

    It has two levels, ``product`` and ``test``. A level is ready if its stamp fits the present
    lock, pyproject.toml and interpreter, and every distribution of its installation is present.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        self.python = self.program("python")

    def program(self, name: str) -> Path:
        """An executable of the environment."""
        return (
            self.folder / ("Scripts" if WINDOWS else "bin") / (f"{name}.exe" if WINDOWS else name)
        )

    def prepare(self, level: str) -> None:
        """Install the level unless it is ready."""
        if self._is_ready(level):
            return
        with _Lock(self.folder.with_name(self.folder.name + ".lock")):
            if not self._is_ready(level):  # another call may have done it meanwhile
                self._install(level)

    # --- is it ready? ---------------------------------------------------------------------------

    def _locks(self, level: str) -> list[Path]:
        names = ["requirements.lock"] + (["requirements-test.lock"] if level == "test" else [])
        return [self.root / "deploy" / name for name in names]

    def _digest(self, level: str) -> str:
        digest = hashlib.sha256()
        for path in [*self._locks(level), self.root / "pyproject.toml"]:
            digest.update(path.read_bytes())
        interpreter = self.python.stat()
        identity = (str(self.root), os.path.realpath(self.python), interpreter.st_mtime_ns)
        digest.update(repr(identity).encode())
        return digest.hexdigest()

    def _stamp(self, level: str) -> Path:
        return self.folder / f"wsus-airgap-{level}.stamp"

    @property
    def _under_way(self) -> Path:
        return self.folder / "wsus-airgap-install-under-way"

    def _is_ready(self, level: str) -> bool:
        try:
            digest, *installed = self._stamp(level).read_text(encoding="utf-8").splitlines()
            return (
                digest == self._digest(level)
                and not self._under_way.exists()
                and self.program("wsus-airgap").exists()
                and set(installed) <= self._distributions()
            )
        except (OSError, ValueError):
            return False

    def _distributions(self) -> set[str]:
        libraries = self.folder / "Lib" if WINDOWS else next((self.folder / "lib").glob("python3*"))
        return {
            entry.name
            for entry in (libraries / "site-packages").iterdir()
            if entry.name.endswith(".dist-info")
        }

    # --- make it --------------------------------------------------------------------------------

    def _install(self, level: str) -> None:
        if not self._is_usable():
            self._make_venv()
        self._under_way.touch()
        for stamp in self.folder.glob("wsus-airgap-*.stamp"):
            stamp.unlink()
        try:
            for path in self._locks(level):
                self._pip_install(path)
            options = ["--no-build-isolation", "--editable", str(self.root)]
            self._run_pip(options, "installing this checkout")
            self._prepare_database()
        except SetupError:
            # pip cleans up after its own failure; only a kill leaves a half-made environment.
            self._under_way.unlink()
            raise
        for ready in ("product", level):
            lines = [self._digest(ready), *sorted(self._distributions())]
            self._stamp(ready).write_text("\n".join(lines), encoding="utf-8")
        self._under_way.unlink()
        say(f"ready: {self.folder}")

    def _is_usable(self) -> bool:
        """True if pip can continue in the existing environment."""
        if self._under_way.exists() or not (self.folder / "pyvenv.cfg").exists():
            return False
        present = {name.partition("-")[0] for name in self._distributions()}
        for stamp in self.folder.glob("wsus-airgap-*.stamp"):
            _, *installed = stamp.read_text(encoding="utf-8").splitlines()
            if {name.partition("-")[0] for name in installed} - present:
                return False  # a person removed it; more may be wrong
        probe = "import pip, sys; assert sys.version_info >= (3, 11)"
        try:
            done = subprocess.run([self.python, "-c", probe], check=False, capture_output=True)
        except OSError:
            return False
        return done.returncode == 0

    def _make_venv(self) -> None:
        say(f"making {self.folder} with Python {sys.version.split()[0]}")
        command = [sys.executable, "-m", "venv", "--clear", str(self.folder)]
        made = subprocess.run(
            command, check=False, capture_output=True, text=True, env=_quiet_environment()
        )
        if made.returncode:
            reason = (made.stderr.strip() or made.stdout.strip()).splitlines()[-12:]
            raise SetupError(
                "\n".join(["the environment could not be made:", *reason])
                + "\nOn Debian or Ubuntu: apt install python3-venv. If this folder may not be "
                "written, set WSUS_AIRGAP_VENV to one that may."
            )

    def _pip_install(self, lock: Path) -> None:
        options = ["--require-hashes", "--only-binary", ":all:", "--requirement", str(lock)]
        total = sum(line[:1].isalnum() for line in lock.read_text(encoding="utf-8").splitlines())
        self._run_pip(options, f"installing about {total} packages of {lock.name}")

    def _run_pip(self, options: list[str], what: str) -> None:
        command = [str(self.python), "-m", "pip", "install", "--no-deps", *options]
        log = self.folder / "wsus-airgap-install.log"
        with _Ticker(what) as ticker, log.open("a", encoding="utf-8") as record:
            child = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                encoding="utf-8", errors="replace", env=_quiet_environment(),
            )  # fmt: skip
            lines = []
            for line in child.stdout or ():
                record.write(line)
                lines.append(line.rstrip())
                if line.startswith("Collecting "):
                    ticker.tick()
            returncode = child.wait()
        if returncode:
            raise SetupError(_explain(lines, log))

    def _prepare_database(self) -> None:
        """Make Prefect's empty database once, so that no command waits for its migrations."""
        command = [str(self.python), "-m", "deploy.prefect_server.embedded_child", "make-template"]
        with _Ticker("preparing Prefect's database"):
            made = subprocess.run(
                command, check=False, capture_output=True, text=True, cwd=self.folder
            )
        if made.returncode:
            raise SetupError(
                "Prefect's database could not be prepared:\n" + made.stderr.strip()[-2000:]
            )


def _quiet_environment() -> dict[str, str]:
    """Our environment without variables that make pip install elsewhere or ask questions."""
    drop = {
        "PYTHONPATH",
        "PYTHONHOME",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_USER",
        "PIP_REQUIRE_HASHES",
    }
    inherited = {name: value for name, value in os.environ.items() if name not in drop}
    return {
        **inherited,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PYTHONUTF8": "1",
    }


_PIP_TROUBLES = {
    "DO NOT MATCH THE HASHES": "a downloaded package is not the one that the lock names, and was "
    "not installed. Look at the index or proxy between here and there.",
    "No space left on device": "the disk is full. Make room, then run the same command again.",
    "Could not find a version that satisfies": "no package index could be reached, or it lacks a "
    "package for this Python and system. Set PIP_INDEX_URL for a mirror of your own, HTTPS_PROXY "
    "for a proxy, then run the same command again.",
}


def _explain(lines: list[str], log: Path) -> str:
    """The likely reason for pip's failure, and the last lines of its output."""
    output = "\n".join(lines)
    meaning = next((text for sign, text in _PIP_TROUBLES.items() if sign in output), "")
    if os.environ.get("PIP_NO_INDEX") and (lacking := re.search(_LACKS, output)):
        meaning = _lacking(lacking[1])
    tail = [line for line in lines if line.strip() and not line.startswith("WARNING: Location")]
    head = f"the install failed: {meaning}" if meaning else "the install failed. pip said:"
    return "\n".join([head, *tail[-6:], f"All of pip's output: {log}"])


_LACKS = r"Could not find a version that satisfies the requirement ([^\s;(]+)"


def _lacking(pin: str) -> str:
    """Name the package that the folder of wheels lacks, its marker, and this Python."""
    text = (DEPLOY / "requirements.lock").read_text(encoding="utf-8")
    marker = re.search(rf"^{re.escape(pin)} *; *([^\\\n]+)", text, re.MULTILINE)
    needed = f", which the lock demands where {marker[1].strip()}" if marker else ""
    python = f"Python {sys.version.split()[0]} on {sys.platform}"
    return (
        f"the folder of wheels lacks {pin}{needed}; this is {python}. Make the folder again with "
        f"`run.py wheelhouse DIR --python {sys.version_info.major}.{sys.version_info.minor}`."
    )


class _Ticker:
    """A line with the present activity and its duration; rewritten on a terminal only."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._count = 0
        self._began = time.monotonic()

    def __enter__(self) -> _Ticker:
        sys.stderr.write(f"run.py: {self._what} …" if sys.stderr.isatty() else "")
        sys.stderr.flush()
        return self

    def tick(self) -> None:
        """Count one more package."""
        self._count += 1
        if sys.stderr.isatty():
            elapsed = time.monotonic() - self._began
            sys.stderr.write(f"\rrun.py: {self._what}: {self._count} fetched, {elapsed:.0f} s ")
            sys.stderr.flush()

    def __exit__(self, *_exception: object) -> None:
        elapsed = time.monotonic() - self._began
        start = "\r" if sys.stderr.isatty() else ""
        sys.stderr.write(f"{start}run.py: {self._what}: {elapsed:.0f} s{' ' * 20}\n")
        sys.stderr.flush()


class _Lock:
    """A file lock of the call that installs; the system frees it however that call ends."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a+b")
        except OSError as error:
            raise SetupError(f"{self._path}: {error.strerror}. Set WSUS_AIRGAP_VENV to a folder "
                             "that you may write.") from error  # fmt: skip
        if not self._take(wait=False):
            say("another call is installing; waiting for it")
            while not self._take(wait=True):
                pass

    def _take(self, *, wait: bool) -> bool:
        try:
            if sys.platform == "win32":
                import msvcrt

                self._file.seek(0)
                # LK_LOCK tries for ten seconds and then fails; the caller tries again.
                msvcrt.locking(self._file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(self._file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            return False
        return True

    def __exit__(self, *_exception: object) -> None:
        self._file.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
