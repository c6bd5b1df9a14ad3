"""Knobs of the machine: account, PowerShell, clock."""

from __future__ import annotations

from deploy.lab.knobs.knob import Knob

KNOBS: dict[str, Knob] = {
    "account-rights": Knob(
        "the account of scripts is no local administrator", {"machine.is_administrator": False}
    ),
    "account-unknown": Knob(
        "nobody says which rights the account has", {"machine.is_administrator": None}
    ),
    "execution-policy": Knob(
        "group policy lets only signed scripts run", {"machine.execution_policy": "AllSigned"}
    ),
}
