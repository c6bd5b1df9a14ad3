"""Run benches one after the other: ``python3 deploy/run.py bench [NAME…] [options]``.

Without a name all of them run. Options (``--rounds``, ``--scale``, ``--folder``, ``--record``) are
passed to each.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Modules of this folder that are no bench.
SHARED = {
    "__main__",
    "delay",
    "frame",
    "packing",
    "real_package",
    "sftp_line",
    "trees",
    "whole_commands",
}


def names() -> list[str]:
    """Return the names of all benches."""
    modules = (path.stem for path in Path(__file__).parent.glob("*.py"))
    return sorted(name for name in modules if name not in SHARED)


def main(arguments: list[str]) -> int:
    """Run the named benches, each as a process of its own; 1 if one of them failed."""
    chosen = [word for word in arguments if word in names()]
    options = [word for word in arguments if word not in chosen]
    if options and not options[0].startswith("-"):
        print(f"bench: no bench is called {options[0]}; there are {', '.join(names())}")
        return 64
    failed = [name for name in chosen or names() if not _passes(name, options)]
    if failed:
        print(f"bench: failed: {', '.join(failed)}")
    return 1 if failed else 0


def _passes(name: str, options: list[str]) -> bool:
    command = [sys.executable, "-m", f"tests.bench.{name}", *options]
    return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
