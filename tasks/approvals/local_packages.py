"""Files of UpdateServicesPackages: sources of updates that were published on staging.

WSUS keeps them beside WsusContent, in a folder for each update, and as a content file too once an
update is approved. A bundle carries the content file; a line of its decisions says where a copy of
it belongs, so that the update can be approved or published again on the other side.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked_dataclass

from tasks.content.names import ContentDigest

_FOLDER = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_FILE = r"[A-Za-z0-9_{}][A-Za-z0-9_{}.-]{0,98}\.[A-Za-z0-9]{1,8}"
# Names of devices, with any extension; Windows does not make files of them.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


def _no_device(name: str) -> str:
    if _DEVICE.fullmatch(name):
        raise ValueError(f"{name} is the name of a device")
    return name


@checked_dataclass(frozen=True, slots=True, order=True, config=ConfigDict(extra="ignore"))
class LocalPackage:
    """One file of UpdateServicesPackages.

    Attributes:
        folder: Name of its folder, the id of the update in lower case.
        file: Its name in that folder.
        sha1: SHA-1 of its bytes, 40 digits in upper case: the content file with the same bytes.
        size_bytes: Its size.
        signer: Subject of the certificate that signed it; empty if that is not known.
        thumbprint: SHA-1 of that certificate, lower case; empty if it is not known.
    """

    folder: Annotated[str, Field(pattern=rf"^{_FOLDER}$")]
    file: Annotated[str, Field(pattern=rf"^{_FILE}$"), AfterValidator(_no_device)]
    sha1: Annotated[str, Field(pattern=r"^[0-9A-F]{40}$")]
    size_bytes: Annotated[int, Field(ge=0)]
    signer: Annotated[str, Field(max_length=1_000)] = ""
    thumbprint: Annotated[str, Field(pattern=r"^(?:[0-9a-f]{40})?$")] = ""

    @property
    def digest(self) -> ContentDigest:
        """Digest of the content file with the same bytes."""
        return ContentDigest.from_hex(self.sha1)

    @property
    def path(self) -> str:
        """Folder and file, for people."""
        return f"{self.folder}/{self.file}"

    def as_json(self) -> dict[str, Any]:
        """Return the keys of its line except ``kind``, in the order of the wire form."""
        return {
            "folder": self.folder,
            "file": self.file,
            "sha1": self.sha1,
            "size_bytes": self.size_bytes,
            "signer": self.signer,
            "thumbprint": self.thumbprint,
        }


def sentence_on_loss(number: int) -> str:
    """Say what ``wsusutil`` loses of so many locally published updates, for a report.

    It leaves out their rows of SUSDB's tbXml with RootElementType 6, the package document (observed
    by Patch My PC's Invoke-WsusSdpTransfer).
    """
    what = "update was" if number == 1 else "updates were"
    return (
        f"{number} approved {what} published locally on the staging server: wsusutil carries what "
        "clients need of them, and loses the package document (SDP). They can be approved on the "
        "disconnected server, and not revised or exported from there"
    )


_PACKAGE = TypeAdapter(LocalPackage)


def read_local_package(line: Mapping[str, Any]) -> LocalPackage:
    """Read a line of the wire form.

    Raises:
        ValueError: A key is missing or has a wrong value.
    """
    return _PACKAGE.validate_python(dict(line))


def is_package_name(folder: str, file: str) -> bool:
    """Return True if a file of UpdateServicesPackages has a name that a bundle can say."""
    return (
        re.fullmatch(_FOLDER, folder.lower()) is not None
        and re.fullmatch(_FILE, file) is not None
        and _DEVICE.fullmatch(file) is None
    )
