"""Which types a script's expressions have, and which members of WSUS it uses of them.

The syntax comes from PowerShell's own parser (``syntax.ps1``). Types are followed from
``AdminProxy`` and ``New-Object`` through assignments, loops, functions and their parameters, by
the table ``tests/data/updateservices-members.json``: type → member → what it gives and how many
arguments it takes; ``[]`` is what a collection holds.
"""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TABLE = json.loads((HERE.parent / "data" / "updateservices-members.json").read_text("utf-8"))
TYPES: dict[str, dict[str, Any]] = TABLE["types"]
ENUMERATIONS: dict[str, list[str]] = TABLE["enumerations"]
NAMESPACE = "Microsoft.UpdateServices.Administration."

# What functions that are called through a variable are given.
PARAMETERS = {"update": "IUpdate"}
# Members of .NET and of PowerShell's own objects that every collection or value has.
ANYWHERE = {"ToString", "GetType", "Equals"}
COLLECTION = {"Count", "GetEnumerator"}

Expression = Any


@dataclass
class Finding:
    """A use of WSUS that the table does not have."""

    script: str
    line: int
    what: str


@dataclass
class Script:
    """One script's syntax, with the types of its variables as far as they were followed."""

    path: Path
    syntax: dict[str, Any]
    variables: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    functions: dict[str, tuple[list[str], list[Expression]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, parameters, returns in self.syntax["functions"]:
            self.functions[name.lower()] = (parameters, returns)
        called = {str(each[1]).lower() for _, each in self.syntax["commands"]}
        for name, (parameters, _) in self.functions.items():
            for parameter in parameters:
                if name not in called and parameter in PARAMETERS:
                    self.variables[parameter].add(PARAMETERS[parameter])
        for _ in range(10):
            self._follow()

    def _follow(self) -> None:
        for name, value in self.syntax["assigned"]:
            self.variables[name] |= self.types_of(value)
        for name, value in self.syntax["looped"]:
            for each in self.types_of(value):
                self.variables[name] |= _gives(each, "[]")
        for _, (_, name, arguments) in self.syntax["commands"]:
            parameters, _ = self.functions.get(str(name).lower(), ([], []))
            for parameter, argument in zip(parameters, arguments, strict=False):
                self.variables[parameter] |= self.types_of(argument)

    def types_of(self, expression: Expression) -> set[str]:
        """The WSUS types that an expression can have; empty when it has none, or nobody knows."""
        match expression:
            case ["var", name]:
                return self.variables[name]
            case ["type" | "cast", name, *_]:
                short = _short(name)
                return {short} if short else set()
            case ["member" | "call", owner, name, *_]:
                return set().union(*(_gives(each, name) for each in self.types_of(owner)))
            case ["index", owner]:
                return set().union(*(_gives(each, "[]") for each in self.types_of(owner)))
            case ["command", name, arguments]:
                return self._types_of_command(str(name), arguments)
        children = expression[1] if expression[0] == "other" else ()
        return set().union(*(self.types_of(child) for child in children))

    def _types_of_command(self, name: str, arguments: Sequence[Expression]) -> set[str]:
        if name == "New-Object" and arguments and arguments[0][0] == "text":
            short = _short(arguments[0][1])
            return {short} if short else set()
        _, returns = self.functions.get(name.lower(), ([], []))
        return set().union(*(self.types_of(each) for each in returns))

    def findings(self, elsewhere: Iterable[str]) -> Iterator[Finding]:
        """Uses that the table does not have.

        Args:
            elsewhere: Members that objects which are not WSUS's may be asked for.
        """
        allowed = ANYWHERE | set(elsewhere)
        for line, expression in self.syntax["members"]:
            yield from self._judge_member(line, expression, allowed)
        for line, expression in self.syntax["expressions"]:
            yield from self._judge_type(line, expression)
        for line, (_, name, arguments) in self.syntax["commands"]:
            if name == "New-Object" and arguments[0][0] == "text":
                yield from self._judge_type(line, ["type", arguments[0][1]])

    def _judge_member(
        self, line: int, expression: Expression, allowed: set[str]
    ) -> Iterator[Finding]:
        kind, owner, name = expression[:3]
        types = {each for each in self.types_of(owner) if each in TYPES}
        if not types:
            if not self.types_of(owner) and name not in allowed:
                yield Finding(self.path.name, line, f"{name} of a value that nobody knows")
            return
        for each in sorted(types):
            known = TYPES[each].get(name)
            if name in ANYWHERE or ("[]" in TYPES[each] and name in COLLECTION):
                continue
            if known is None:
                yield Finding(self.path.name, line, f"{each} has no {name}")
            elif (kind == "call") != ("arguments" in known):
                yield Finding(self.path.name, line, f"{each}.{name} is used as what it is not")
            elif kind == "call" and len(expression[4]) not in known["arguments"]:
                yield Finding(
                    self.path.name, line, f"{each}.{name} takes no {len(expression[4])} arguments"
                )

    def _judge_type(self, line: int, expression: Expression) -> Iterator[Finding]:
        name = expression[1]
        if not name.startswith("Microsoft.UpdateServices."):
            return
        if _short(name) is None:
            yield Finding(self.path.name, line, f"there is no type {name}")
        elif expression[0] == "cast" and expression[2][0] == "text":
            values = {value.strip() for value in expression[2][1].split(",")}
            unknown = values - set(ENUMERATIONS[name.removeprefix(NAMESPACE)])
            if unknown:
                yield Finding(self.path.name, line, f"{name} has no {', '.join(sorted(unknown))}")


def parse(pwsh: Path, scripts: Sequence[Path], folder: Path) -> list[Script]:
    """Parse scripts with PowerShell's own parser; ``folder`` takes the intermediate files."""
    listing, output = folder / "scripts.txt", folder / "syntax.jsonl"
    listing.write_text("".join(f"{path}\n" for path in scripts), "utf-8")
    command = [str(pwsh), "-NoProfile", "-NonInteractive", "-File", str(HERE / "syntax.ps1")]
    arguments = ["-Output", str(output), "-List", str(listing)]
    subprocess.run([*command, *arguments], check=True, timeout=120)
    lines = [_unwrapped(json.loads(line)) for line in output.read_text("utf-8").splitlines()]
    return [Script(Path(each["path"]), each) for each in lines]


def _short(name: str) -> str | None:
    """The name in the table of a WSUS type that scripts may name; None for any other."""
    short = name.removeprefix(NAMESPACE)
    return short if short != name and (short in TYPES or short in ENUMERATIONS) else None


def _gives(type_name: str, member: str) -> set[str]:
    given = TYPES.get(type_name, {}).get(member, {}).get("gives")
    if given is None and type_name.endswith("[]") and member == "[]":
        given = type_name.removesuffix("[]")
    known = given is not None and (given in TYPES or given in ENUMERATIONS or given.endswith("[]"))
    return {given} if known and given is not None else {"System"} if given else set()


def _unwrapped(value: Any) -> Any:
    """Windows PowerShell writes some arrays as ``{"value": […], "Count": n}``."""
    if isinstance(value, dict):
        if set(value) == {"value", "Count"}:
            return _unwrapped(value["value"])
        return {key: _unwrapped(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_unwrapped(each) for each in value]
    return value
