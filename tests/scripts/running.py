"""Runs the product's scripts as the product does, by the lab's ``powershell``."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tasks.scripts
from tasks.approvals.capture import ServerDecisions, read_decisions

FOLDER = Path(tasks.scripts.__file__).parent
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Side:
    """One simulated server; ``folder`` takes requests and answers, ``scripts`` holds ours."""

    lab: Path
    name: str
    folder: Path
    scripts: Path = FOLDER

    def command(self, script: str) -> list[str]:
        """How a script is called."""
        options = ["-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File"]
        files = ["-InputFile", str(self.request(script)), "-OutputFile", str(self.answer(script))]
        powershell = str(self.lab / self.name / "powershell")
        return [powershell, *options, str(self.scripts / f"{script}.ps1"), *files]

    def request(self, script: str) -> Path:
        return self.folder / f"{script}.in.jsonl"

    def answer(self, script: str) -> Path:
        return self.folder / f"{script}.out.jsonl"

    def ask(self, script: str, lines: Iterable[Json]) -> None:
        """Write the request of a script."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.request(script).open("w", encoding="utf-8", newline="\n") as file:
            for line in lines:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def start(self, script: str) -> subprocess.Popen[bytes]:
        """Start a script whose request is written, in a process group of its own."""
        environment = os.environ | {"PS51_OEM": "850"}
        return subprocess.Popen(
            self.command(script),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )

    def run(self, script: str, *lines: Json) -> list[dict[str, Any]]:
        """Run a script to its end and give its answer without the end line."""
        self.ask(script, lines or [{"kind": "settings"}])
        process = self.start(script)
        _, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr.decode(errors="replace")
        answer = self.read(script)
        assert answer[-1] == {"kind": "end"}
        return answer[:-1]

    def read(self, script: str) -> list[dict[str, Any]]:
        """The lines of an answer."""
        content = self.answer(script).read_bytes()
        assert not content.startswith(b"\xef\xbb\xbf")
        assert b"\r" not in content
        return [json.loads(line) for line in content.decode("utf-8").split("\n") if line]

    def decisions(self) -> ServerDecisions:
        """What the server has decided, by the script."""
        return read_decisions(self.run("read-approvals"))

    def wsusutil(self, *arguments: str) -> None:
        """Run the server's wsusutil."""
        command = [str(self.lab / self.name / "wsusutil"), *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


def script_lines(text: str, *, side: Side) -> None:
    """Run a piece of an administrator's PowerShell on a server; ``$s`` is the server."""
    path = side.folder / "administrator.ps1"
    side.folder.mkdir(parents=True, exist_ok=True)
    start = "$ErrorActionPreference = 'Stop'\n$a = 'Microsoft.UpdateServices.Administration.'\n"
    start += "[void][Reflection.Assembly]::LoadWithPartialName($a.TrimEnd('.'))\n"
    start += "$s = [Microsoft.UpdateServices.Administration.AdminProxy]::GetUpdateServer()\n"
    path.write_bytes(b"\xef\xbb\xbf" + (start + text).encode())
    command = [str(side.lab / side.name / "powershell"), "-NoProfile", "-File", str(path)]
    run = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr.decode(errors="replace")
