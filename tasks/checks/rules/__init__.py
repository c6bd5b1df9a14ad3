"""The rules of a check, one module a topic, one function a rule.

``ALL`` has them in the order in which causes are named. To add a rule: a function with the
decorator ``rule`` in the module of its topic, its name in that module's ``RULES``, and a test.
"""

from __future__ import annotations

from tasks.checks.rules import (
    certificates,
    endpoint,
    log,
    machine,
    network,
    own,
    proxy,
    requirements,
    room,
    serving,
    synchronisation,
    tls,
    upstream,
)
from tasks.checks.rules.rule import Rule

ALL: tuple[Rule, ...] = (
    *requirements.RULES,
    *machine.RULES,
    *endpoint.RULES,
    *tls.RULES,
    *certificates.RULES,
    *upstream.RULES,
    *proxy.RULES,
    *serving.RULES,
    *room.RULES,
    *synchronisation.RULES,
    *log.RULES,
    *network.RULES,
    *own.RULES,
)
