"""A headless Chromium, driven over its DevTools protocol, that reads pages as a person does."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import connect
from websockets.sync.connection import Connection

from tests.support import needs

_START_SECONDS = 60.0
_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--window-size=1500,1100", "--remote-debugging-port=0",
)  # fmt: skip

_COUNT = """
(async () => {
  const picture = new Image()
  picture.src = %s
  await picture.decode()
  const canvas = new OffscreenCanvas(picture.width, picture.height)
  const context = canvas.getContext('2d')
  context.drawImage(picture, 0, 0)
  const bytes = context.getImageData(0, 0, canvas.width, canvas.height).data
  let count = 0
  for (let i = 0; i < bytes.length; i += 4) {
    const [r, g, b] = bytes.slice(i, i + 3)
    const y = i / bytes.length
    if (%s) count += 1
  }
  return count
})()
"""


class Page:
    """One page of the browser."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._number = 0

    def open(self, url: str) -> None:
        """Go to a page; it may not have loaded when this returns."""
        self._call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression; of a promise, what it comes to."""
        answer = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        return answer["result"].get("value")

    @property
    def text(self) -> str:
        """What a person reads on the page."""
        return str(self.evaluate("document.body ? document.body.innerText : ''"))

    def wait_for(self, *words: str, seconds: float = 60) -> str:
        """Wait until all these words stand on the page; gives its text.

        Raises:
            AssertionError: They do not, and what stands there.
        """
        give_up = time.monotonic() + seconds
        while not all(word in self.text for word in words):
            if time.monotonic() > give_up:
                lacking = [word for word in words if word not in self.text]
                raise AssertionError(f"{lacking} not on the page, which says:\n{self.text}")
            time.sleep(0.2)
        return self.text

    def click(self, words: str) -> None:
        """Click the innermost element whose whole text is this."""
        found = self.evaluate(
            "(() => { const all = [...document.body.querySelectorAll('*')];"
            f"const it = all.reverse().find(e => e.innerText?.trim() === {json.dumps(words)});"
            "if (it) it.click(); return Boolean(it) })()"
        )
        assert found, f"nothing to click says {words!r} on a page that says:\n{self.text}"

    def count_pixels(self, selector: str, condition: str) -> int:
        """How many pixels of an element, as it is seen, meet a condition.

        It may use ``r``, ``g``, ``b`` (0 to 255) and ``y`` (0 at the top, 1 at the bottom).
        """
        box = self.evaluate(
            f"(() => {{ const it = document.querySelector({json.dumps(selector)});"
            "return it && it.getBoundingClientRect().toJSON() })()"
        )
        assert box, f"no {selector} on a page that says:\n{self.text}"
        clip = {name: box[name] for name in ("x", "y", "width", "height")} | {"scale": 1}
        seen = self._call("Page.captureScreenshot", clip=clip)["data"]
        return int(self.evaluate(_COUNT % (json.dumps(f"data:image/png;base64,{seen}"), condition)))

    def picture(self, path: Path) -> None:
        """Write what is seen of the page as a PNG file."""
        seen = self._call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(seen))

    def insert(self, text: str) -> None:
        """Type into the field that has the cursor."""
        self._call("Input.insertText", text=text)

    def _call(self, method: str, **parameters: object) -> Any:
        self._number += 1
        call = {"id": self._number, "method": method, "params": parameters}
        self._connection.send(json.dumps(call))
        while True:
            answer = json.loads(self._connection.recv(timeout=60))
            if answer.get("id") == self._number:
                if "navigated or closed" in str(answer.get("error")):
                    # The page went on while it was asked: ask the one that it went to.
                    time.sleep(0.2)
                    return self._call(method, **parameters)
                assert "error" not in answer, answer["error"]
                return answer["result"]


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """Start a browser with a profile of its own, and give a page of it."""
    command = [str(needs.path("chromium")), *_OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            with connect(_page_address(profile), max_size=None, proxy=None) as connection:
                yield Page(connection)
        finally:
            child.terminate()
            child.wait(30)


def _page_address(profile: Path) -> str:
    noted = profile / "DevToolsActivePort"
    give_up = time.monotonic() + _START_SECONDS
    while True:
        try:
            port = noted.read_text(encoding="ascii").split()[0]
            address = f"http://127.0.0.1:{port}/json/list"
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(address, timeout=5) as answer:
                pages = [each for each in json.load(answer) if each["type"] == "page"]
            return str(pages[0]["webSocketDebuggerUrl"])
        except (OSError, ValueError, IndexError):
            assert time.monotonic() < give_up, "Chromium does not start"
            time.sleep(0.1)
