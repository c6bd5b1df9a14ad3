"""The script that imports updates from the Microsoft Update Catalog."""

from __future__ import annotations

from deploy.lab.powershell.stand_in.run import Run
from deploy.lab.rules import catalog_site, update_search
from deploy.lab.rules.server import RuleError, Server


def catalog_import(run: Run) -> None:
    """Answer ``catalog-import.ps1``."""
    run.begin()
    for asked in run.asked():
        update_id = asked["update_id"]
        before = _find(run.server, update_id)
        error_type, reason = None, "the server does not have it after the import"
        if before is None:
            try:
                catalog_site.import_update(run.server, update_id, ())
            except RuleError as refusal:
                error_type, reason = refusal.type_name, str(refusal)
        update = before or _find(run.server, update_id)
        result = "already" if before else "imported" if update else "failed"
        run.write(
            kind="update",
            update_id=update_id,
            result=result,
            revision=update.revision if update else None,
            title=update.title if update else None,
            error_type=error_type if result == "failed" else None,
            error=reason if result == "failed" else None,
        )
    run.end()


def _find(server: Server, update_id: str) -> update_search.UpdateRow | None:
    try:
        return update_search.get_update(server, update_id, 0)
    except RuleError:
        return None
