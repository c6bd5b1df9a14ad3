"""Running scripts on a lab server, under the engine or the stand-in."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ADMIN = Path(__file__).parent / "admin"
SWITCHES = ("-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass")


def powershell(
    lab: Path,
    *arguments: str,
    side: str = "staging",
    environment: Mapping[str, str] | None = None,
    given: bytes = b"",
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run ``DIR/<side>/powershell``."""
    return subprocess.run(
        [str(lab / side / "powershell"), *arguments],
        input=given,
        capture_output=True,
        env={**os.environ, **(environment or {})},
        cwd=cwd,
        check=False,
        timeout=120,
    )


def run_admin_script(lab: Path, name: str, *arguments: str, side: str = "staging") -> list[str]:
    """Run a script of ``admin/`` after its common beginning; gives the lines of its output.

    It must succeed and write nothing to the error stream.
    """
    begin, body = ((ADMIN / f"{part}.ps1").read_text(encoding="utf-8") for part in ("begin", name))
    # Parameters are declared before anything else.
    head, line, rest = body.partition("\n") if body.startswith("param") else ("", "", body)
    path = lab / f"{name}.ps1"
    path.write_text(f"{head}{line}{begin}{rest}", encoding="utf-8-sig")
    outcome = powershell(lab, *SWITCHES, "-File", str(path), *arguments, side=side)
    assert outcome.stderr.decode() == ""
    assert outcome.returncode == 0
    return outcome.stdout.decode().splitlines()


def answer(
    lab: Path,
    script: Path,
    lines: Sequence[Mapping[str, Any]],
    *,
    side: str = "staging",
    stand_in: bool = False,
    output: Path | None = None,
) -> list[dict[str, Any]]:
    """Run one of the product's scripts; gives its output lines."""
    asked = lab / "asked.jsonl"
    asked.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    told = output or lab / "told.jsonl"
    outcome = powershell(
        lab,
        *(*SWITCHES, "-File", str(script), "-InputFile", str(asked), "-OutputFile", str(told)),
        side=side,
        environment={"WSUS_LAB_POWERSHELL": "stand-in"} if stand_in else None,
    )
    assert outcome.returncode == 0, outcome.stderr.decode()
    return [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
