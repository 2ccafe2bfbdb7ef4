"""Where things lie, and how to read them."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
STORED_RUN = ROOT / "tests" / "stored_runs" / "run-format-1"


def read_json(path: Path):
    return json.loads(path.read_text())
