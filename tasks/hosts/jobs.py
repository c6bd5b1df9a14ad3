"""Detached jobs: programs that outlive this process, and the states of their job folders.

On POSIX a small supervisor, a shell script, runs the program in its own session. First it writes
its identity (process id, session, start time, boot) to ``started`` by a hard link, which succeeds
only once: a second start of the same job, even at the same instant, answers ``found``.

| ``started`` | ``exit-code`` | processes | state |
|---|---|---|---|
| missing | | | ``absent`` |
| exists | a number | | ``exited`` |
| exists | missing | the supervisor lives | ``running`` |
| exists | missing | only the supervisor was killed, its session lives | ``running`` |
| exists | missing | none of its session lives, or another boot | ``lost`` |

Job folder: ``started`` one line · ``stdout`` · ``stderr`` · at the end ``exit-code``, one number.
On Windows the script ``start-detached`` makes the same folder.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from tasks.errors import HostFileError
from tasks.hosts.host import Host, JobStatus
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import read_limited
from tasks.hosts.windows import decode_output

TAIL_BYTES = 262_144
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_EXIT_CODE_BYTES = 64  # enough for a number in any encoding of the supervisor

# Fields of /proc/PID/stat after the name: state is 1, session 4, times 12 to 15, start 20.
_IDENTITY = r"""
start_of() {
  if [ -r "/proc/$1/stat" ]; then
    read -r stat <"/proc/$1/stat" 2>/dev/null || return 1
    set -- ${stat##*) }
    [ "$1" = Z ] && return 1
    [ "$1" = X ] && return 1
    printf '%s %s' "$4" "${20}"
  elif [ -d /proc/self ]; then
    return 1
  else
    start=$(ps -o lstart= -p "$1" 2>/dev/null | tr -d ' ') && [ -n "$start" ] || return 1
    printf '%s %s' 0 "$start"
  fi
}
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown)
"""

SUPERVISOR = (
    _IDENTITY
    + r"""
job=$1
shift
# Once the job counts as started nothing may end this shell: a connection that breaks closes our
# output (SIGPIPE) and may hang up.
trap '' HUP PIPE
own=$job/started.$$
printf '%s %s %s\n' "$$" "$(start_of $$)" "$boot" >"$own" || exit 73
if ! ln "$own" "$job/started" 2>/dev/null; then
  rm -f "$own"
  [ -e "$job/started" ] || { echo "cannot make $job/started" >&2; exit 73; }
  echo found
  exit 0
fi
rm -f "$own"
sync "$job/started" "$job" 2>/dev/null
echo started 2>/dev/null
exec </dev/null >"$job/stdout" 2>"$job/stderr"
trap - PIPE
cd / || exit 73
"$@"
code=$?
printf '%s\n' "$code" >"$job/exit-code.part"
sync "$job/exit-code.part" 2>/dev/null
mv "$job/exit-code.part" "$job/exit-code"
"""
)

# The launcher ends at once, so that the supervisor has no parent that could wait for it.
LAUNCHER = r"""
supervisor=$1
shift
if command -v setsid >/dev/null 2>&1; then
  setsid sh -c "$supervisor" wsus-airgap-job "$@" &
else
  sh -c "$supervisor" wsus-airgap-job "$@" &
fi
"""

# Prints "alive CPU-TICKS TICKS-PER-SECOND", "alive" or "gone".
PROBE = (
    _IDENTITY
    + r"""
read -r pid session start started_boot <"$1" || { echo gone; exit 0; }
[ "$started_boot" = "$boot" ] || { echo gone; exit 0; }
found=$(start_of "$pid")
# No other process gets the supervisor's number while what it started goes on in its session.
left() {
  [ -z "$found" ] && [ "$pid" = "$session" ] && cat /proc/[0-9]*/stat 2>/dev/null \
    | sed -n 's/^[0-9]* (.*) //p' \
    | awk -v s="$session" '$4 == s && $1 != "Z" && $1 != "X" { n = 1 } END { exit !n }'
}
[ "$found" = "$session $start" ] || left || { echo gone; exit 0; }
ticks=$(cat /proc/[0-9]*/stat 2>/dev/null | sed -n 's/^[0-9]* (.*) //p' \
  | awk -v s="$session" '$4 == s { n += $12 + $13 + $14 + $15 } END { print n + 0 }' 2>/dev/null)
echo "alive $ticks $(getconf CLK_TCK 2>/dev/null)"
"""
)


def read_number(text: str) -> int | None:
    """Parse a whole number in ASCII digits; None for other text, which ``int`` might accept."""
    return int(text) if _NUMBER.fullmatch(text) else None


def launch_command(command: Sequence[str], job: str) -> list[str]:
    """Return the command that starts a job; it prints ``started`` or ``found`` and ends."""
    return ["sh", "-c", LAUNCHER, "wsus-airgap-launch", SUPERVISOR, job, *command]


def probe_command(job: str) -> list[str]:
    """Return the command that checks whether a process of a job's session still lives."""
    return ["sh", "-c", PROBE, "wsus-airgap-probe", f"{job}/started"]


def read_probe(answer: str) -> JobStatus:
    """Read the probe's answer about a job without an exit code."""
    words = answer.split()
    if not words or words[0] != "alive":
        return JobStatus("lost")
    ticks, per_second = map(read_number, words[1:]) if len(words) == 3 else (None, None)
    if ticks is None or not per_second:
        return JobStatus("running")
    return JobStatus("running", cpu_seconds=ticks / per_second)


def _read_exit_code(content: bytes) -> int | None:
    """Parse the content of ``exit-code``; None while it is not a number."""
    if len(content) > _EXIT_CODE_BYTES:
        return None
    return read_number(decode_output(content).strip())


def poll(host: Host, job: HostPath, probe: Callable[[], JobStatus]) -> JobStatus:
    """Return the state of a job, from its folder and, without an exit code, from ``probe``.

    If the probe finds no process, the exit code is read again: the job may have ended between the
    first look and the probe.
    """
    if host.stat(job.joined("started")) is None:
        return JobStatus("absent")
    status = _exited(host, job) or probe()
    if status.state == "lost":
        status = _exited(host, job) or status
    return replace(status, stdout=read_tail(host, job.joined("stdout")))


def _exited(host: Host, job: HostPath) -> JobStatus | None:
    """Return the status of a job with an exit code; None while it has none."""
    path = job.joined("exit-code")
    if host.stat(path) is None:
        return None
    exit_code = _read_exit_code(read_limited(host, path, limit_bytes=_EXIT_CODE_BYTES))
    return None if exit_code is None else JobStatus("exited", exit_code=exit_code)


def read_tail(host: Host, path: HostPath) -> str:
    """Return the end of a text file; empty if the file does not exist."""
    stat = host.stat(path)
    if stat is None:
        return ""
    tail = bytearray()
    with contextlib.suppress(HostFileError):
        for view in host.read(path, offset=max(0, stat.size_bytes - TAIL_BYTES)):
            tail += view
            if len(tail) >= TAIL_BYTES:
                break
    return decode_output(bytes(tail))
