"""Install, demo, ``up`` and a scheduled run without a network, with the packets counted.

    python -m tests.deploy.without_a_network FOLDER [--python PROGRAM]

Makes a wheelhouse with this Python in FOLDER (with the network), unless one is there, then goes on
in a network namespace of its own, as root, with PROGRAM, which should be another patch release.
The namespace has loopback and one more interface, which holds the default route and the way to the
resolver; what goes out there is counted. At the end one packet is sent on purpose, so that it is
seen that packets are counted. 0 when the counter was 0 before it, and 1 after it.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_INSIDE = "WSUS_AIRGAP_WITHOUT_A_NETWORK"
_GATEWAY = "10.99.0.2"
_COUNTER = "ip --json --stats link show gap0"  # /sys shows the namespace that mounted it
_WAIT_SECONDS = 300
_SET_UP = (
    "ip link set lo up",
    "ip link add gap0 type veth peer name gap1",
    # An interface that comes up announces itself to IPv6.
    "sysctl -qw net.ipv6.conf.gap0.disable_ipv6=1 net.ipv6.conf.gap1.disable_ipv6=1",
    "ip address add 10.99.0.1/24 dev gap0",
    "ip link set gap0 up",
    "ip link set gap1 up",
    # The gateway needs no question on the wire before the first packet to it.
    f"ip neighbour add {_GATEWAY} lladdr 02:00:00:00:00:02 dev gap0",
    f"ip route add default via {_GATEWAY}",
)


def main(words: Sequence[str]) -> int:
    """Make the wheelhouse, then do the rest in a namespace."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default="python3")
    given = parser.parse_args(words)
    folder: Path = given.folder.absolute()
    if os.environ.get(_INSIDE):
        return inside(folder, given.python)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "wheelhouse").exists():
        make: list[str | Path] = [
            sys.executable,
            ROOT / "deploy" / "run.py",
            "wheelhouse",
            folder / "wheelhouse",
        ]
        options: list[str | Path] = [
            "--key",
            folder / "release.key",
            "--python",
            "3.11",
            "--platform",
            "linux",
        ]
        subprocess.run([*make, *options], check=True)
    again: list[str | Path] = [
        sys.executable,
        "-m",
        "tests.deploy.without_a_network",
        folder,
        "--python",
    ]
    return subprocess.run(
        ["unshare", "--net", "--mount", *again, given.python],
        env={**os.environ, _INSIDE: "1"},
        cwd=ROOT,
        check=False,
    ).returncode


def inside(folder: Path, python: str) -> int:
    """Do everything in the namespace, and say what the counter showed after each part."""
    for line in _SET_UP:
        subprocess.run(line.split(), check=True)
    resolver = folder / "resolv.conf"
    resolver.write_text(f"nameserver {_GATEWAY}\n", encoding="utf-8")
    subprocess.run(["mount", "--bind", resolver, "/etc/resolv.conf"], check=True)
    counts = {"begin": _sent()}
    target = folder / "installed"
    house = folder / "wheelhouse"
    key = folder / "release.pub.pem"
    show = [python, "-c", "import sys; print('installed with Python', sys.version)"]
    subprocess.run(show, check=True)
    install: list[str | Path] = [
        "sh",
        house / "install.sh",
        target,
        "--key",
        key,
        "--python",
        python,
    ]
    subprocess.run(install, check=True)
    counts["install"] = _sent()
    run = [target / ".venv" / "bin" / "wsus-airgap"]
    subprocess.run([*run, "demo", folder / "lab"], check=True, stdout=subprocess.DEVNULL)
    counts["demo"] = _sent()
    _serve(run, folder)
    counts["up and a scheduled run"] = _sent()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"on purpose", ("192.0.2.1", 9))
    time.sleep(1)
    counts["one packet on purpose"] = _sent()
    print(*(f"{part}: {count} packets" for part, count in counts.items()), sep="\n")
    *quiet, last = counts.values()
    return 0 if not any(quiet) and last == 1 else 1


def _serve(run: Sequence[Path], folder: Path) -> None:
    """Run ``up`` for the lab's staging side until a run that a schedule began has ended."""
    site = folder / "lab" / "staging" / "site.toml"
    with site.open("a", encoding="utf-8") as stream:
        stream.write('\n[schedule]\ncheck = { cron = "* * * * *" }\n')
    reports = folder / "lab" / "staging" / "state" / "reports"
    before = set(reports.glob("*-check-*"))
    process = subprocess.Popen([*run, "up", "--site", site])
    try:
        give_up = time.monotonic() + _WAIT_SECONDS
        while not [
            one for one in set(reports.glob("*-check-*/report.json")) if one.parent not in before
        ]:
            if time.monotonic() > give_up or process.poll() is not None:
                raise SystemExit("no scheduled run ended")
            time.sleep(1)
        print("a scheduled check ended")
    finally:
        process.terminate()
        process.wait(120)


def _sent() -> int:
    (shown,) = json.loads(subprocess.run(_COUNTER.split(), check=True, capture_output=True).stdout)
    return int(shown["stats64"]["tx"]["packets"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
