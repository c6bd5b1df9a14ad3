"""Facts of a healthy server, for tests of rules: ``facts(side, topic=…)`` changes single ones.

Facts of the server are the lab's own, so a new one needs no line here; of our
own facts only one without a default does.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from deploy.lab.powershell.stand_in.run import Run
from deploy.lab.powershell.stand_in.server_topics import write_topics
from deploy.lab.rules import configuration
from deploy.lab.rules.server import Server
from deploy.lab.store import database
from tasks.checks.facts.gathered import TOPICS, Facts, topics_of
from tasks.checks.facts.own import Own
from tasks.checks.facts.topic import Topic
from tasks.checks.finding import Finding
from tasks.checks.judgement import Judgement, judge
from tasks.checks.rules import ALL
from tasks.checks.rules.rule import Rule
from tasks.names import Side
from tests.metadata.facts import server_facts

NOW = datetime(2031, 5, 1, 4, tzinfo=UTC)
_SUCCESS = {
    "started": NOW - timedelta(hours=2),
    "ended": NOW - timedelta(hours=1),
    "result": "Succeeded",
    "error": "NotApplicable",
    "error_text": "",
}
FAILED: dict[str, Any] = {**_SUCCESS, "started": NOW - timedelta(minutes=20),
                          "ended": NOW - timedelta(minutes=10), "result": "Failed"}  # fmt: skip
MICROSOFT_ROOTS = (
    "3B1EFD3A66EA28B16697394703A72CA340A05BD5",
    "8F43288AD272F3103B6FB1428485EA3014C0BCFE",
)


def certificate(store: str, subject: str, issuer: str, **fields: Any) -> dict[str, Any]:
    """A certificate of a store with good dates, named as its subject."""
    return {
        "store": store,
        "thumbprint": subject,
        "subject": subject,
        "issuer": issuer,
        "not_before": NOW - timedelta(days=300),
        "not_after": NOW + timedelta(days=300),
        "has_private_key": store == "My",
        "names": [subject.removeprefix("CN=")],
        **fields,
    }


# What differs from the lab: it depends on the time, on the machine of the tests, or on content.
_OTHER: dict[str, dict[str, Any]] = {
    "synchronisation": {"runs": [_SUCCESS], "products": 12, "classifications": 8},
    "machine": {"clock": NOW, "work_volume": "D:\\", "content_volume": "d:\\"},
    "certificates": {
        "stored": [
            certificate("My", "CN=wsus01.example", "CN=Issuing"),
            certificate("CA", "CN=Issuing", "CN=Root"),
            certificate("Root", "CN=Root", "CN=Root"),
            *(certificate("Root", thumb, thumb, thumbprint=thumb) for thumb in MICROSOFT_ROOTS),
        ],
    },
    "network": {
        "probes": [
            {"name": "sws.update.microsoft.com", "port": 443, "is_proxy": False}
            | {"resolves": True, "opens": True}
        ]
    },
    "iis": {"content_path": "D:\\WSUS\\WsusContent\\"},
}


class _HealthyServer(Run):
    """A server of the lab with nothing but its defaults, and a script that reads its topics."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Path("read-server.ps1"), {})
        self.lines: dict[str, dict[str, Any]] = {}
        with closing(database.create(folder / "server")) as connection:
            server = Server(folder, connection)
            for name, value in {**configuration.DEFAULTS, "is_connected": True}.items():
                server.set_setting(name, value)

    @property
    def settings(self) -> dict[str, Any]:
        return {"topics": list(TOPICS)}

    def write(self, **line: Any) -> None:
        self.lines[line.pop("kind")] = line


def _lines() -> dict[str, dict[str, Any]]:
    with TemporaryDirectory() as folder:
        run = _HealthyServer(Path(folder))
        write_topics(run)
        run.close()
    return {topic: {**line, **_OTHER.get(topic, {})} for topic, line in run.lines.items()}


LINES = _lines()
"""The line of each topic, as the stand-in writes it for a healthy server of the lab."""
_LOG = {"path": r"C:\LogFiles\SoftwareDistribution.log", "size_bytes": 9, "read_bytes": 9}
OWN: dict[str, Any] = {
    "fingerprint": "1f",
    "trusted": ("2e",),
    "at_work": (),
    "max_quiet_days": 45,
    "content_folder": {"path": "D:\\WsusContent", "named_by": "server", "problem": None},
    "medium": {"path": "/media", "is_there": True, "is_writable": True, "free_bytes": 10**12},
}


def facts(
    side: Side = Side.STAGING,
    *,
    log: str | None = "",
    events: tuple[Mapping[str, Any], ...] = (),
    server: Mapping[str, Any] | None = None,
    own: Mapping[str, Any] | None = None,
    **topics: Mapping[str, Any] | None,
) -> Facts:
    """Facts of a healthy server with changes.

    Args:
        side: The side.
        log: Text of SoftwareDistribution.log; None: not known.
        events: Records of the event log.
        server: Changed fields of ``ServerFacts``.
        own: Changed fields of ``Own``.
        **topics: Changed fields of a topic by its name; None: the topic is not known.
    """
    lines: list[dict[str, Any]] = [
        {"kind": topic, **line, **(topics.get(topic) or {})}
        for topic, line in LINES.items()
        if topics.get(topic, {}) is not None
    ]
    if log is not None:
        lines += [{"kind": "log", **_LOG}, {"kind": "log", "text": log}]
    lines += [{"kind": "events"}, *({"kind": "events", **event} for event in events)]
    return Facts(
        side=side,
        now=NOW,
        own=Own.model_validate({**OWN, **(own or {})}),
        server=server_facts(**(server or {})),
        **topics_of(lines),
    )


def without(known_facts: Facts, *names: str) -> Facts:
    """The same facts without some topics, or fields ``topic.field`` of them."""
    for name in names:
        topic, _, field = name.partition(".")
        part: Topic = getattr(known_facts, topic)
        changed = part.model_copy(update={field: None}) if field else None
        known_facts = known_facts.model_copy(update={topic: changed})
    return known_facts


def judged(known_facts: Facts, *rules: Rule) -> Judgement:
    """What the rules make of facts; all rules unless some are named."""
    return judge(known_facts, rules or ALL)


def ids(known_facts: Facts, *rules: Rule) -> list[str]:
    """Ids of the findings, gravest first."""
    return [finding.id for finding in judged(known_facts, *rules).findings]


def the_finding(known_facts: Facts, *rules: Rule) -> Finding:
    """The only finding."""
    (finding,) = judged(known_facts, *rules).findings
    return finding


def is_unknown(known_facts: Facts, rule: Rule) -> bool:
    """True if a rule says that it does not know, and finds nothing."""
    judgement = judge(known_facts, [rule])
    return not judgement.findings and [line.result for line in judgement.examined] == ["unknown"]
