"""Start by path: makes the modules beside this file one package, then serves. See `parent`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys

PACKAGE = "_aicore_sync_worker"


def main() -> None:
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  pathlib costs an import
    place = os.path.join(here, "__init__.py")  # noqa: PTH118
    spec = importlib.util.spec_from_file_location(PACKAGE, place, submodule_search_locations=[here])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    spec.loader.exec_module(module)
    importlib.import_module(f"{PACKAGE}.parent").serve()


if __name__ == "__main__":
    main()
