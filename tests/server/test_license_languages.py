"""Languages of licence terms that only the server knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tasks.hosts.host import Json
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import read_closures
from tasks.metadata.index import index_package
from tasks.metadata.license_files import UNKNOWN_LANGUAGE
from tasks.run.context import RunContext
from tasks.server.license_languages import ask_license_languages
from tests.metadata import test_license_files as terms
from tests.support.runs import on_memory_server


def languages(index: Path) -> dict[str, str]:
    """The language of each file that the update needs, by its kind and digest."""
    with PackageIndex(index) as opened:
        (closure,) = read_closures(opened, [terms.KEY], terms.CHOICE)
    return {f"{each.kind} {each.name.digest.hex}": each.language for each in closure.files}


def index_of(folder: Path) -> Path:
    files = "".join(terms.file_of(code, name=name) for code, name in terms.NAMELESS.items())
    eula = f"<EulaFiles>{files}</EulaFiles>"
    path = terms.write(folder, terms.update_with(eula=eula), names=terms.NAMELESS)
    index_package(path, folder / "i")
    return folder / "i"


def run_with(run: RunContext, answers: list[Json]) -> tuple[RunContext, list[Json]]:
    asked: list[Json] = []

    def answer(request: list[Json]) -> Iterator[Json]:
        asked.extend(request[1:])
        yield from answers

    made = on_memory_server(run, {"read-license-files": answer})
    made.make_folders()
    return made, asked


def line(code: str, name: str, *, is_license: bool = True) -> Json:
    sha1 = terms.sha1(code).hex
    return {"kind": "file", "sha1": sha1, "name": name, "is_license": is_license}


def test_the_server_says_languages_and_what_are_no_terms_and_the_rest_stays_unknown(
    tmp_path: Path, staging: RunContext
) -> None:
    index = index_of(tmp_path)
    run, asked = run_with(
        staging,
        [
            line("en", terms.original_name("en")),
            line("fr", terms.original_name("fr")),
            line("ja", "readme.txt", is_license=False),
            line("de", "terms.txt"),
        ],
    )
    ask_license_languages(run, index)
    assert asked == [{"update_id": terms.KEY.update_id, "revision": terms.KEY.revision}]
    assert languages(index) == {
        f"payload {terms.sha1('payload').hex}": "",
        f"license {terms.sha1('en').hex}": "en",
        f"payload {terms.sha1('ja').hex}": "",
        f"license {terms.sha1('de').hex}": UNKNOWN_LANGUAGE,
        f"license {terms.sha1('pt-br').hex}": UNKNOWN_LANGUAGE,
    }  # French is not enabled, so its file is not needed


def test_a_package_that_tells_all_languages_asks_the_server_nothing(
    tmp_path: Path, staging: RunContext
) -> None:
    names = {code: terms.original_name(code) for code in terms.CODES}
    path = terms.write(tmp_path, terms.PLACES["only among the files"], names=names)
    index_package(path, tmp_path / "i")
    run, asked = run_with(staging, [])
    ask_license_languages(run, tmp_path / "i")
    assert asked == []


def test_a_server_that_does_not_answer_leaves_all_as_it_was(
    tmp_path: Path, staging: RunContext
) -> None:
    index = index_of(tmp_path)
    before = languages(index)
    run, _ = run_with(staging, [{"kind": "file"}])
    ask_license_languages(run, index)
    assert languages(index) == before
