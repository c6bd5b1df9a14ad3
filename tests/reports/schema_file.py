"""The JSON Schema of the command report, kept as a file that other programs can take.

``python -m tests.reports.schema_file`` writes it anew after a wanted change.
"""

from __future__ import annotations

import json
from pathlib import Path

from tasks.reports.model import json_schema

SCHEMA_FILE = Path(__file__).parents[1] / "data" / "command-report.schema.json"


def schema_text() -> str:
    return json.dumps(json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
