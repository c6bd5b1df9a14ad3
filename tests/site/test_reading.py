"""All that is wrong with a site file is said at once, in plain sentences, each with its line."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.errors import PathMissingError, SiteFileError
from tasks.site.reading import read_site
from tasks.site.settings import Site
from tests.support.runs import write_site_file

SSH = 'address = "ssh://svc@wsus"\nknown_hosts = "keys/known_hosts"'
PYDANTIC_WORDS = ("Input should", "valid ", "Field required", "Extra inputs", "Value error")


def faults_of(site: Path) -> tuple[str, ...]:
    with pytest.raises(SiteFileError) as caught:
        read_site(site)
    return caught.value.problems


def change(site: Path, old: str, new: str) -> None:
    text = site.read_text(encoding="utf-8")
    assert old in text
    site.write_text(text.replace(old, new), encoding="utf-8")


def test_wrong_keys_and_missing_files_are_said_together_in_the_order_of_the_lines(
    tmp_path: Path,
) -> None:
    site = write_site_file(tmp_path, side="staging", policy='max_lost_share = "much"')
    change(site, '"keys/signing.key"', '"keys/none.key"')
    change(site, '"keys/signing.pub"', '"keys/none.pub"')
    site.write_text(f'path = "x"{site.read_text(encoding="utf-8")}', encoding="utf-8")

    assert faults_of(site) == (
        "line 1: path: unknown key",
        f"line 14: trust.signing_key: file not found: {tmp_path / 'keys' / 'none.key'}",
        f"line 15: trust.trusted_keys.0: file not found: {tmp_path / 'keys' / 'none.pub'}",
        "line 18: policy.max_lost_share: expected a number, found 'much'",
    )


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('name = "alpha"', 'name = "al.pha"',
         "site.name: expected 1 to 40 letters, digits, - and _, no - or _ first, found 'al.pha'"),
        ('name = "alpha"\n', "", "site.name: the key is missing"),
        ('side = "staging"', 'side = "stagin"',
         "site.side: expected 'staging' or 'disconnected', found 'stagin'; did you mean staging?"),
        ("[media]", 'ciphers = ["3des-cbc"]\n[media]',
         ("server.ciphers.0: expected 'aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', "
          "'aes256-ctr', 'aes192-ctr' or 'aes128-ctr', found '3des-cbc'")),
        ("[media]", "ciphers = []\n[media]",
         "server.ciphers: expected a list with at least one entry, found none"),
        ('path = "media"', "path = 3", "media.path: expected a path in quotes, found 3"),
        ("[media]", "[medias]", "medias: unknown key; did you mean media?"),
        ("[media]", "[medias]", "media: the table [media] is missing"),
        ("[policy]", "[policy]\nmax_remov = 1",
         "policy.max_remov: unknown key; did you mean max_removals?"),
        ("[policy]", "[policy]\nthreshold = 2",
         "policy.threshold: unknown key; it belongs in [trust]"),
        ("[policy]", "[policy]\nzzz = 2", "policy.zzz: unknown key"),
        ("[policy]", "[policy]\nmax_removals = -1",
         "policy.max_removals: expected 0 or more, found -1"),
        ("[policy]", "[policy]\nmax_removals = true",
         "policy.max_removals: expected a whole number, found true"),
        ("[policy]", "[policy]\nmax_share = 2", "policy.max_share: expected 1 or less, found 2"),
        ("[policy]", "[policy]\non_gap = 'refused'",
         "policy.on_gap: expected 'refuse' or 'accept', found 'refused'; did you mean refuse?"),
        ("[policy]", "[policy]\ndeadlines = 'never'",
         'policy.deadlines: expected "keep", "drop" or {{ shift_days = N }} with whole days'),
        ("[policy]", "[policy]\ndeadlines = { shift_days = 4_000 }",
         "policy.deadlines: shift_days is at most 3650 either way, found 4000"),
        ("[policy]", "[groups]\nall_computers = ''",
         "groups.all_computers: expected 'hold', 'apply' or the path of a group, found ''"),
        ("[policy]", "[groups]\nmap = 'Servers'",
         "groups.map: expected a table, found 'Servers'"),
        ("[policy]", "[[prefect]]", "prefect: expected a table, found a list"),
        ("[policy]", "[prefect]\napi_url = 'localhost'",
         "prefect.api_url: expected an address that begins with http:// or https://"),
        ('trusted_keys = ["keys/signing.pub"]', 'trusted_keys = "keys/signing.pub"',
         "trust.trusted_keys: expected a list in square brackets, found 'keys/signing.pub'"),
        ('trusted_keys = ["keys/signing.pub"]', "trusted_keys = []",
         "trust.trusted_keys: expected a list with at least one entry, found none"),
        ("[policy]", "threshold = 3", "trust.threshold: higher than the number of trusted keys"),
        ('platform = "posix"', "command_limit_hours = 0",
         "server.command_limit_hours: expected more than 0, found 0"),
        ('wsusutil = ["false"]', 'wsusutil = ["./none"]',
         "server.wsusutil: program not found: {}/none"),
        ('[media]', '[media]\nreturn_path = "~nobody-5c1f/x"',
         "media.return_path: no home folder is known for '~nobody-5c1f'"),
        ('"keys/signing.key"', f'"{"x" * 300}"',
         "trust.signing_key: file cannot be reached: {}/" + "x" * 300 + ": File name too long"),
        ('"keys/signing.key"', r'"a\u0000b"', "trust.signing_key: a path has no NUL"),
        ("[media]", "identity_file = 'none'\n[media]",
         "server.identity_file: file not found: {}/none"),
    ],
)  # fmt: skip
def test_a_fault_is_one_plain_sentence_with_key_and_suggestion(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    site = write_site_file(tmp_path, side="staging")
    change(site, old, new)

    sentences = [re.sub(r"^line \d+: ", "", problem) for problem in faults_of(site)]

    assert fault.format(tmp_path) in sentences


# What a number must be, by the word of a JSON schema, and a step beyond its limit.
BEYOND = {
    "minimum": ("{} or more", -1),
    "exclusiveMinimum": ("more than {}", 0),
    "maximum": ("{} or less", 1),
    "exclusiveMaximum": ("less than {}", 0),
}


def limits() -> Iterator[tuple[str, str, str, float]]:
    """Every limit of a number in a site file: table, key, word of a JSON schema, limit."""
    schema = Site.model_json_schema()
    for table, reference in schema["properties"].items():
        model = schema["$defs"].get(reference.get("$ref", "").rpartition("/")[2], {})
        for key, value in model.get("properties", {}).items():
            for kind in (value, *value.get("anyOf", ())):
                for word in BEYOND.keys() & kind.keys():
                    yield table, key, word, kind[word]


@pytest.mark.parametrize("number", sorted(limits()), ids=str)
def test_a_number_beyond_its_limit_is_named_with_the_limit(
    tmp_path: Path, number: tuple[str, str, str, float]
) -> None:
    table, key, word, limit = number
    site = write_site_file(tmp_path, side="staging")
    text, step = BEYOND[word]
    tables = re.split(r"(?m)^(?=\[)", site.read_text(encoding="utf-8"))
    others = [lines for lines in tables if not lines.startswith(f"[{table}]")]
    own = next((lines for lines in tables if lines.startswith(f"[{table}]")), f"[{table}]\n")
    rest = re.sub(rf"(?m)^{key} = .*\n", "", own)
    site.write_text("".join([*others, f"{rest.rstrip()}\n{key} = {limit + step}\n"]))

    expected = f"{table}.{key}: expected {text.format(limit)}, found {limit + step}"

    assert expected in [re.sub(r"^line \d+: ", "", problem) for problem in faults_of(site)]


def test_a_fault_of_the_mapping_of_groups_is_named_by_its_key_and_line(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="disconnected")
    mapping = """
