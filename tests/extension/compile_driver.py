"""Runs in an environment with Metaflow: compiles a flow as a program would, and leaves the result in a directory.

python compile_driver.py OUT SCRIPT [arguments of the flow's command line]
"""

import json
import runpy
import sys
from pathlib import Path

out, script, arguments = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
sys.path[0] = str(script.resolve().parent)
sys.argv = [str(script), *arguments]

from metaflow_extensions.aicore_sync.plugins.aicore import delivery  # noqa: E402


def keep(compiled, desk):
    uploads = []
    for number, upload in enumerate(compiled.uploads):
        (out / f"blob-{number}").write_bytes(upload.data)
        uploads.append({"kind": upload.kind, "name": upload.name, "url": upload.url, "sha256": upload.sha256})
    facts = {k: getattr(compiled, k) for k in ("flow", "document", "user_files", "included", "schedule")}
    facts |= {k: getattr(compiled, k) for k in ("timezone", "warnings", "notes")}
    (out / "compiled.json").write_text(json.dumps({**facts, "uploads": uploads}, sort_keys=True))


delivery.deliver = keep
runpy.run_path(str(script), run_name="__main__")
