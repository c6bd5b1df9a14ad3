"""Local packages are put into UpdateServicesPackages from the content that was placed."""

from __future__ import annotations

from tasks.approvals.local_packages import LocalPackage
from tasks.approvals.model import ApprovalSet
from tasks.content.names import ContentName
from tasks.content.place import content_path
from tasks.hosts.paths import HostPath
from tasks.importing.local_packages_in import place_local_packages
from tasks.importing.trusted_bundle import TrustedBundle
from tasks.run.report import ReportDraft
from tests.importing.disconnected_side import DisconnectedSide
from tests.support.bundles import write_content
from tests.support.runs import site_with

FOLDER = "0a1b2c3d-1234-5678-9abc-def012345678"
BYTES = b"a cabinet"


class Arrival:
    """A bundle that brings one local package, and whose content is in place."""

    def __init__(self, side: DisconnectedSide) -> None:
        self.side = side
        name = write_content(side.workshop.content, BYTES)
        sha1 = name.digest.hex
        self.package = LocalPackage(FOLDER, "a_1.cab", sha1, len(BYTES), "CN=Publisher", "ab" * 20)
        other = LocalPackage(FOLDER, "b_1.cab", "12" * 20, 9)
        path = side.make_bundle(1)
        self.bundle: TrustedBundle = side.import_(path)
        decisions = ApprovalSet(packages=(self.package, other))
        approvals = self.bundle.incoming.folder / "approvals.jsonl"
        approvals.write_bytes(b"".join(decisions.encoded()))
        self.root = side.run.server.path("/srv/UpdateServicesPackages")
        side.run.report = ReportDraft()

    @property
    def target(self) -> HostPath:
        return self.root.joined(FOLDER, "a_1.cab")

    def place(self, *, is_set: bool = True) -> list[str]:
        """Place, as the step does; gives the results by row."""
        side = self.side
        folder = self.root.text if is_set else None
        side.run.site = site_with(side.run.site, "server", packages_dir=folder)
        side.run.report = ReportDraft()
        place_local_packages(side.run, self.bundle, side.list_content())
        (section,) = side.run.report.sections
        return [str(row[3]) for row in section.rows]

    def read(self) -> bytes:
        return b"".join(bytes(view) for view in self.side.run.server.read(self.target))


def test_what_came_is_put_there_and_the_certificate_is_named(side: DisconnectedSide) -> None:
    arrival = Arrival(side)
    side.run.server.make_folder(arrival.root)
    assert arrival.place() == ["placed", "not carried: its content file is not here"]
    assert arrival.read() == BYTES
    assert any("CN=Publisher" in line for line in side.run.report.lines)
    assert not side.run.report.is_flagged
    assert arrival.place()[0] == "in place"


def test_without_the_key_nothing_is_put_anywhere_and_the_report_says_so(
    side: DisconnectedSide,
) -> None:
    arrival = Arrival(side)
    assert arrival.place(is_set=False) == ["not put there"] * 2
    assert side.run.server.stat(arrival.target) is None
    assert any("[server] packages_dir" in line for line in side.run.report.lines)
    assert not side.run.report.is_flagged


def test_a_file_that_lies_there_with_other_bytes_is_named_and_left_alone(
    side: DisconnectedSide,
) -> None:
    arrival = Arrival(side)
    side.run.server.make_folder(arrival.target.parent)
    side.run.server.write(arrival.target, [b"of this site"])
    arrival.place()
    assert arrival.read() == b"of this site"
    assert "left alone" in side.run.report.notices[0]


def test_a_folder_that_is_not_there_is_named(side: DisconnectedSide) -> None:
    arrival = Arrival(side)
    arrival.place()
    assert "no such folder" in side.run.report.notices[0]


def test_content_that_has_rotted_since_it_was_placed_is_not_put_there(
    side: DisconnectedSide,
) -> None:
    """It is read after the listing, so that only its own bytes can tell."""
    arrival = Arrival(side)
    side.run.server.make_folder(arrival.root)
    name = ContentName.parse(f"{arrival.package.sha1}.cab")
    assert name is not None
    side.run.server.write(content_path(side.content_dir, name), [b"rotten!!!"])

    arrival.place()

    assert "other bytes than the bundle says" in side.run.report.notices[0]
    assert side.run.server.list_folder(arrival.target.parent) == []
