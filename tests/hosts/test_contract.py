"""What the docstrings of the Host protocol promise, on every host."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasks.errors import CommandFailedError, HostFileError, ScriptFailedError
from tasks.hosts.host import FileHash, JobStatus, Json
from tasks.hosts.paths import HostPath
from tasks.refusals import FolderUnsafeError
from tests.hosts.conftest import World, made_up, shell, wait_for

# --- paths and names -----------------------------------------------------------------------------


def test_a_relative_path_is_refused(world: World) -> None:
    for text in ("work", "./work", "", "/work/../etc"):
        with pytest.raises(ValueError, match="path"):
            world.host.path(text)


def test_a_missing_folder_is_an_empty_list_and_a_missing_name_is_none(world: World) -> None:
    assert world.host.list_folder(world.root.joined("none")) == []
    assert world.host.stat(world.root.joined("none")) is None
    assert world.host.stat(world.root.joined("none", "deeper")) is None


def test_a_listing_names_files_folders_and_links_apart(world: World) -> None:
    world.host.write(world.root.joined("file"), [b"12345"])
    world.host.write(world.root.joined(".dot"), [])
    world.host.make_folder(world.root.joined("folder"))
    world.lay_link(world.root.joined("link"), world.root.joined("file"))
    listed = {entry.name: entry for entry in world.host.list_folder(world.root)}
    assert {name: entry.kind for name, entry in listed.items()} == {
        "file": "file",
        ".dot": "file",
        "folder": "folder",
        "link": "other",
    }
    assert listed["file"].size_bytes == 5
    assert listed[".dot"].hidden
    assert not listed["file"].hidden
    assert world.host.stat(world.root.joined("file")) == listed["file"]


def test_names_keep_their_letters(world: World) -> None:
    names = ["ÄÖÜ €.txt", "two  blanks", "日本語.exe", "quote'and\"quote", "-rf"]
    for name in names:
        world.host.write(world.root.joined(name), [name.encode()])
    assert sorted(entry.name for entry in world.host.list_folder(world.root)) == sorted(names)
    assert all(world.bytes_of(world.root.joined(name)) == name.encode() for name in names)
    assert not world.host.remove([world.root.joined(name) for name in names]).failed


def test_making_a_folder_makes_its_parents_and_may_be_repeated(world: World) -> None:
    deep = world.root.joined("a", "b", "c")
    world.host.make_folder(deep)
    world.host.make_folder(deep)
    found = world.host.stat(deep)
    assert found is not None
    assert found.kind == "folder"


def test_a_folder_cannot_be_made_where_a_file_is(world: World) -> None:
    world.host.write(world.root.joined("file"), [b"x"])
    with pytest.raises(HostFileError):
        world.host.make_folder(world.root.joined("file"))


# --- bytes ---------------------------------------------------------------------------------------


def test_what_is_written_is_read_back_from_any_offset(world: World) -> None:
    content = bytes(range(256)) * 4_000
    path = world.root.joined("file")
    chunks: list[bytes | memoryview] = [
        content[:1],
        memoryview(content)[1:300_000],
        b"",
        content[300_000:],
    ]
    assert world.host.write(path, chunks) == len(content)
    assert world.bytes_of(path) == content
    for offset in (0, 1, 262_144, len(content) - 1, len(content), len(content) + 10):
        assert b"".join(map(bytes, world.host.read(path, offset=offset))) == content[offset:]


def test_writing_replaces_what_was_there(world: World) -> None:
    path = world.root.joined("file")
    world.host.write(path, [b"a long first version"])
    world.host.write(path, [b"short"])
    assert world.bytes_of(path) == b"short"
    assert world.host.write(path, []) == 0
    assert world.bytes_of(path) == b""


def test_a_file_larger_than_every_buffer_keeps_its_bytes(world: World) -> None:
    block = hashlib.sha512(b"seed").digest() * 16_384  # 1 MiB
    blocks = [bytes([number]) + block for number in range(36)]
    path = world.root.joined("large")
    assert world.host.write(path, iter(blocks)) == sum(map(len, blocks))
    digest = hashlib.sha256()
    for view in world.host.read(path):
        digest.update(view)
    assert digest.digest() == hashlib.sha256(b"".join(blocks)).digest()


def test_reading_may_stop_half_way(world: World) -> None:
    path = world.root.joined("large")
    world.host.write(path, [bytes(1_000_000)] * 5)
    for _ in range(3):
        views = world.host.read(path)
        assert len(next(views)) > 0
        views.close()  # type: ignore[attr-defined]
    assert len(world.bytes_of(path)) == 5_000_000


def test_what_is_not_there_cannot_be_read_and_says_so(world: World) -> None:
    with pytest.raises(HostFileError, match="none"):
        world.bytes_of(world.root.joined("none"))


def test_a_missing_folder_is_an_error_for_write(world: World) -> None:
    with pytest.raises(HostFileError):
        world.host.write(world.root.joined("none", "file"), [b"x"])


def test_what_the_source_of_a_write_raises_comes_out(world: World) -> None:
    def chunks() -> list[bytes]:
        raise KeyError("of the caller")

    with pytest.raises(KeyError, match="of the caller"):
        world.host.write(world.root.joined("file"), (chunk for chunk in chunks()))


def test_a_created_file_is_whole_and_never_replaced(world: World) -> None:
    path = world.root.joined("once")
    assert world.host.create(path, b"first")
    assert not world.host.create(path, b"second")
    assert world.bytes_of(path) == b"first"
    assert [entry.name for entry in world.host.list_folder(world.root)] == ["once"]


def test_of_many_who_create_the_same_name_one_succeeds(world: World) -> None:
    path = world.root.joined("once")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: world.host.create(path, b"%d" % n), range(16)))
    assert made.count(True) == 1
    assert world.bytes_of(path) == b"%d" % made.index(True)


def test_size_and_sha1_are_what_the_host_read(world: World) -> None:
    contents = {f"file-{n}": bytes([n]) * n * 1_000 for n in range(5)}
    for name, content in contents.items():
        world.host.write(world.root.joined(name), [content])
    paths = [world.root.joined(name) for name in [*contents, "none"]]
    answers = list(world.host.hash_files(paths))
    hashes = {answer.path.name: answer for answer in answers if isinstance(answer, FileHash)}
    failed = [answer for answer in answers if not isinstance(answer, FileHash)]
    assert [path.name for path, _ in failed] == ["none"]
    for name, content in contents.items():
        sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest().upper()
        assert hashes[name] == FileHash(world.root.joined(name), len(content), sha1)


# --- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [3, 40])
def test_a_flush_says_of_each_file_whether_it_is_durable(world: World, count: int) -> None:
    there = [world.root.joined(f"file-{number}") for number in range(count)]
    for path in there:
        world.host.write(path, [b"x"])
    missing = world.root.joined("none")
    outcome = world.host.flush_files([*there[:1], missing, *there[1:]])
    assert set(outcome.ok) == set(there)
    assert [path for path, _ in outcome.failed] == [missing]
    world.host.flush_folders([world.root, world.root.parent])


def test_flushing_a_missing_folder_is_an_error(world: World) -> None:
    with pytest.raises(HostFileError):
        world.host.flush_folders([world.root.joined("none")])


@pytest.mark.parametrize("count", [2, 40])
def test_renames_replace_and_report_one_by_one(world: World, count: int) -> None:
    world.host.make_folder(world.root.joined("to"))
    moves = []
    for number in range(count):
        source = world.root.joined(f"{number}.part")
        world.host.write(source, [b"%d" % number])
        moves.append((source, world.root.joined("to", f"{number}")))
    world.host.write(moves[0][1], [b"old"])
    gone = (world.root.joined("none"), world.root.joined("to", "none"))
    outcome = world.host.rename([gone, *moves], inherit=True)
    assert set(outcome.ok) == set(moves)
    assert [move for move, _ in outcome.failed] == [gone]
    assert [world.bytes_of(target) for _, target in moves] == [b"%d" % n for n in range(count)]
    assert [entry.name for entry in world.host.list_folder(world.root)] == ["to"]


def test_a_missing_folder_is_empty_unless_it_must_exist(world: World) -> None:
    missing = world.root.joined("missing")
    assert world.host.list_folder(missing) == []
    with pytest.raises(HostFileError):
        world.host.list_folder(missing, must_exist=True)
    world.host.make_folder(missing)
    assert world.host.list_folder(missing, must_exist=True) == []


def test_removing_what_is_gone_counts_as_removed(world: World) -> None:
    full, empty = world.root.joined("full"), world.root.joined("empty")
    world.host.make_folder(full)
    world.host.make_folder(empty)
    world.host.write(full.joined("file"), [b"x"])
    none = world.root.joined("none", "deeper")
    outcome = world.host.remove([none, full, empty])
    assert set(outcome.ok) == {none, empty}
    assert [path for path, _ in outcome.failed] == [full]
    assert not world.host.remove([full.joined("file"), full]).failed
    assert world.host.list_folder(world.root) == []


def test_a_tree_is_removed_without_following_links(world: World) -> None:
    outside = world.root.joined("outside")
    world.host.make_folder(outside)
    world.host.write(outside.joined("precious"), [b"x"])
    tree = world.root.joined("tree")
    world.host.make_folder(tree.joined("a", "b"))
    world.host.write(tree.joined("a", "b", "file"), [b"x"])
    world.lay_link(tree.joined("a", "link"), outside)
    world.lay_link(world.root.joined("top"), outside)
    world.host.remove_tree(tree)
    world.host.remove_tree(tree)
    world.host.remove_tree(world.root.joined("top"))
    assert [entry.name for entry in world.host.list_folder(world.root)] == ["outside"]
    assert [entry.name for entry in world.host.list_folder(outside)] == ["precious"]


# --- links and private folders -------------------------------------------------------------------


def test_no_link_is_followed(world: World) -> None:
    outside = world.root.joined("outside")
    world.host.make_folder(outside)
    world.host.write(outside.joined("file"), [b"secret"])
    link = world.root.joined("link")
    world.lay_link(link, outside)
    with pytest.raises(FolderUnsafeError):
        world.host.list_folder(link)
    with pytest.raises(FolderUnsafeError):
        world.bytes_of(link.joined("file"))
    with pytest.raises(FolderUnsafeError):
        world.host.write(link.joined("new"), [b"x"])
    with pytest.raises(FolderUnsafeError):
        world.host.create(link.joined("new"), b"x")
    with pytest.raises(FolderUnsafeError):
        world.host.make_folder(link.joined("new"))
    with pytest.raises(FolderUnsafeError):
        world.host.make_private_folder(link)
    assert [entry.name for entry in world.host.list_folder(outside)] == ["file"]


def test_a_file_that_is_a_link_is_neither_read_nor_written(world: World) -> None:
    target, link = world.root.joined("target"), world.root.joined("link")
    world.host.write(target, [b"secret"])
    world.lay_link(link, target)
    with pytest.raises(FolderUnsafeError):
        world.bytes_of(link)
    with pytest.raises(FolderUnsafeError):
        world.host.write(link, [b"x"])
    assert not world.host.create(link, b"x")
    assert world.bytes_of(target) == b"secret"


def test_below_a_private_folder_no_link_on_the_way_is_followed(world: World) -> None:
    private = world.root.joined("private")
    world.host.make_private_folder(private)
    elsewhere = world.root.joined("elsewhere")
    world.host.make_folder(elsewhere.joined("b", "c"))
    world.host.write(elsewhere.joined("b", "c", "file"), [b"x"])
    world.lay_link(private.joined("a"), elsewhere)
    with pytest.raises(FolderUnsafeError):
        world.bytes_of(private.joined("a", "b", "c", "file"))
    with pytest.raises(FolderUnsafeError):
        world.host.write(private.joined("a", "b", "c", "new"), [b"x"])


def test_a_private_folder_may_be_asked_for_again(world: World) -> None:
    folder = world.root.joined("new", "private")
    world.host.make_private_folder(folder)
    world.host.write(folder.joined("file"), [b"x"])
    world.host.make_private_folder(folder)
    assert world.bytes_of(folder.joined("file")) == b"x"


# --- room ----------------------------------------------------------------------------------------


def test_room_is_that_of_the_nearest_folder_that_exists(world: World) -> None:
    here = world.host.space(world.root)
    deeper = world.host.space(world.root.joined("none", "deeper"))
    assert here.free_bytes is not None
    assert deeper.free_bytes is not None
    assert here.free_bytes > 0
    assert here.file_system not in ("", "unknown")
    assert deeper.file_system == here.file_system
    assert abs(deeper.free_bytes - here.free_bytes) < 1 << 30
    volume = world.host.volume_of(world.root)
    assert volume == world.host.volume_of(world.root.joined("none", "deeper"))


def test_a_path_is_followed_to_where_it_really_lies_also_when_its_end_is_not_there(
    world: World,
) -> None:
    big = world.root.joined("big")
    world.host.make_folder(big)
    link = world.root.joined("link")
    world.lay_link(link, big)
    assert world.host.real_path(link) in {big, link}  # in memory links are there to be refused
    followed = world.host.real_path(link)
    assert world.host.real_path(link.joined("none", "deeper")) == followed.joined("none", "deeper")


# --- programs ------------------------------------------------------------------------------------


def test_a_program_gets_its_arguments_input_and_gives_output_and_code(world: World) -> None:
    odd = ["a b", "", "'\"", "$HOME", "*", "back\\slash", "ä€", "; echo no", "line\nbreak"]
    command = [*shell('printf "<%s>" "$@"; cat; echo oops >&2; exit 7'), "name", *odd]
    result = world.host.run(command, timeout_seconds=30, stdin="grüße".encode())
    assert result.exit_code == 7
    assert result.stdout == "".join(f"<{word}>" for word in odd) + "grüße"
    assert result.stderr == "oops\n"


def test_much_output_and_input_do_not_block_each_other(world: World) -> None:
    command = shell("head -c 3000000 /dev/zero | tr '\\0' x; cat; head -c 300000 /dev/zero >&2")
    result = world.host.run(command, timeout_seconds=60, stdin=b"y" * 3_000_000)
    assert result.stdout == "x" * 3_000_000 + "y" * 3_000_000
    assert len(result.stderr) == 300_000


def test_a_program_that_is_not_there_says_so(world: World) -> None:
    with pytest.raises(CommandFailedError, match="no-such-program"):
        world.host.run(["/no-such-program"], timeout_seconds=30)


def test_calls_from_several_threads_do_not_mix(world: World) -> None:
    def work(number: int) -> tuple[bool, str]:
        path = world.root.joined(f"file-{number}")
        content = bytes([number]) * 700_000
        world.host.write(path, [content])
        said = world.host.run(["echo", str(number)], timeout_seconds=60).stdout
        return world.bytes_of(path) == content, said

    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(work, range(20)))
    assert found == [(True, f"{number}\n") for number in range(20)]


# --- detached programs ---------------------------------------------------------------------------


def _end_of(world: World, job: HostPath) -> JobStatus:
    wait_for(lambda: world.host.poll_detached(job).state != "running")
    return world.host.poll_detached(job)


def test_a_job_that_was_never_started_is_absent(world: World) -> None:
    assert world.host.poll_detached(world.root.joined("job")) == JobStatus("absent")


def test_a_job_leaves_its_output_and_exit_code(world: World) -> None:
    job = world.root.joined("jobs", "first")
    world.host.start_detached([*shell('echo "$1"; exit 3'), "name", "two words"], job=job)
    assert _end_of(world, job) == JobStatus("exited", exit_code=3, stdout="two words\n")
    assert world.bytes_of(job.joined("stdout")) == b"two words\n"


def test_a_job_is_started_once_whoever_asks(world: World, tmp_path: Path) -> None:
    job, marks = world.root.joined("job"), tmp_path / "marks"
    command = [*shell('echo "$1" | tee -a "$2"'), "name", "mark", str(marks)]
    barrier = threading.Barrier(6)

    def start(_number: int) -> None:
        barrier.wait()
        world.host.start_detached(command, job=job)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(start, range(6)))
    world.host.start_detached(shell("exit 9"), job=job)
    assert _end_of(world, job) == JobStatus("exited", exit_code=0, stdout="mark\n")
    assert marks.read_text(encoding="utf-8") == "mark\n"


# --- scripts -------------------------------------------------------------------------------------


def test_a_script_answers_line_by_line_and_last_with_its_end(world: World) -> None:
    request: list[Json] = [
        {"kind": "settings"},
        {"text": "ä€\n日本 '\""},
        {"number": 7, "none": None},
    ]
    answer = list(
        world.host.run_script(made_up("echo"), iter(request), folder=world.root, timeout_seconds=30)
    )
    assert answer == [*request, {"kind": "end", "count": 3}]


def test_a_script_may_run_again_in_the_same_folder(world: World) -> None:
    for number in range(3):
        lines = world.host.run_script(
            made_up("echo"), [{"number": number}], folder=world.root, timeout_seconds=30
        )
        assert next(iter(lines)) == {"number": number}


def test_a_script_without_an_end_line_has_failed(world: World) -> None:
    lines = world.host.run_script(
        made_up("no-end"), [{"kind": "x"}], folder=world.root, timeout_seconds=30
    )
    with pytest.raises(ScriptFailedError, match="no end"):
        list(lines)
