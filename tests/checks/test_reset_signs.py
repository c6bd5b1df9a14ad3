"""The end of ``wsusutil reset`` in SoftwareDistribution.log, as Patch My PC's article shows it."""

from __future__ import annotations

import pytest

from tasks.checks.reset_signs import read_reset_signs
from tasks.checks.software_distribution_log import read_log

DISPATCH = "DispatchManager Worker Thread Processing NotificationEvent: "
BEGIN = f"SusEventDispatcher.DispatchManagerWorkerThreadProc\t{DISPATCH}StateMachineReset"
AGENT = f"SusEventDispatcher.DispatchManagerWorkerThreadProc\t{DISPATCH}ContentSyncAgent"
SLEEP = "ContentSyncAgent.Work\tContentSyncAgent found no more Jobs, going to Sleep for BITS"
DONE = "ContentSyncAgent.Work\tContentSyncAgent found no more Jobs, thread exitting"
HEALTH = "ServerHealth.Set\tServerHealth: Updating Server Health for Component: "
STOPPED = f"{HEALTH}ContentSyncAgent, Marking as Not Running"
OTHER = f"{HEALTH}EventLogEventReporter, Marking as Not Running"


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "the log shows nothing of it yet"),
        ([DONE, STOPPED], "the log shows nothing of it yet"),
        ([BEGIN, AGENT], "its begin is in the log"),
        ([BEGIN, DONE, OTHER], "its begin is in the log"),
        ([BEGIN, STOPPED], "its begin is in the log"),
        ([BEGIN, SLEEP, STOPPED], "it waits for downloads"),
        ([BEGIN, SLEEP, AGENT, DONE, STOPPED], "its end is in the log, at 2031-05-01 03:00:04 UTC"),
        ([BEGIN, DONE, STOPPED, AGENT, SLEEP], "its end is in the log, at 2031-05-01 03:00:02 UTC"),
        ([BEGIN, DONE, STOPPED, BEGIN], "its begin is in the log"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_end_is_told_from_a_sleep_and_from_an_earlier_reset(
    lines: list[str], sentence: str, encoding: str
) -> None:
    text = "".join(
        f"2031-05-01 03:00:0{second}.000 UTC\tInfo\tWsusService.7\t{line}\r\n"
        for second, line in enumerate(lines)
    )
    assert read_reset_signs(read_log([text.encode(encoding)])).sentence == sentence
