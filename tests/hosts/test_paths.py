"""Paths of both platforms, on any machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.hosts.paths import HostPath, Platform, absolute_path

NAME = st.text(st.sampled_from("abcXYZ.-_ äß"), min_size=1, max_size=8).filter(
    lambda name: name.strip(".") != ""
)


@pytest.mark.parametrize(
    ("text", "normal", "sftp"),
    [
        ("D:\\WSUS\\WsusContent", "D:\\WSUS\\WsusContent", "/D:/WSUS/WsusContent"),
        (
            "c:/ProgramData/wsus-airgap/",
            "c:\\ProgramData\\wsus-airgap",
            "/c:/ProgramData/wsus-airgap",
        ),
        ("C:\\", "C:\\", "/C:/"),
        ("C:\\a\\\\b\\.\\c", "C:\\a\\b\\c", "/C:/a/b/c"),
        ("\\\\server\\share\\folder", "\\\\server\\share\\folder", "/server/share/folder"),
    ],
)
def test_windows_paths_have_one_form_here_and_one_for_sftp(
    text: str, normal: str, sftp: str
) -> None:
    path = absolute_path(text, Platform.WINDOWS)
    assert path.text == normal
    assert path.sftp == sftp
    assert absolute_path(normal, Platform.WINDOWS) == path


@pytest.mark.parametrize(
    "text",
    ["", "WSUS", "C:", "C:WSUS", "\\WSUS", "/WSUS", "C:\\a\\..\\b", "C:/a/../b", "\\\\server",
     "\\\\?\\C:\\a", "\\\\.\\COM1\\x", "C:\\a\\file:stream", "C:\\a\0b"],
)  # fmt: skip
def test_what_is_no_absolute_windows_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="path"):
        absolute_path(text, Platform.WINDOWS)


@pytest.mark.parametrize("text", ["", "a", "./a", "a/b", "/a/../b", "/..", "/a\0b", "C:\\a"])
def test_what_is_no_absolute_posix_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="path"):
        absolute_path(text, Platform.POSIX)


@given(st.sampled_from(list(Platform)), st.lists(NAME, min_size=1, max_size=5))
def test_joining_and_taking_apart_are_inverse(platform: Platform, names: list[str]) -> None:
    root = HostPath("C:\\root" if platform is Platform.WINDOWS else "/root", platform)
    path = root.joined(*names)
    taken = []
    while path != root:
        taken.append(path.name)
        path = path.parent
    assert taken[::-1] == names
    assert absolute_path(root.joined(*names).text, platform) == root.joined(*names)
