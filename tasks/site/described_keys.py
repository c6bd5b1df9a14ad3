"""The keys of a site file with their comments, in the order in which ``site init`` writes them."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.names import Side

_STAGING, _DISCONNECTED = Side.STAGING, Side.DISCONNECTED


@dataclass(frozen=True, slots=True)
class DescribedKey:
    """A key of a site file.

    Attributes:
        table: Its table, for example ``server``.
        name: Its name in the table.
        comment: One short sentence for people.
        side: The side on which it has an effect; None: both.
        example: A value in TOML, for a key without a default; None: the default is shown.
    """

    table: str
    name: str
    comment: str
    side: Side | None = None
    example: str | None = None


def _table(
    table: str, *keys: tuple[str, str] | tuple[str, str, Side | None, str | None]
) -> tuple[DescribedKey, ...]:
    return tuple(DescribedKey(table, *key) for key in keys)


_SITE = _table(
    "site",
    ("name", "name of the site; the names of its bundles begin with it"),
    ("side", "staging or disconnected"),
    ("state_dir", "ledger and reports; this folder guards what may be imported"),
)
_SERVER = _table(
    "server",
    ("address", '"local", or ssh://account@server:22'),
    ("platform", "windows; posix is for the lab"),
    ("identity_file", "private key for SSH; left out: the SSH agent's keys", None, '"keys/id"'),
    ("known_hosts", "the server's pinned host key", None, '"keys/known_hosts"'),
    ("ciphers", "the fastest first"),
    ("content_dir", "read from the server when left out", None, r"'D:\WSUS\WsusContent'"),
    (
        "packages_dir",
        "carries what was published on staging; left out: it is not carried",
        None,
        r"'D:\WSUS\UpdateServicesPackages'",
    ),
    ("wsusutil", "the program, with its first arguments"),
    ("powershell", "Windows PowerShell 5.1"),
    ("work_dir", "our folder there, for SYSTEM and Administrators only"),
    ("scripts_dir", "scripts that you installed there yourself", None, r"'C:\wsus-airgap\scripts'"),
    ("command_limit_hours", "a longer wsusutil raises an alarm; it is never killed"),
    ("script_limit_minutes", "longest time for one script"),
    ("service_wait_seconds", "longest time for a service to start"),
    (
        "backup_command",
        "safety copy of the database before an import's metadata",
        _DISCONNECTED,
        r"['powershell.exe', '-File', 'C:\backup.ps1']",
    ),
)
_MEDIA = _table(
    "media",
    ("path", "mount point of the media"),
    ("return_path", "folder for receipts; left out: in state_dir", _DISCONNECTED, '"return"'),
    ("volume_bytes", "left out: one volume as large as it needs", _STAGING, "25_000_000_000"),
    ("read_back", "read every byte back from the medium after writing", _STAGING, None),
    ("max_file_bytes", "larger files travel in numbered parts", _STAGING, None),
    ("scan_command", "malware scanner for the media", _DISCONNECTED, '["scanner", "{path}"]'),
)
_TRUST = _table(
    "trust",
    ("signing_key", "private key of this side; it never leaves this machine"),
    ("trusted_keys", "public keys of the other side"),
    ("passphrase_file", "of an encrypted signing key", None, '"keys/passphrase"'),
    ("receipt_secret", "for typed receipt codes; the same on both sides"),
    ("threshold", "number of trusted keys that must have signed"),
    ("max_bundle_age_days", "an older bundle is refused", _DISCONNECTED, None),
    ("max_quiet_days", "`check` fails when the newest bundle is older"),
)
_POLICY = _table(
    "policy",
    ("mode", 'or "mirror": imports also plan deletions', _STAGING, None),
    ("baseline", 'or "sent", for a site with no way back', _STAGING, None),
    (
        "approvals",
        'or "list": shown only; or "none": metadata and content only',
        _DISCONNECTED,
        None,
    ),
    ("deadlines", 'or "drop", or { shift_days = N }', _DISCONNECTED, None),
    ("on_gap", 'or "accept": import although a base never came', _DISCONNECTED, None),
    ("licence_terms", 'or "accept": accept what staging accepted', _DISCONNECTED, None),
    ("min_deadline_days", "an approval with a nearer deadline is held", _DISCONNECTED, None),
    ("max_removals", "above these a plan waits for --confirm", _DISCONNECTED, None),
    ("max_declines", "declines of updates that are approved here", _DISCONNECTED, None),
    ("max_undeclines", "declines that are taken back", _DISCONNECTED, None),
    ("max_uninstalls", "approvals to uninstall", _DISCONNECTED, None),
    ("max_share", "the same as a share, which counts from ten on", _DISCONNECTED, None),
    ("max_lost_share", "more of what was applied is gone: stopped", _DISCONNECTED, None),
    ("max_deletes", "a mirror never deletes more, confirmed or not", _DISCONNECTED, None),
    ("max_delete_share", "the same as a share of all content", _DISCONNECTED, None),
    ("max_delete_bytes", "the same in bytes", _DISCONNECTED, None),
    ("on_downloads", 'or "stop": an export ends with 4 while WSUS downloads', _STAGING, None),
    ("download_wait_hours", "longest wait for them", _STAGING, None),
    ("answer_hours", "a served run waits for an answer, or a volume", _DISCONNECTED, None),
    ("wsusutil_reset", 'or "ask": `repair downloads-failed` offers `wsusutil reset`'),
)
_GROUPS = _table(
    "groups",
    ("all_computers", 'or "apply", or the path of a group of this site', _DISCONNECTED, None),
    ("unassigned_computers", "the same for Unassigned Computers", _DISCONNECTED, None),
    ("prefix", "put before every path without a line in map", _DISCONNECTED, None),
    ("map", '"path of staging" = "path here"; "" leaves it out', _DISCONNECTED, '{ "A/B" = "C" }'),
)
_CHECK = _table(
    "check",
    ("stop_at", 'or "warning", "note": stops from this severity on'),
    ("max_sync_age_days", "an older synchronisation is a failure", _STAGING, None),
)
_CUSTODY = _table(
    "custody",
    ("syslog", "the custody log goes there too", None, '"/dev/log"'),
    ("event_command", "or into the event log of Windows", None, '["eventcreate.exe"]'),
)
_AUDIT = _table(
    "audit",
    ("full_every_days", "scheduled audits read all content in this time", _DISCONNECTED, None),
)
_PREFECT = _table(
    "prefect",
    (
        "api_url",
        "left out: the server of `up`, else one for each command",
        None,
        '"http://127.0.0.1:4200/api"',
    ),
)
_AFTER_PATCH_TUESDAY = '{ patch_tuesday_plus = 3, at = "03:00", time_zone = "UTC" }'
_SCHEDULE = _table(
    "schedule",
    ("check", "times at which `up` starts it", None, '{ cron = "30 2 * * *" }'),
    ("export", "0 to 14 days after Patch Tuesday", _STAGING, _AFTER_PATCH_TUESDAY),
    ("verify", "of the next bundle on the media", None, '{ cron = "0 6 * * 1" }'),
    ("import", "of the next bundle on the media", _DISCONNECTED, '{ cron = "0 4 * * *" }'),
    ("audit", "minute, hour, day, month, weekday", _DISCONNECTED, '{ cron = "0 5 * * 0" }'),
    ("tidy", "removes what [retention] does not keep", None, '{ cron = "0 1 1 * *" }'),
)
_RETENTION = _table(
    "retention",
    ("reports_months", "`tidy` removes older reports, and documents of old bundles"),
    ("trash_days", "content that an import deleted", _DISCONNECTED, None),
    ("prefect_days", "runs in Prefect's database"),
    ("media_days", "bundles on the medium, after their receipt", _STAGING, "60"),
)
_NOTIFY = _table(
    "notify",
    ("urls", "addresses of Apprise", None, '["mailto://relay.example"]'),
    ("urls_file", "one address a line, for those with a password", None, '"keys/notify.urls"'),
    ("on", "occasions on which they are told"),
    ("syslog", "the end of each run goes there too", None, '"/dev/log"'),
    ("event_log", "Windows: the end of each run goes into the event log"),
    ("event_program", "the program that writes it"),
)
DESCRIBED_KEYS: tuple[DescribedKey, ...] = (
    *_SITE,
    *_SERVER,
    *_MEDIA,
    *_TRUST,
    *_POLICY,
    *_GROUPS,
    *_CHECK,
    *_CUSTODY,
    *_AUDIT,
    *_PREFECT,
    *_SCHEDULE,
    *_RETENTION,
    *_NOTIFY,
)
