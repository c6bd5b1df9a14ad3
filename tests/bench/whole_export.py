"""Export a site that was never exported, on a running Prefect server, against cp -r && sync.

The lab's own wsusutil and PowerShell are taken off. At the end the bundle is verified.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

from tests.bench.frame import Case, Goal, Options, Result, compare, main, require
from tests.bench.trees import run, write_realistic_files
from tests.bench.whole_commands import TimedLab, prefect_server

_FILES = 10_000
_BYTES = 5_000_000_000


def bench(options: Options) -> Iterator[Result]:
    """Measure the command "export", without and with reading the medium back."""
    files = options.files(_FILES)
    with prefect_server(options.folder / "prefect") as api_url:
        made = TimedLab(options.folder / "lab", api_url)
        content = made.lab.content_dir("staging")
        write_realistic_files(content, files, total_bytes=round(_BYTES * options.scale))
        copy = options.folder / "copy"
        command = f"cp -r {content} {copy} && sync"

        def clean() -> None:
            for folder in (copy, made.lab.folder / "media", made.lab.folder / "staging/state"):
                shutil.rmtree(folder, ignore_errors=True)
                if folder != copy:
                    folder.mkdir()
            shutil.rmtree(made.lab.work("staging"), ignore_errors=True)
            run("sync")

        def export() -> None:
            document = made.run("staging", "export")
            require(int(str(document["files"])) >= files, "files were left out")

        for is_read_back, limit in ((False, 1.5), (True, 2.5)):
            made.lab.configure("staging", "media", read_back=is_read_back)
            ours = Case("export", export, clean, unmeasured=made.program_seconds)
            work = f"{files} files, {_BYTES * options.scale / 1e9:.2f} GB"
            work += ", read back" if is_read_back else ""
            peer = Case("cp", lambda: run("sh", "-c", command), clean)
            yield compare(Goal("whole_export", work, "cp -r && sync", limit), ours, peer, options)
        clean()
        export()
        made.run("disconnected", "verify", made.lab.bundle(1))


if __name__ == "__main__":
    sys.exit(main(bench, scale=0.2))
