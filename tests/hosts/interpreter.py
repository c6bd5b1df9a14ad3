"""Plays PowerShell for scripts that the tests make up; run as a program by the hosts.

It understands the switches that hosts pass and answers by the script's name.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path


def main() -> int:
    """Answer one script."""
    options = dict(zip(sys.argv[1:], sys.argv[2:], strict=False))
    script = Path(options["-File"])
    lines = Path(options["-InputFile"]).read_text(encoding="utf-8").splitlines()
    request = [json.loads(line) for line in lines]
    output = Path(options["-OutputFile"])
    if not script.read_bytes().startswith(b"#"):
        return 9
    return ANSWERS[script.stem](request, output)


def _echo(request: list[dict[str, object]], output: Path) -> int:
    print("for people only")
    _write(output, [*request, {"kind": "end", "count": len(request)}])
    return 0


def _fail(_request: list[dict[str, object]], output: Path) -> int:
    print("it went wrong", file=sys.stderr)
    _write(output, [{"kind": "end"}])
    return 5


def _no_end(request: list[dict[str, object]], output: Path) -> int:
    _write(output, request)
    return 0


def _append(request: list[dict[str, object]], output: Path) -> int:
    """Appends what stands not in the output yet, and says how many lines it found there."""
    found = output.read_text(encoding="utf-8").splitlines() if output.exists() else []
    with output.open("a", encoding="utf-8") as stream:
        for line in request:
            if json.dumps(line) not in found:
                stream.write(json.dumps(line) + "\n")
        stream.write(json.dumps({"kind": "end", "found": len(found)}) + "\n")
    return 0


def _slow(request: list[dict[str, object]], output: Path) -> int:
    with Path(str(output) + ".runs").open("a", encoding="utf-8") as stream:
        stream.write("begin\n")
    time.sleep(float(str(request[0]["seconds"])))
    with Path(str(output) + ".runs").open("a", encoding="utf-8") as stream:
        stream.write("end\n")
    _write(output, [{"kind": "end"}])
    return 0


def _steady(request: list[dict[str, object]], output: Path) -> int:
    """Writes a line every tenth of a second."""
    with output.open("a", encoding="utf-8") as stream:
        for number in range(int(str(request[0]["lines"]))):
            stream.write(json.dumps({"n": number}) + "\n")
            stream.flush()
            time.sleep(0.1)
        stream.write(json.dumps({"kind": "end"}) + "\n")
    return 0


def _hash_files(request: list[dict[str, object]], output: Path) -> int:
    answers: list[dict[str, object]] = []
    for line in request[1:]:
        path = Path(str(line["path"]))
        try:
            content = path.read_bytes()
        except OSError as error:
            answers.append({"kind": "file", "path": str(path), "error": str(error)})
            continue
        sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        size = len(content)
        answers.append({"kind": "file", "path": str(path), "size_bytes": size, "sha1": sha1})
    _write(output, [*answers, {"kind": "end"}])
    return 0


def _write(output: Path, lines: list[dict[str, object]]) -> None:
    output.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


ANSWERS = {
    "echo": _echo,
    "fail": _fail,
    "no-end": _no_end,
    "append": _append,
    "slow": _slow,
    "steady": _steady,
    "hash-files": _hash_files,
}

if __name__ == "__main__":
    sys.exit(main())
