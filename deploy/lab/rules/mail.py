"""The settings of e-mail notifications; the lab stores them and sends nothing."""

from __future__ import annotations

from typing import Any

from deploy.lab.rules import subscription
from deploy.lab.rules.server import Server, now
from deploy.lab.store import languages

# A setting of the lab; absent until a script saves it.
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
    """``GetEmailNotificationConfiguration``: the properties by name."""
    try:
        stored = server.setting(_SETTING)
    except KeyError:
        stored = {"LastModifiedBy": "", "LastModifiedTime": server.setting("LastConfigChange")}
    return {
        **_DEFAULTS,
        **stored,
        "SupportedEmailLanguages": list(languages.CODES),
    }


def save(server: Server, values: dict[str, Any]) -> None:
    """``IEmailNotificationConfiguration.Save``."""
    stored = {name: values[name] for name in _DEFAULTS}
    stored |= {
        "LastModifiedBy": subscription.ADMINISTRATOR,
        "LastModifiedTime": now(),
    }
    server.set_setting(_SETTING, stored)
