"""What ``panel serve explorer`` runs once for every browser session."""

import sys
from pathlib import Path

# The server puts this folder on the path, not the project's root; relative imports would make every class twice.
_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.append(_ROOT)

from explorer.app import build  # noqa: E402

build().servable(title="Harmonia")
