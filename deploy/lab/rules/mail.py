"""Whom a server writes to: kept as scripts set it, and never sent."""

from __future__ import annotations

from typing import Any

from deploy.lab.rules import configuration, subscription
from deploy.lab.rules import server as opened_server
from deploy.lab.rules.server import Server

# A setting of the lab; absent until somebody saves it.
_SETTING = "mail"
_DEFAULTS: dict[str, Any] = {
    "EmailLanguage": "en",
    "HasSmtpUserPassword": False,
    "SendStatusNotification": False,
    "SendSyncNotification": False,
    "SenderDisplayName": "",
    "SenderEmailAddress": None,
    "SmtpHostName": "",
    "SmtpPort": 25,
    "SmtpServerRequiresAuthentication": False,
    "SmtpUserName": "",
    "StatusNotificationFrequency": "Daily",
    "StatusNotificationRecipients": [],
    "StatusNotificationTimeOfDay": 0,
    "SyncNotificationRecipients": [],
}


def read(server: Server) -> dict[str, Any]:
    """``GetEmailNotificationConfiguration``, its properties by name."""
    try:
        kept = server.setting(_SETTING)
    except KeyError:
        kept = {"LastModifiedBy": "", "LastModifiedTime": server.setting("LastConfigChange")}
    return {
        **_DEFAULTS,
        **kept,
        "SupportedEmailLanguages": list(configuration.SUPPORTED_LANGUAGES),
    }


def save(server: Server, values: dict[str, Any]) -> None:
    """``IEmailNotificationConfiguration.Save``."""
    kept = {name: values[name] for name in _DEFAULTS}
    kept |= {
        "LastModifiedBy": subscription.ADMINISTRATOR,
        "LastModifiedTime": opened_server.now(),
    }
    server.set_setting(_SETTING, kept)
