"""The two lock files, written anew: every version and every hash, for Linux and Windows alike.

    python3 deploy/lock.py

``requirements.lock`` holds the packages of the product and its build, ``requirements-test.lock``
those that the ``test`` extra adds. They name no index: pip uses the one in its own configuration.
This script needs a network and takes the newest versions that pyproject.toml allows. Only the
maintainer runs it; an installation does not.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

_DEPLOY = Path(__file__).resolve().parent
_OLDEST_PYTHON = "3.11"
# One requirement with its hashes: the line that names it and the indented lines that follow.
_REQUIREMENT = re.compile(r"^[a-z0-9][^\n]*\n(?:[ \t]+[^\n]*\n)*", re.MULTILINE)


def main() -> int:
    """Resolve both sets and write them beside this file."""
    with tempfile.TemporaryDirectory(prefix="wsus-airgap-lock-") as folder:
        scratch = Path(folder)
        uv = _fetch_uv(scratch)
        product = _resolve(uv, scratch / "product.lock", "--group", "build")
        extra = ("--extra", "test", "--constraint", str(scratch / "product.lock"))
        test = _resolve(uv, scratch / "test.lock", *extra)
    added = [requirement for requirement in test if requirement not in set(product)]
    (_DEPLOY / "requirements.lock").write_text("".join(product), encoding="utf-8", newline="\n")
    (_DEPLOY / "requirements-test.lock").write_text("".join(added), encoding="utf-8", newline="\n")
    print(f"locked {len(product)} packages, and {len(added)} more for the tests")
    return 0


def _fetch_uv(scratch: Path) -> Path:
    """Install uv, which resolves for all platforms at once, into a venv of its own."""
    venv.create(scratch / "venv", with_pip=True)
    programs = scratch / "venv" / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", "uv"], check=True)
    return programs / ("uv.exe" if os.name == "nt" else "uv")


def _resolve(uv: Path, target: Path, *options: str) -> list[str]:
    command = [str(uv), "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    command += ["--python-version", _OLDEST_PYTHON, "--no-header", "--no-annotate"]
    command += ["--no-emit-index-url", "--no-emit-find-links", *options]
    command += ["--output-file", str(target), "pyproject.toml"]
    # uv brings its own certificates; a site with its own authority configures it for pip.
    environment = {"SSL_CERT_FILE": os.environ.get("PIP_CERT", ""), **os.environ}
    environment = {name: value for name, value in environment.items() if value}
    subprocess.run(
        command, check=True, cwd=_DEPLOY.parent, env=environment, stdout=subprocess.DEVNULL
    )
    return _REQUIREMENT.findall(target.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
