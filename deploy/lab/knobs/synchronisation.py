"""Knobs of synchronisation and subscription."""

from __future__ import annotations

from deploy.lab.knobs.knob import Failure, Knob

_DATABASE = {
    "en": "SqlException: Timeout expired.  The timeout period elapsed prior to completion of the "
    "operation or the server is not responding.",
    "de": "SqlException: Timeout ist abgelaufen.  Das Timeout ist vor dem Beenden des Vorgangs "
    "eingetreten, oder der Server reagiert nicht.",
}

KNOBS: dict[str, Knob] = {
    "schedule": Knob("the server synchronises by itself", {"schedule": [1, True, 3 * 3600]}),
    "no-products": Knob("no product is subscribed", {"subscribed_categories": []}),
    "protocol-newer": Knob(
        "the server speaks a protocol that nobody knows yet", {"protocol_version": "2.0"}
    ),
    "express-files": Knob(
        "the server downloads express files, unlike the other one",
        {"DownloadExpressPackages": True},
    ),
    "content-elsewhere": Knob(
        "the server stores no content", {"HostBinariesOnMicrosoftUpdate": True}
    ),
    "database-busy": Knob(
        "synchronisations fail because the database is too busy",
        failure=Failure("LocalDBTooBusy", _DATABASE),
    ),
}
