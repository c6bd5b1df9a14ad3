"""Every path of a site file is a secret, or has been looked at and is none."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from tasks.site.settings import Site
from tests.support.runs import open_test_run, write_site_file

NO_SECRETS = {
    "state_dir",
    "known_hosts",
    "path",
    "return_path",
    "trusted_keys",
}


def paths_of(model: type[BaseModel]) -> set[tuple[str, str]]:
    """Tables and names of all fields that hold a path."""
    found = set()
    for table, section in model.model_fields.items():
        inner = section.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= {
                (table, name)
                for name, field in inner.model_fields.items()
                if "Path" in repr((field.annotation, get_args(field.annotation), field.metadata))
            }
    return found


def test_a_new_path_of_a_site_file_is_judged_before_it_travels_in_a_backup(tmp_path: Path) -> None:
    with open_test_run(write_site_file(tmp_path, side="staging")) as run:
        site = run.site
    secret = {(table, name) for table, name in paths_of(Site) if name not in NO_SECRETS}
    assert len(secret) >= 5
    for table, name in secret:
        path = tmp_path / f"{table}-{name}"
        section = getattr(site, table).model_copy(update={name: path})
        site = site.model_copy(update={table: section})
    assert {path.name for path in site.secret_files} == {f"{t}-{n}" for t, n in secret}
