"""The scripts about files and volumes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from deploy.lab.generate import content_bytes
from deploy.lab.powershell.stand_in.run import Run, ScriptError
from deploy.lab.rules import windows
from deploy.lab.rules.server import Server
from deploy.lab.rules.windows import VolumeRow


def hash_files(run: Run) -> None:
    """Answer ``hash-files.ps1``."""
    run.begin()
    for asked in run.asked():
        path = Path(asked["path"])
        if path.is_symlink():
            run.write(kind="file", path=str(path), error=f"a link, not a file: {path}")
            continue
        try:
            size_bytes = path.stat().st_size
            sha1 = content_bytes.sha1_of(path)
        except FileNotFoundError:
            run.write(kind="file", path=str(path), error=f"Could not find file '{path}'.")
        except OSError as error:
            run.write(kind="file", path=str(path), error=error.strerror or str(error))
        else:
            run.write(kind="file", path=str(path), size_bytes=size_bytes, sha1=sha1)
    run.end()


def place_files(run: Run) -> None:
    """Answer ``place-files.ps1``, but set no permissions, which only Windows has."""
    run.begin()
    for move in run.asked():
        source, target = Path(move["from"]), Path(move["to"])
        try:
            with source.open("r+b") as file:
                os.fsync(file.fileno())
            source.replace(target)
        except FileNotFoundError:
            missing = source if not source.exists() else target
            text = f"Could not find file '{missing}'."
            run.write(kind="moved", **move, error=text)
        except OSError as error:
            run.write(kind="moved", **move, error=error.strerror or str(error))
        else:
            run.write(kind="moved", **move)
    run.end()


def prepare_folder(_run: Run) -> None:
    """Refuse ``prepare-folder.ps1``, which sets permissions of Windows."""
    raise ScriptError("this script needs Windows")


def read_volume(run: Run) -> None:
    """Answer ``read-volume.ps1``."""
    path = os.path.realpath(str(run.settings["path"]))
    volume = volume_of(run.server, path)
    if volume is None:
        raise ScriptError(f"no volume holds {path}")
    run.write(
        kind="volume",
        name=volume.name,
        free_bytes=volume.free_bytes,
        file_system=volume.file_system,
        real_path=path,
    )
    run.end()


def volume_of(server: Server, path: str) -> VolumeRow | None:
    """The volume of a path: the one with the longest name that the path begins with."""
    ending = "\\" if sys.platform == "win32" else "/"
    whole = f"{path}{ending}".casefold()
    holding = [v for v in windows.volumes(server) if whole.startswith(v.name.casefold())]
    return max(holding, key=lambda volume: len(volume.name), default=None)