[groups]
unassigned_computers = "Servers / Test"
[groups.map]
"Servers/Test" = "Ring 0"
"All Computers/Servers" = "Ring 1"
Clients = "Ring 2/"
Kiosk = 3
"""
    site.write_text(site.read_text(encoding="utf-8") + mapping, encoding="utf-8")

    first = len(site.read_text(encoding="utf-8").splitlines()) - 7
    assert [problem.split(":")[:2] for problem in faults_of(site)] == [
        [f"line {first + 2}", " groups.unassigned_computers"],
        [f"line {first + 5}", ' groups.map."All Computers/Servers"'],
        [f"line {first + 6}", " groups.map.Clients"],
        [f"line {first + 7}", " groups.map.Kiosk"],
    ]
    change(site, "All Computers/Servers", "servers/test")
    change(site, '"Ring 2/"', '"Ring 2"')
    change(site, "= 3", '= ""')
    change(site, "Servers / Test", "Servers/Test")
    (twice,) = faults_of(site)
    assert "'Servers/Test' and 'servers/test' are one group" in twice


def _json_values() -> st.SearchStrategy[object]:
    plain = st.booleans() | st.integers(-9, 99) | st.floats() | st.text("ab/~.:\\", max_size=6)
    return plain | st.lists(plain, max_size=2)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whatever_a_key_holds_no_word_of_a_library_is_shown(
    tmp_path: Path, data: st.DataObject
) -> None:
    (tmp_path / "site.toml").unlink(missing_ok=True)
    if not (tmp_path / "keys").exists():
        write_site_file(tmp_path, side="staging")
    sections = {name: field.annotation for name, field in Site.model_fields.items()}
    section = data.draw(st.sampled_from(sorted(sections.keys() - {"path"})))
    model = sections[section]
    key = data.draw(st.sampled_from(sorted(model.model_fields)))  # type: ignore[union-attr]
    value = data.draw(_json_values())
    text = f"[{section}]\n{key} = {_toml(value)}\n"
    (tmp_path / "site.toml").write_text(text, encoding="utf-8")

    faults = "\n".join(faults_of(tmp_path / "site.toml"))

    assert not [words for words in PYDANTIC_WORDS if words in faults], faults


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value)


def test_paths_are_relative_to_the_site_files_folder_and_those_of_windows_stay(
    tmp_path: Path,
) -> None:
    site = write_site_file(tmp_path, side="staging")
    (tmp_path / "link").symlink_to(tmp_path / "media")
    change(site, 'path = "media"', 'path = "link"')
    change(site, '["false"]\npowershell', '["./tools/../site.toml", "x"]\npowershell')

    read = read_site(site)

    assert read.state_dir == tmp_path / "state"
    assert read.trust.trusted_keys == (tmp_path / "keys" / "signing.pub",)
    assert read.media.path == (tmp_path / "media").resolve()
    assert read.server.work_dir == str(tmp_path / "work")
    assert read.server.wsusutil == (str(tmp_path / "site.toml"), "x")
    assert read.server.powershell == ("false",)

    change(site, 'platform = "posix"', 'platform = "windows"')
    change(site, 'address = "local"', SSH)
    with pytest.raises(SiteFileError, match=r"server\.known_hosts: file not found"):
        read_site(site)
    (tmp_path / "keys" / "known_hosts").touch()
    read = read_site(site)
    assert (read.server.work_dir, read.server.wsusutil[0]) == ("work", "./tools/../site.toml")
    assert read.server.known_hosts == tmp_path / "keys" / "known_hosts"


def test_a_site_file_without_a_server_has_the_defaults(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="staging")
    text = site.read_text(encoding="utf-8")
    begin, end = text.index("[server]"), text.index("[media]")
    site.write_text(text[:begin] + text[end:], encoding="utf-8")

    if os.name == "nt":
        return  # the default wsusutil is looked for
    assert read_site(site).server.address == "local"


def test_a_site_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="staging")
    site.write_text(site.read_text(encoding="utf-8"), encoding="utf-8-sig")

    assert read_site(site).name == "alpha"


def test_a_site_file_that_is_no_toml_names_the_line(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="staging")
    change(site, 'path = "media"', 'path "media"')

    (fault,) = faults_of(site)

    assert fault == (
        "not valid TOML: Expected '=' after a key in a key/value pair (at line 12, column 6)"
    )


def test_a_site_file_that_is_no_text_says_so(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_bytes(b"\xff\xfe")
    assert faults_of(site)[0].startswith("not UTF-8: ")
    site.unlink()
    site.mkdir()
    assert faults_of(site) == ("cannot be read: Is a directory",)


def test_a_site_file_that_is_not_there_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(PathMissingError) as caught:
        read_site(tmp_path / "site.toml")

    assert str(tmp_path / "site.toml") in caught.value.message
    assert "WSUS_AIRGAP_SITE" in caught.value.next_step


@pytest.mark.parametrize(
    "address",
    ["ssh://host", "ssh://u@h:99999", "ssh://u:secret@h:99999", r"ssh://u@h\n", "ssh://a b@h"],
)
def test_an_address_that_ssh_cannot_use_is_named_with_what_else_it_lacks(
    tmp_path: Path, address: str
) -> None:
    site = write_site_file(tmp_path, side="staging")
    change(site, 'address = "local"', f'address = "{address}"')

    faults = "\n".join(faults_of(site))

    for key in ("server.address: ", "server.known_hosts: "):
        assert key in faults
    assert "secret" not in faults
