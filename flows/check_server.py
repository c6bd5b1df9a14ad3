"""Either side: examine the server and this side, and list the findings. Changes nothing.

``export`` and ``import`` run the same check first; alone it is for a person, or for a schedule.
"""

from __future__ import annotations

from prefect import State, flow

from tasks import examination
from tasks.flow_run import open_run
from tasks.reports.model import CommandReport


@flow(name="check", flow_run_name="{site} check", persist_result=False)
def check_server(site: str) -> State[CommandReport]:
    """Examine a server, and list what keeps it from a crossing.

    Args:
        site: Name of the site; its file is looked up by the worker.
    """
    with open_run("check", site) as run:
        facts = examination.gather_facts()
        examination.judge_facts(facts)
    return run.final_state()
