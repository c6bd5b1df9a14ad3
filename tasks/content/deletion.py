"""Decide which content files a mirror deletes from the disconnected server. Pure.

It deletes only files that the staging server no longer has, never a file that an update still
needs, and nothing if the manifest is empty. A person confirms the list by its digest, and the
files go to the trash first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from blake3 import blake3

from tasks.content.names import ContentDigest
from tasks.content.scan import ContentFile
from tasks.quantities import size

_SHARE_FROM_FILES = 10  # a share of fewer files is not meaningful


@dataclass(frozen=True, slots=True)
class DeleteLimits:
    """Limits of deletion in one import; the share applies from ten deleted files on."""

    files: int
    share: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class DeletePlan:
    """Files to delete.

    Attributes:
        files: Files to delete, in the order of scans.
        still_needed: Number of files that staging no longer has, but an update here still needs.
        present: Number of all files in WsusContent.
    """

    files: tuple[ContentFile, ...]
    still_needed: int
    present: int

    @property
    def size_bytes(self) -> int:
        """Bytes of the files to delete."""
        return sum(file.size_bytes for file in self.files)

    @property
    def digest(self) -> str:
        """BLAKE3 of the names, in hex; a person confirms the plan by it."""
        hasher = blake3()
        for file in self.files:
            hasher.update(f"{file.name.text}\n".encode())
        return hasher.hexdigest()

    def exceeds(self, limits: DeleteLimits) -> str | None:
        """Describe the first limit that the plan breaks; None if it breaks none."""
        count = len(self.files)
        if count > limits.files:
            return f"{count} files would be deleted, policy.max_deletes is {limits.files}"
        if count >= _SHARE_FROM_FILES and count > limits.share * self.present:
            return (
                f"{count} of {self.present} files would be deleted, "
                f"policy.max_delete_share is {limits.share:g}"
            )
        if self.size_bytes > limits.size_bytes:
            return (
                f"{size(self.size_bytes)} would be deleted, "
                f"policy.max_delete_bytes is {limits.size_bytes} ({size(limits.size_bytes)})"
            )
        return None


def plan_deletes(
    surplus: Iterable[ContentFile], *, is_needed: Callable[[ContentDigest], bool], present: int
) -> DeletePlan:
    """Divide the files that staging no longer has into files to delete and files still needed.

    Args:
        surplus: Files of WsusContent that the manifest does not list.
        is_needed: Returns True if an update that is not declined needs the file.
        present: Number of all files in WsusContent.
    """
    files: list[ContentFile] = []
    still_needed = 0
    for file in surplus:
        if is_needed(file.name.digest):
            still_needed += 1
        else:
            files.append(file)
    return DeletePlan(tuple(files), still_needed, present)
