"""Layout of our folders on a server, and how they are made private."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath


@dataclass(frozen=True, slots=True)
class ContentDiskFolders:
    """Our folders on the disk of WsusContent, so that placing and deleting content is a rename.

    Attributes:
        root: Parent of both; neither WSUS nor its web site serves it.
        intake: Holds a bundle's content until all of it is verified.
        trash: Holds deleted content until a person empties it.
    """

    root: HostPath
    intake: HostPath
    trash: HostPath


@dataclass(frozen=True, slots=True)
class ServerFolders:
    """Paths of one site below our folder on its server.

    Attributes:
        work_dir: Our folder on the server (``server.work_dir`` of the site file).
        site: Name of the site.
    """

    work_dir: HostPath
    site: str

    @property
    def runs(self) -> HostPath:
        """Parent of all work folders."""
        return self.work_dir.joined("runs")

    @property
    def mark(self) -> HostPath:
        """File that names the newest bundle (``tasks/server/mark.py``)."""
        return self.work_dir.joined("marks", f"{self.site}.json")

    @property
    def packages(self) -> HostPath:
        """Parent of the metadata packages that serve all sites of the server."""
        return self.work_dir.joined("packages")

    @property
    def scans(self) -> HostPath:
        """Parent of the content lists that serve all sites of the server."""
        return self.work_dir.joined("scans")

    @property
    def safety_copies(self) -> HostPath:
        """Parent of the jobs that make safety copies of the database."""
        return self.work_dir.joined("safety-copies", self.site)

    @property
    def server_lock(self) -> HostPath:
        """Lock of the server."""
        return self.work_dir.joined("locks", f"{self.site}.lock")

    @property
    def packages_lock(self) -> HostPath:
        """Lock of the run that has ``wsusutil`` make the package for all sites of the server."""
        return self.work_dir.joined("locks", ".packages.lock")  # no site's name begins so

    def work_folder(self, work: str) -> HostPath:
        """Folder for the scripts and jobs of one piece of work."""
        return self.runs.joined(f"{self.site}-{work}")

    def below(self, root: HostPath) -> ContentDiskFolders:
        """Return intake and trash below a folder of ours."""
        return ContentDiskFolders(
            root=root,
            intake=root.joined("intake", self.site),
            trash=root.joined("trash", self.site),
        )


def find_content_disk(
    server: Host, folders: ServerFolders, content_dir: HostPath
) -> ContentDiskFolders:
    """Return intake and trash on the volume of WsusContent, so that each move is a rename.

    They lie in the work folder if it is on that volume, else beside WsusContent. If WsusContent is
    itself the folder in which its volume is mounted, nothing beside it is on that volume: they lie
    inside, in a folder of ours that WSUS does not look at and nobody else may read.

    Args:
        server: The server.
        folders: Our folders there.
        content_dir: WsusContent, with links followed.
    """
    name = "wsus-airgap"
    if content_dir.drive != folders.work_dir.drive:
        return folders.below(content_dir.parent.joined(name))
    volume = server.volume_of(content_dir)
    if server.volume_of(folders.work_dir) == volume:
        return folders.below(folders.work_dir)
    parent = content_dir.parent
    is_beside = server.volume_of(parent) == volume
    return folders.below((parent if is_beside else content_dir).joined(name))


def make_disk_folders(server: Host, disk: ContentDiskFolders, folder: HostPath) -> None:
    """Make the intake or the trash, and our folders above it, each of them private."""
    for path in (disk.root, folder.parent, folder):
        server.make_private_folder(path)
