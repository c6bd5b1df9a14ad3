"""Which content files a mirror takes away from the disconnected server: pure.

Only files that the staging server no longer holds; never one that an update still needs; never
from an empty manifest. A person confirms the list by its digest, and what is deleted goes to the
trash first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from blake3 import blake3

from tasks.content.names import ContentDigest
from tasks.content.scan import ContentFile

_SHARE_FROM_FILES = 10  # below this number a share says nothing


@dataclass(frozen=True, slots=True)
class DeleteLimits:
    """How much one import may delete; a share counts only from ten files on."""

    files: int
    share: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class DeletePlan:
    """What would be deleted, and what is kept although staging lacks it.

    Attributes:
        files: To delete, in the order of scans.
        kept: How many more staging no longer holds, but an update here still needs.
        present: How many files lie in WsusContent in all.
    """

    files: tuple[ContentFile, ...]
    kept: int
    present: int

    @property
    def size_bytes(self) -> int:
        """Bytes of what would be deleted."""
        return sum(file.size_bytes for file in self.files)

    @property
    def digest(self) -> str:
        """BLAKE3 over the names, hex: what a person confirms."""
        hasher = blake3()
        for file in self.files:
            hasher.update(f"{file.name.text}\n".encode())
        return hasher.hexdigest()

    def exceeds(self, limits: DeleteLimits) -> str | None:
        """Which limit the plan breaks, as a sentence; None when it keeps all."""
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
                f"{self.size_bytes} bytes would be deleted, "
                f"policy.max_delete_bytes is {limits.size_bytes}"
            )
        return None


def plan_deletes(
    surplus: Iterable[ContentFile], *, is_needed: Callable[[ContentDigest], bool], present: int
) -> DeletePlan:
    """Decide on the files that staging no longer holds.

    Args:
        surplus: What lies in WsusContent and in no line of the manifest.
        is_needed: Whether an update that is not declined needs a file.
        present: How many files lie in WsusContent.
    """
    files: list[ContentFile] = []
    kept = 0
    for file in surplus:
        if is_needed(file.name.digest):
            kept += 1
        else:
            files.append(file)
    return DeletePlan(tuple(files), kept, present)
