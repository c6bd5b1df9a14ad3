"""Rules on IIS: clients have to be able to fetch what lies in WsusContent."""

from __future__ import annotations

from datetime import timedelta

from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.iis import Iis
from tasks.checks.facts.topic import known
from tasks.checks.finding import Finding, finding_of
from tasks.checks.rules.rule import Rule, rule

_GUIDE = "Microsoft Learn, Plan your WSUS deployment"
_SSL_GUIDE = "racknotes.pro, WSUS Sync Failed (upstream and downstream)"
_EXTENSIONS = (".msu", ".wim", ".psf", ".esd", ".cab", ".exe", ".txt", ".msixbundle")
_NEVER_SSL = ("Content", "SelfUpdate")
_ALWAYS_SSL = ("ClientWebService", "ServerSyncWebService", "SimpleAuthWebService")
# NETWORK SERVICE, and groups that it belongs to: Users, Everyone, Authenticated Users.
_READERS = frozenset({"S-1-5-20", "S-1-5-32-545", "S-1-1-0", "S-1-5-11"})
_READ_DATA = 1
# What set-up gives WsusPool (Microsoft Learn, WSUS messages and troubleshooting tips).
_POOL_MEMORY_KB = 1_843_200
_RECENT = timedelta(days=7)


@rule("IIS: Content and SelfUpdate without SSL")
def never_ssl(facts: Facts) -> Finding | None:
    """Clients ask for both over HTTP, whatever else uses SSL."""
    iis = _iis(facts)
    if all(iis.requires_ssl(name) is None for name in _NEVER_SSL):
        known(None, "the settings of SSL in IIS")
    wrong = [name for name in _NEVER_SSL if iis.requires_ssl(name)]
    if not wrong:
        return None
    return Finding(
        id="ssl-required-wrongly",
        severity="warning",
        evidence=f"SSL required: {', '.join(wrong)}",
        meaning="Clients fetch content and updates of their own agent over HTTP, and are refused "
        "(403) where SSL is required.",
        next_step=f"IIS, site of WSUS, {' and '.join(wrong)}, SSL Settings: clear Require SSL.",
        document=_SSL_GUIDE,
    )


@rule("IIS: web services with SSL where SSL is on")
def always_ssl(facts: Facts) -> Finding | None:
    """Once SSL is on, the services that carry metadata require it."""
    certificates = known(facts.certificates, "whether WSUS uses HTTPS")
    if not known(certificates.uses_ssl, "whether WSUS uses HTTPS"):
        return None
    open_ones = [name for name in _ALWAYS_SSL if _iis(facts).requires_ssl(name) is False]
    if not open_ones:
        return None
    return Finding(
        id="ssl-not-required",
        severity="warning",
        evidence=f"UsingSSL = 1, SSL not required: {', '.join(open_ones)}",
        meaning="WSUS is set to use SSL, and web services that carry metadata also answer without.",
        next_step=f"IIS, site of WSUS, {', '.join(open_ones)}, SSL Settings: Require SSL.",
        document=_SSL_GUIDE,
    )


@rule("IIS: Content shows WsusContent")
def content_path(facts: Facts) -> Finding | None:
    """After a move of the content the virtual directory can still show the old folder."""
    shown = known(_iis(facts).content_path, "the path of Content in IIS")
    expected = known(facts.server, "the API of WSUS").content_dir
    if _same(shown) == _same(expected):
        return None
    return Finding(
        id="content-virtual-path",
        severity="warning",
        evidence=f"IIS serves {shown}; WSUS keeps its content in {expected}",
        meaning="Clients are given another folder than the one that WSUS keeps its content in.",
        next_step="Set the physical path of the virtual directory Content to WsusContent "
        "(`wsusutil movecontent` does it when it moves content).",
        document=_GUIDE,
    )


def _same(path: str) -> str:
    return path.replace("/", "\\").rstrip("\\").casefold()


