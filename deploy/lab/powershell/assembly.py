"""The WSUS API as a .NET assembly, compiled once per engine and source, and cached.

The engine's own ``Add-Type`` compiles the C# files in ``types/``. The typed collections and most
exceptions differ only in names, so they are made from two templates.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ASSEMBLY = "Microsoft.UpdateServices.Administration.dll"
_SOURCES = Path(__file__).parent / "types"
_COLLECTIONS = {
    "AutomaticUpdateApprovalRuleCollection": "IAutomaticUpdateApprovalRule",
    "ComputerTargetCollection": "IComputerTarget",
    "ComputerTargetGroupCollection": "IComputerTargetGroup",
    "DownstreamServerCollection": "IDownstreamServer",
    "SubscriptionEventCollection": "ISubscriptionEvent",
    "SynchronizationInfoCollection": "ISynchronizationInfo",
    "SynchronizationUpdateErrorInfoCollection": "SynchronizationUpdateErrorInfo",
    "UpdateApprovalCollection": "IUpdateApproval",
    "UpdateCategoryCollection": "IUpdateCategory",
    "UpdateClassificationCollection": "IUpdateClassification",
    "UpdateCollection": "IUpdate",
    "UpdateEventCollection": "IUpdateEvent",
    "UpdateInstallationInfoCollection": "IUpdateInstallationInfo",
    "UpdateSummaryCollection": "IUpdateSummary",
}
_EXCEPTIONS = (
    "WsusInvalidDataException",
    "WsusInvalidServerException",
    "WsusObjectAlreadyExistsException",
)


class BuildError(Exception):
    """The engine could not compile the types."""


def compiled(engine: Path, server_folder: Path) -> Path:
    """Give the assembly for an engine, from the cache or newly compiled.

    Args:
        engine: The PowerShell to compile with and for.
        server_folder: The folder for the assembly if the user's cache cannot be written.

    Raises:
        BuildError: The source does not compile.
    """
    name = f"types-{_digest(engine)}"
    for cache in (user_cache(), server_folder):
        assembly = cache / name / ASSEMBLY
        if assembly.is_file():
            return assembly
        try:
            cache.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=cache))
        except OSError:
            continue
        try:
            _compile(engine, folder)
            _publish(folder, assembly.parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return assembly
    raise BuildError(f"no folder for the compiled types: {user_cache()} cannot be written")


def user_cache() -> Path:
    """This user's cache folder for the lab."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "wsus-airgap-lab"


def sources() -> dict[str, str]:
    """Every C# file by name, including the generated one."""
    texts = {
        path.name: path.read_text(encoding="utf-8")
        for path in sorted(_SOURCES.glob("*.cs"))
        if not path.name.endswith(".template.cs")
    }
    collection = (_SOURCES / "collection.template.cs").read_text(encoding="utf-8")
    exception = (_SOURCES / "exception.template.cs").read_text(encoding="utf-8")
    classes = [
        collection.replace("NAME", name).replace("ELEMENT", element)
        for name, element in _COLLECTIONS.items()
    ]
    classes += [exception.replace("NAME", name) for name in _EXCEPTIONS]
    body = "\n".join(classes)
    head = "using System;\n\nnamespace Microsoft.UpdateServices.Administration\n{\n"
    return texts | {"generated.cs": f"{head}{body}}}\n"}


def _digest(engine: Path) -> str:
    real = engine.resolve()
    status = real.stat()
    digest = hashlib.sha256(f"{real} {status.st_size} {status.st_mtime_ns}".encode())
    for name, text in sources().items():
        digest.update(f"\0{name}\0{text}".encode())
    return digest.hexdigest()[:16]


def _compile(engine: Path, folder: Path) -> None:
    for name, text in sources().items():
        (folder / name).write_text(text, encoding="utf-8")
    names = ",".join(f"'{name}'" for name in sources())
    # The .NET Framework has the pipes in an assembly that Add-Type references only by name.
    more = " -ReferencedAssemblies System.Core" if engine.stem.lower() == "powershell" else ""
    command = (
        f"$ErrorActionPreference='Stop'; Add-Type -Path {names} -OutputAssembly {ASSEMBLY}{more}"
    )
    outcome = subprocess.run(
        [engine, "-NoProfile", "-NonInteractive", "-Command", command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if outcome.returncode or not (folder / ASSEMBLY).is_file():
        output = (outcome.stderr or outcome.stdout).decode(errors="replace").strip()
        raise BuildError(f"{engine} does not compile the types of the WSUS API:\n{output}")


def _publish(folder: Path, final: Path) -> None:
    """Rename a finished folder; if another process was first, its result is as good."""
    for source in folder.glob("*.cs"):
        source.unlink()
    try:
        folder.rename(final)
    except OSError:
        if not (final / ASSEMBLY).is_file():
            raise
