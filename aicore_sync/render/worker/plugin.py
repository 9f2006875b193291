"""The dialect `plugin`: SAP's plugin, made to hand over what it makes instead of uploading and printing it.

What is patched, and why, was measured with Metaflow 2.12.25 and sap-ai-core-metaflow 1.1.22.
"""

# ruff: noqa: PTH118

from __future__ import annotations

import hashlib
import os
import re
import sys
import types
from typing import Any, NoReturn

from . import pack
from .capture import Capture, Local, begin, load, settled, started

_PLUGIN = "metaflow_extensions.sap.plugins.argowf.argo_workflow"
_OURS = "aicore_sync_compiler"  # our compiler's package, by a name under which Metaflow does not look for extensions
MODULES = (
    "metaflow.cli",
    "boto3",
    "requests",
    "kubernetes.client",
    "kubernetes.config",
    _PLUGIN,
)
VERSIONS = ("metaflow", "sap-ai-core-metaflow")

library = pack.library
learn = pack.Library.read


def prepare(extension: str) -> None:
    """SAP's plugin is where it was installed. What AI Core cannot do, our compiler knows; it is loaded while it can be
    read: behind the walls are only the places where one imports from, and flows are not to import it."""
    place = os.path.join(extension, "metaflow_extensions", "aicore_sync", "plugins", "aicore")
    module = types.ModuleType(_OURS)
    module.__path__ = [place]
    sys.modules[_OURS] = module
    load(f"{_OURS}.survey")


def patch(capture: Capture, library: pack.Library) -> list[str]:
    """In the child, before the user's code runs; returns what to add to the command line."""
    _package(capture, library)
    _includes(capture)
    _template(capture)
    begin(capture, lambda flow: _look(capture, flow))
    return []


def _look(capture: Capture, flow: Any) -> None:
    """The plugin leaves out in silence what it cannot do, machines among it."""
    survey = load(f"{_OURS}.survey")
    load(f"{_OURS}.refused").refuse(flow, flow._graph, Local, "s3")
    for node in flow._graph:
        survey.variables(node)
    capture.asks = [{"step": step, "text": text} for step, text in survey.asked(flow._graph)]


def _package(capture: Capture, library: pack.Library) -> None:
    store = load("metaflow.datastore.flow_datastore").FlowDataStore
    keys: list[str] = []

    def make(self: Any) -> bytes:
        made = pack.make(self, capture.job.directory, library)
        capture.packed = made.names
        keys.append(made.key)
        return made.tail

    def save_data(self: Any, blobs: Any, len_hint: int = 0) -> list[tuple[str, str]]:
        saved = []
        for blob in map(bytes, blobs):
            key = keys[-1]
            url = f"{capture.job.root}/{self.flow_name}/data/{key[:2]}/{key}"
            capture.keep("package", self.flow_name, url, blob)
            saved.append((url, key))
        return saved

    load("metaflow.package").MetaflowPackage._make = make
    store.save_data = save_data


def _includes(capture: Capture) -> None:
    uploader = load("metaflow.includefile").UploaderV2

    def keep(flow_name: str, path: str, is_text: bool, encoding: str, *_: Any) -> dict[str, Any]:
        raw = pack.read(path)
        name = capture.job.local(path) or path
        key = hashlib.sha1(raw).hexdigest()  # noqa: S324  Metaflow's content address
        url = f"{capture.job.root}/data/{flow_name}/{key}"
        capture.keep("include", name, url, pack.squeeze(raw, 3))
        note = f"Internal representation of IncludeFile({name})"
        facts = {"type": uploader.file_type, "url": url, "is_text": is_text, "encoding": encoding}
        return {**facts, "note": note, "sub-type": "uploaded", "size": len(raw)}

    uploader.store = staticmethod(keep)


def _template(capture: Capture) -> None:
    plugin = load(_PLUGIN)
    prepare = plugin._prepare_environment

    def as_strings(environment: dict[str, Any], kubernetes: Any) -> Any:
        # The plugin copies Python values and then drops those that are false: 0 would arrive as "". And Kubernetes
        # replaces `$(NAME)` and halves `$$`.
        given = (environment.get("vars") or {}).items()
        texts = {k: re.sub(r"\$(?=[$(])", "$$", str(v)) for k, v in given if v is not None}
        return prepare({**environment, "vars": texts}, kubernetes)

    def to_json(self: Any) -> NoReturn:
        name = type(self.flow).__name__
        started(capture, name)
        settled(capture, self._workflow)
        decorators = self.flow._flow_decorators.get("schedule") or []
        cron = [{"schedule": d.schedule, "timezone": d.timezone} for d in decorators][-1:] or [{}]
        capture.finish(document=self._workflow, flow=name, asks=capture.asks, **cron[0])

    plugin._prepare_environment = as_strings
    plugin.ArgoWorkflow.to_json = to_json
    # It reads a list as if it were one decorator; and a mandatory parameter is bound by a configuration.
    plugin.ArgoWorkflow._schedule = lambda self: None