@rule("IIS: Content without a name")
def anonymous(facts: Facts) -> Finding | None:
    """Clients fetch content without a name and password."""
    if known(_iis(facts).anonymous, "the authentication of Content in IIS"):
        return None
    return Finding(
        id="content-anonymous",
        severity="warning",
        evidence="anonymousAuthentication of Content: enabled = False",
        meaning="Clients fetch content without a name, and IIS refuses that.",
        next_step="IIS, site of WSUS, Content, Authentication: enable Anonymous Authentication.",
        document=_GUIDE,
    )


@rule("IIS: types of all content files")
def mime_types(facts: Facts) -> Finding | None:
    """A file without a type is not served (404), although it lies on disk."""
    present = {name.casefold() for name in known(_iis(facts).mime_types, "the MIME types of IIS")}
    missing = [name for name in _EXTENSIONS if name not in present and ".*" not in present]
    if not missing:
        return None
    return Finding(
        id="mime-types",
        severity="warning",
        evidence=f"no MIME type: {' '.join(missing)}",
        meaning="IIS does not serve files of these types (404), so that clients cannot fetch them.",
        next_step="IIS, the server itself (not the site), MIME Types: add them; .wim is "
        "application/x-ms-wim, .msu and .msixbundle are application/octet-stream.",
        document=_GUIDE,
    )


@rule("IIS: WsusPool started", explains=("api-unanswered", "web-service-down"))
def pool(facts: Facts) -> Finding | None:
    """Without its pool none of the web services answers (503)."""
    state = known(_iis(facts).pool_state, "the state of WsusPool")
    if state == "Started":
        return None
    return Finding(
        id="pool-stopped",
        severity="failure",
        evidence=f"WsusPool: {state}",
        meaning="The application pool of WSUS does not run, so that clients, downstream servers "
        "and the console get 503.",
        next_step="Start WsusPool in IIS. If it stops again, look at its private memory limit "
        "(default 1,843,200 KB) and its queue.",
        document=_GUIDE,
    )


@rule("IIS: memory of WsusPool", explains=("web-service-down",))
def pool_memory(facts: Facts) -> Finding | None:
    """A limit below that of set-up, or one that the pool has reached in the last days."""
    iis = _iis(facts)
    limit_kb = known(iis.pool_private_memory_kb, "the memory limit of WsusPool")
    shown = f"WsusPool: Private Memory Limit = {limit_kb:,} KB"
    if 0 < limit_kb < _POOL_MEMORY_KB:
        evidence = f"{shown}, less than the {_POOL_MEMORY_KB:,} KB that set-up gives"
        return finding_of("pool-memory", evidence=evidence)
    recyclings = known(iis.pool_recyclings, "the System event log (recycling of WsusPool)")
    recent = [recycling for recycling in recyclings if facts.now - recycling.time <= _RECENT]
    if not recent:
        return None
    newest = max(recent, key=lambda recycling: recycling.time)
    times = "once" if len(recent) == 1 else f"{len(recent)} times or more"
    return finding_of(
        "pool-memory",
        evidence=f"{shown}; recycled for its memory {times} in {_RECENT.days} days, the last time "
        f"on {newest.time:%Y-%m-%d %H:%M} UTC (event {newest.event_id} of WAS)",
    )


@rule("Permissions of WsusContent")
def permissions(facts: Facts) -> Finding | None:
    """IIS and the service read content as NETWORK SERVICE."""
    rights = known(_iis(facts).content_rights, "the permissions of WsusContent")
    meant = [right for right in rights if right.sid in _READERS and right.rights & _READ_DATA]
    is_denied = any(not right.is_allowed for right in meant)
    if meant and not is_denied:
        return None
    what = "denied" if is_denied else "not given"
    return finding_of(
        "content-permissions",
        evidence=f"NETWORK SERVICE is {what} the right to read WsusContent",
        severity="warning",
    )


def _iis(facts: Facts) -> Iis:
    return known(facts.iis, "the settings of IIS")


RULES: tuple[Rule, ...] = (
    pool,
    pool_memory,
    never_ssl,
    always_ssl,
    content_path,
    anonymous,
    mime_types,
    permissions,
)
