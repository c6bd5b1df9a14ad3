"""Make the pictures of README.md: a run's page, and its report.

    python -m tests.e2e.make_pictures [FOLDER]

Runs ``demo --ui`` and looks at it with Chromium, as ``tests/e2e/test_ui.py`` does. FOLDER is
``deploy/pictures`` unless another is named.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.browser import browser
from tests.support.labs import ROOT, STAND_IN

_DRAWN_SECONDS = 5.0


def main(words: Sequence[str]) -> int:
    """Make both pictures."""
    folder = Path(words[0]) if words else ROOT / "deploy" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="wsus-airgap-pictures-") as scratch:
        home = Path(scratch)
        with demo(home) as url, browser(home / "profile") as page:
            page.open(url)
            page.wait_for("alpha-2 import")
            page.click("alpha-2 import")
            page.wait_for("Artifacts", "Write receipt")
            time.sleep(_DRAWN_SECONDS)  # the timeline is drawn on a canvas
            page.picture(folder / "run.png")
            reports = home / "lab" / "disconnected" / "state" / "reports"
            newest = max(reports.glob("*-import-*/report.html"))
            page.open(newest.as_uri())
            page.wait_for("alpha-2")
            time.sleep(1)
            page.picture(folder / "report.png")
    print(*sorted(folder.glob("*.png")), sep="\n")
    return 0


@contextmanager
def demo(home: Path) -> Iterator[str]:
    """Run ``demo --ui`` until the end of the block; gives the address that it prints."""
    command = [sys.executable, "-m", "flows.command_line", "demo", str(home / "lab"), "--ui"]
    environment = {**os.environ, **STAND_IN, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            for line in child.stdout:
                found = re.search(r"http://127\.0\.0\.1:\d+/enter\S*", line)
                if found is not None:
                    yield found[0]
                    return
            raise SystemExit("the demo did not print an address")
        finally:
            child.send_signal(signal.SIGINT)
            child.wait(60)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
