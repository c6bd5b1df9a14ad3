"""Send notifications by Apprise, in a process of its own that cannot keep a run from ending.

The addresses may hold passwords. They reach the child on its standard input, never in its
arguments or environment, and no sentence here repeats one: an address is named by its place.

    python -m tasks.announcements.sending  < one JSON document
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence

from tasks.announcements.occasion import Message
from tasks.logs import log

SEND_SECONDS = 10.0
"""Longest time for sending, from the moment on that Apprise is loaded."""

_LOAD_SECONDS = 60.0
_HUNG = 3


def send(message: Message, addresses: Sequence[str]) -> bool:
    """Send a message to all addresses, and return True if each took it.

    What goes wrong is logged, and changes nothing else.
    """
    document = {
        "title": message.title,
        "body": message.body,
        "addresses": list(addresses),
        "seconds": SEND_SECONDS,
    }
    try:
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "tasks.announcements.sending"],
            input=json.dumps(document),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=_LOAD_SECONDS + SEND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        log.warning("a notification could not be sent")  # no detail: it has the input
        return False
    if ended.returncode == _HUNG:
        log.warning("a notification was given up after %g seconds", SEND_SECONDS)
        return False
    failed = [line for line in ended.stdout.splitlines() if line]
    if failed or ended.returncode != 0:
        log.warning("a notification could not be sent to: %s", ", ".join(failed) or "anybody")
        return False
    return True


def main() -> int:
    """Send the message on standard input; print the name of each address that did not take it."""
    document = json.load(sys.stdin)
    import apprise  # noqa: PLC0415  only this process needs it

    logging.disable(logging.CRITICAL)  # Apprise's lines may hold an address
    threading.Timer(document["seconds"], os._exit, (_HUNG,)).start()
    failed = []
    for number, address in enumerate(document["addresses"], 1):
        service = apprise.Apprise()
        if not service.add(address):
            failed.append(f"address {number} (Apprise does not know it)")
        elif not service.notify(title=document["title"], body=document["body"]):
            failed.append(f"address {number} ({address.partition(':')[0]})")
    sys.stdout.write("\n".join(failed))
    sys.stdout.flush()
    os._exit(1 if failed else 0)  # not through the timer, nor a thread of Apprise


if __name__ == "__main__":
    sys.exit(main())
