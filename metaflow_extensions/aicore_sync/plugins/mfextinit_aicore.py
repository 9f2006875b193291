"""What Metaflow loads from this extension: the group `aicore`, its decorators, and `@argo` where SAP's is absent."""

from __future__ import annotations

import importlib.machinery
import sys

CLIS_DESC = [("aicore", ".aicore.command.cli")]

STEP_DECORATORS_DESC = [
    ("aicore", ".aicore.decorators.AICoreDecorator"),
    ("aicore_internal", ".aicore.decorators.InternalDecorator"),
]


def _sap_is_installed() -> bool:
    """SAP's own plugin lies in the same namespace package; its `@argo` then stays the one that it knows."""
    places = getattr(sys.modules.get("metaflow_extensions"), "__path__", None)
    found = importlib.machinery.PathFinder.find_spec("sap", list(places) if places else [])
    return found is not None


if not _sap_is_installed():
    STEP_DECORATORS_DESC.append(("argo", ".aicore.decorators.ArgoDecorator"))
