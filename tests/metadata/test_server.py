"""Settings that must be equal on both sides."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.metadata.server import ServerSettings, compare_settings
from tests.metadata.facts import LINE, server_facts


def test_facts_are_read_from_the_line_of_the_script() -> None:
    facts = server_facts()
    assert facts.last_sync_end == datetime(2031, 5, 1, 3, tzinfo=UTC)
    assert facts.content_volume is not None
    assert facts.content_volume.file_system == "NTFS"


def test_a_line_without_an_expected_key_is_refused() -> None:
    with pytest.raises(ValidationError):
        ServerSettings.model_validate({key: LINE[key] for key in LINE if key != "languages"})


@pytest.mark.parametrize(
    "changes",
    [
        {"server_id": ""},
        {"server_id": "../../x"},
        {"update_count": -1},
        {"approved_count": 2**31},
        {"bytes_to_download": -1},
        {"protocol_version": ""},
        {"version": "1" * 101},
        {"languages": ["en"] * 201},
        {"clock": "2031-05-01T03:00:00"},
        {"last_sync_end": "2031-05-01T03:00:00"},
    ],
)
def test_what_no_server_is_or_counts_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        server_facts(**changes)


def test_equal_settings_have_no_differences() -> None:
    assert compare_settings(server_facts(), server_facts(version="10.0.20348.1")) == ()


def test_language_order_and_case_make_no_difference() -> None:
    assert compare_settings(server_facts(), server_facts(languages=["JA", "en", "de"])) == ()


def test_the_list_of_languages_means_nothing_where_all_are_on() -> None:
    both = {"all_languages": True}
    assert compare_settings(server_facts(**both), server_facts(**both, languages=["fr"])) == ()


DIFFERENCES: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "protocol version": (
        {},
        {"protocol_version": "1.8"},
        "staging 1.20 (WSUS 10.0.14393.7155), disconnected 1.8",
        "same WSUS version",
    ),
    "express installation files": (
        {"download_express": True},
        {},
        "staging on, disconnected off",
        "$c.DownloadExpressPackages = $true",
    ),
    "languages": (
        {},
        {"languages": ["en"]},
        "staging de, en, ja, disconnected en",
        "$l.AddRange([string[]]@('de', 'en', 'ja'))",
    ),
}


@pytest.mark.parametrize("setting", DIFFERENCES)
def test_a_difference_is_named_with_both_values_and_its_exact_remedy(setting: str) -> None:
    staging, disconnected, sentence, remedy = DIFFERENCES[setting]
    (difference,) = compare_settings(server_facts(**staging), server_facts(**disconnected))
    assert difference.setting == setting
    assert sentence in difference.sentence
    assert remedy in difference.remedy


def test_all_languages_on_one_side_alone_is_a_difference() -> None:
    (difference,) = compare_settings(server_facts(all_languages=True), server_facts())
    assert "AllUpdateLanguagesEnabled = $true" in difference.remedy


def test_every_difference_is_named_at_once() -> None:
    disconnected = server_facts(protocol_version="1.8", download_express=True, languages=["en"])
    assert len(compare_settings(server_facts(), disconnected)) == 3
