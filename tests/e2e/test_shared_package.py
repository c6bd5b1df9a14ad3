"""Sites of one staging server share one run of wsusutil until its catalogue changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_beside_wsusutil import hanging, wait_until, working
from tests.support.labs import ROOT, Lab, make_lab, run_here

pytestmark = pytest.mark.timeout(600)
SITES = ("alpha", "beta", "gamma")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, shared_api: str) -> Lab:
    """A staging server of three sites, which notes each start of wsusutil."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WSUS_LAB_POWERSHELL", "stand-in")
        made = make_lab(
            tmp_path_factory.mktemp("shared") / "lab",
            api_url=shared_api,
            updates=12,
            content_bytes=200_000,
        )
    own = made.folder / "wsusutil-staging"
    program = made.folder / "staging" / "wsusutil"
    own.write_text(f'#!/bin/sh\necho "$1" >>{own}.starts\nexec {program} "$@"\n')
    own.chmod(0o755)
    made.configure("staging", "server", wsusutil=[str(own)])
    return made


def site_file(lab: Lab, site: str) -> Path:
    """The site file of one of the sites, beside the first; each has its own state and chain."""
    first = lab.site_file("staging")
    if site == "alpha":
        return first
    path = first.with_name(f"{site}.toml")
    if not path.exists():
        text = first.read_text(encoding="utf-8").replace('"alpha"', f'"{site}"')
        path.write_text(text.replace('"state"', f'"state-{site}"'), encoding="utf-8")
    return path


def export(lab: Lab, site: str, *words: str) -> Path:
    given = ["export", *words, "--site", str(site_file(lab, site)), "--json"]
    result = run_here(*given)
    assert result.exit_code in {0, 2}, result.explain()
    return Path(result.document["bundle"])


def starts(lab: Lab) -> list[str]:
    return (lab.folder / "wsusutil-staging.starts").read_text(encoding="utf-8").split()


def package(bundle: Path) -> bytes:
    return (bundle / "volume-001" / "metadata.xml.gz").read_bytes()


def test_three_sites_need_one_wsusutil_and_another_after_a_synchronisation(
    lab: Lab, stand_in: None
) -> None:
    bundles = [export(lab, site) for site in SITES]

    assert starts(lab) == ["export"]
    assert [bundle.name for bundle in bundles] == [f"{site}-1" for site in SITES]
    assert len({package(bundle) for bundle in bundles}) == 1

    lab.advance()
    newer = [export(lab, site) for site in SITES]

    assert starts(lab) == ["export"] * 2
    assert len({package(bundle) for bundle in newer}) == 1
    assert package(newer[0]) != package(bundles[0])


def test_a_package_that_is_damaged_is_made_anew(lab: Lab, stand_in: None) -> None:
    lab.advance()
    export(lab, "alpha")
    before = len(starts(lab))
    (shared,) = lab.work("staging").glob("packages/*/metadata.xml.gz")
    shared.write_bytes(shared.read_bytes()[:-1] + b"x")

    export(lab, "beta")

    assert len(starts(lab)) == before + 1


def test_a_wsusutil_whose_run_was_killed_serves_another_site_and_then_its_own(
    lab: Lab, stand_in: None
) -> None:
    lab.advance()
    before = len(starts(lab))
    kill_in_mid_export(lab, "alpha")

    beta = export(lab, "beta")
    alpha = export(lab, "alpha")

    assert len(starts(lab)) == before + 1
    assert package(alpha) == package(beta)


def test_a_wsusutil_that_failed_after_its_run_was_killed_is_no_use_to_another_site(
    lab: Lab, stand_in: None
) -> None:
    lab.advance()
    before = len(starts(lab))
    lab.fault("staging", "package-truncated")
    kill_in_mid_export(lab, "alpha")
    lab.fault("staging", "package-truncated", on=False)

    beta = export(lab, "beta")

    assert len(starts(lab)) == before + 2
    assert package(beta) == package(export(lab, "alpha"))


def kill_in_mid_export(lab: Lab, site: str) -> None:
    """Kill the command of an export while its wsusutil works, which then comes to its end."""
    before = len(starts(lab))
    with hanging(lab, "staging"):
        words = ["export", "--site", str(site_file(lab, site))]
        command = subprocess.Popen([sys.executable, "-m", "flows.command_line", *words], cwd=ROOT)
        wait_until(lambda: len(starts(lab)) > before and working(lab, "staging"))
        command.kill()
        command.wait()
