"""A new site file: its text from a few answers, with every other key as a comment."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import groupby
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticUndefined

from tasks.errors import UsageError
from tasks.hosts.factory import LOCAL
from tasks.hosts.paths import Platform
from tasks.names import Side
from tasks.site.described_keys import DESCRIBED_KEYS, DescribedKey
from tasks.site.settings import Site

_COMMENT_COLUMN = 48
_HEAD = """\
# Site file of wsus-airgap: site {name}, {side} side.
# A line that begins with "# " and a key shows the default, or an example; take the "# " away to
# change it. Relative paths are relative to this file. After a change: wsus-airgap site check
"""


class SiteAnswers(BaseModel):
    """The values that a new site file needs; all other keys keep their defaults.

    Attributes:
        address: ``local``, or ``ssh://account@server:22``.
        media: Mount point of the media.
        signing_key, trusted_key, receipt_secret: Paths of the keys, as the file is to name them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    side: Side
    address: str = LOCAL
    platform: Platform = Platform.WINDOWS
    identity_file: str | None = None
    known_hosts: str | None = None
    media: str
    return_path: str | None = None
    signing_key: str
    trusted_key: str
    receipt_secret: str

    def values(self) -> Mapping[tuple[str, str], object]:
        """The values by table and key; a key with None is left to its default."""
        return {
            ("site", "name"): self.name,
            ("site", "side"): self.side,
            ("site", "state_dir"): "state",
            ("server", "address"): self.address,
            ("server", "platform"): self.platform,
            ("server", "identity_file"): self.identity_file,
            ("server", "known_hosts"): self.known_hosts,
            ("media", "path"): self.media,
            ("media", "return_path"): self.return_path,
            ("trust", "signing_key"): self.signing_key,
            ("trust", "trusted_keys"): (self.trusted_key,),
            ("trust", "receipt_secret"): self.receipt_secret,
        }


def site_file_text(answers: SiteAnswers) -> str:
    """Write the text of a site file; keys of its side that were not answered are comments."""
    lines = [_HEAD.format(name=answers.name, side=answers.side.value)]
    keys = [key for key in DESCRIBED_KEYS if key.side in (None, answers.side)]
    for table, group in groupby(keys, key=lambda key: key.table):
        lines += [f"[{table}]", *_lines(group, answers.values()), ""]
    return "\n".join(lines)


def write_new_site_file(path: Path, answers: SiteAnswers) -> None:
    """Write a site file that is not there yet; the folder is made.

    Raises:
        UsageError: There is a file of this name. It is left as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(site_file_text(answers))
            stream.flush()
            os.fsync(stream.fileno())
    except FileExistsError:
        raise site_file_exists(path) from None


def site_file_exists(path: Path) -> UsageError:
    """Make the error about a site file that would be overwritten."""
    return UsageError(
        reason=f"{path} exists, and a site file is never overwritten",
        remedy="Name another file with --site, or edit this one and run `wsus-airgap site check`.",
    )


def _lines(keys: Iterator[DescribedKey], values: Mapping[tuple[str, str], object]) -> Iterator[str]:
    for key in keys:
        value = values.get((key.table, key.name))
        if value is not None:
            yield _commented(f"{key.name} = {_toml(value)}", key.comment)
        else:
            yield _commented(f"# {key.name} = {key.example or _toml(_default(key))}", key.comment)


def _commented(setting: str, comment: str) -> str:
    return f"{setting:<{_COMMENT_COLUMN}}  # {comment}"


def _default(key: DescribedKey) -> object:
    """Return the default of a key.

    Raises:
        LookupError: It has none, so ``DESCRIBED_KEYS`` has to have an example.
    """
    section: type[BaseModel] = cast("Any", Site.model_fields[key.table].annotation)
    value = section.model_fields[key.name].default
    if value is None or value is PydanticUndefined:
        raise LookupError(f"{key.table}.{key.name}")
    return value


def _toml(value: object) -> str:
    """Write a value in TOML; a text with backslashes stays readable as a literal string."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:_}"
    text = str(value)
    is_plain = "\\" in text and "'" not in text and text.isprintable()
    quoted = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON allows it
    return f"'{text}'" if is_plain else quoted
