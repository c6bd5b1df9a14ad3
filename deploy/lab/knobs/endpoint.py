"""Knobs of the endpoint of Microsoft Update."""

from __future__ import annotations

from deploy.lab.knobs.knob import Failure, Knob

_FAULT = {"en": "SoapException: Fault occurred", "de": "SoapException: Fault occurred"}
_TRACE = (
    "USS ThrowException: Actor = https://{endpoint}/v6/ServerSyncWebService/ServerSyncWebService"
    ".asmx, ID=5a1f7ac4-4a3c-4e5a-9f4f-0d2f3c1b2a10, ErrorCode=InternalServerError, Message=, "
    "Client=?\n   at Microsoft.UpdateServices.ServerSync.ServerSyncCompressionProxy"
    ".GetWebResponse(WebRequest webRequest)"
)
_LOG = (
    ("Error", "WebServiceCommunicationHelper.ProcessWebServiceProxyException", "{text}"),
    ("Error", "SoapUtilities.LogException", _TRACE),
)

KNOBS: dict[str, Knob] = {
    "endpoint-fe2": Knob(
        "MUUrl names fe2.update.microsoft.com, which is gone",
        {"MUUrl": "https://fe2.update.microsoft.com/v6", "RedirectorChangeNumber": 4000},
        Failure("UssCommunicationError", _FAULT, _LOG),
    ),
    "endpoint-sws1": Knob(
        "MUUrl names sws1.update.microsoft.com, which is to go",
        {"MUUrl": "https://sws1.update.microsoft.com", "RedirectorChangeNumber": 4001},
    ),
}
