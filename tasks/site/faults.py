"""The faults of a site file as plain sentences, with line, key and a suggestion."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from tasks.errors import SiteFileError
from tasks.site.lines import KeyPath, key_lines, line_of
from tasks.site.settings import Site

_SHOWN_CHARACTERS = 60
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")  # TOML's keys that need no quotes


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model that an annotation is, or allows beside None; None if there is none."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


_SECTIONS: dict[str, type[BaseModel]] = {
    name: model
    for name, field in Site.model_fields.items()
    if (model := _model_in(field.annotation)) is not None
}
# Keys with values that may hold a password.
_SECRETS = {("notify", "urls")}
# The expected value, by the type of pydantic's error.
_EXPECTED: Mapping[str, str] = {
    "string_type": "text in quotes",
    "path_type": "a path in quotes",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list in square brackets",
    "model_type": "a table",
    "dict_type": "a table",
    "enum": "{expected}",
    "literal_error": "{expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
    "finite_number": "a finite number",
    "string_pattern_mismatch": "1 to 40 letters, digits, - and _, no - or _ first",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: the path of its key, and a sentence."""

    key: KeyPath
    sentence: str


def site_file_error(path: Path, faults: Iterable[Fault]) -> SiteFileError:
    """Make one error of all faults, in the order of the file's lines.

    Args:
        path: The site file. It is read again to find the lines; if that fails, the error has none.
        faults: At least one fault.
    """
    try:
        lines = key_lines(read_text(path))
    except (OSError, ValueError):
        lines = {}
    by_line = [(line_of(fault.key, lines), fault) for fault in faults]
    by_line.sort(key=lambda entry: entry[0] or 0)
    problems = tuple(_problem(line, fault) for line, fault in by_line)
    return SiteFileError(path=path, problems=problems)


def read_text(path: Path) -> str:
    """Read a site file as UTF-8; a byte order mark, which editors on Windows write, is skipped."""
    return path.read_text(encoding="utf-8-sig")


def faults_of(error: ValidationError) -> list[Fault]:
    """Translate pydantic's errors into plain sentences."""
    return [Fault(_key_of(problem["loc"]), _sentence(problem)) for problem in error.errors()]


def _key_of(path: KeyPath) -> KeyPath:
    """Return the key that pydantic reports; it marks a fault of the key itself with ``[key]``."""
    return path[:-1] if path[-1] == "[key]" else path


def _problem(line: int | None, fault: Fault) -> str:
    where = "" if line is None else f"line {line}: "
    key = ".".join(map(_shown_key, fault.key))
    return f"{where}{key}: {fault.sentence}"


def _shown_key(part: str | int) -> str:
    text = str(part)
    return text if _BARE_KEY.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _sentence(problem: Mapping[str, Any]) -> str:
    kind, key = problem["type"], problem["loc"]
    if kind == "extra_forbidden":
        return f"unknown key{_unknown_hint(key)}"
    if kind == "missing":
        return "the key is missing" if len(key) > 1 else f"the table [{key[0]}] is missing"
    if kind == "value_error":
        return str(problem["ctx"]["error"])
    if kind not in _EXPECTED:
        return str(problem["msg"])
    value = problem["input"]
    limits = {name: _plain(limit) for name, limit in problem.get("ctx", {}).items()}
    expected = _EXPECTED[kind].format(**limits)
    if key[:2] in _SECRETS:
        return f"expected {expected}"
    return f"expected {expected}, found {_shown(value)}{_value_hint(expected, value)}"


def _unknown_hint(key: KeyPath) -> str:
    """Suggest a similar key, or the table to which this key belongs."""
    name = str(key[-1])
    owner = next((table for table, model in _SECTIONS.items() if name in model.model_fields), None)
    if owner is not None:
        return f"; it belongs in [{owner}]"
    return _did_you_mean(name, _names_beside(key))


def _names_beside(key: KeyPath) -> Iterable[str]:
    """List the names that a key of this table may have; none if the table has no model."""
    models: Mapping[str, type[BaseModel] | None] = _SECTIONS
    for part in key[:-1]:
        model = models.get(str(part))
        if model is None:
            return ()
        models = {
            field.alias or name: _model_in(field.annotation)
            for name, field in model.model_fields.items()
        }
    return models


def _value_hint(expected: str, value: object) -> str:
    choices = expected.split("'")[1::2]
    return _did_you_mean(value, choices) if isinstance(value, str) else ""


def _did_you_mean(name: str, choices: Iterable[str]) -> str:
    matches = get_close_matches(name.lower(), list(choices), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def _plain(limit: object) -> object:
    """Return a whole number without its decimal point, as a site file has it: 1, not 1.0."""
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit


def _shown(value: object) -> str:
    """Format a value of a TOML file on one line, and shorten a long one."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
