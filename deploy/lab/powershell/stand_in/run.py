"""One run of a script: its input, its output, and its server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from deploy.lab.rules import content_agent
from deploy.lab.rules.opened_server import open_server
from deploy.lab.rules.server import Server


class ScriptError(Exception):
    """An error that a script of the product throws itself."""


class Run:
    """A script's parameters and streams.

    Attributes:
        side_folder: ``DIR/<side>``.
        script: The script's file.
        parameters: The parameters by lower-case name.
    """

    def __init__(self, side_folder: Path, script: Path, parameters: dict[str, str]) -> None:
        self.side_folder = side_folder
        self.script = script
        self.parameters = parameters
        self._output: IO[str] | None = None

    @cached_property
    def server(self) -> Server:
        """The server, opened at its first use."""
        return open_server(self.side_folder)

    def parameter(self, name: str) -> Path:
        """A mandatory parameter, a path."""
        if name not in self.parameters:
            raise ScriptError(f"the parameter {name} is missing")
        return Path(self.parameters[name])

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The first line of the input."""
        return json.loads(next(self._lines(), "{}"))  # type: ignore[no-any-return]

    def asked(self) -> Iterator[dict[str, Any]]:
        """The lines of the input after the first, parsed."""
        return map(json.loads, self.asked_lines())

    def asked_lines(self) -> Iterator[str]:
        """The lines of the input after the first, as text."""
        lines = self._lines()
        next(lines, None)
        return lines

    def _lines(self) -> Iterator[str]:
        with self.parameter("inputfile").open(encoding="utf-8") as file:
            for line in file:
                if line.strip():
                    yield line

    def begin(self, *, keep: bool = False) -> IO[str]:
        """Open the output; with ``keep`` its earlier lines stay."""
        path = self.parameter("outputfile")
        self._output = path.open("a" if keep else "w", encoding="utf-8", newline="\n")
        return self._output

    def write(self, **line: Any) -> None:
        """Append a line to the output and flush it."""
        output = self._output or self.begin()
        output.write(json.dumps(line, ensure_ascii=False) + "\n")
        output.flush()

    def end(self) -> None:
        """Append the line that ends the output."""
        self.write(kind="end")

    def catch_up(self) -> None:
        """Let the content agent do its due work, as every call of the API does."""
        content_agent.catch_up(self.server)

    def close(self) -> None:
        """Close the output and the server if they are open."""
        if self._output is not None:
            self._output.close()
        if "server" in self.__dict__:
            with suppress(OSError):
                self.server.close()
