"""Step decorators: what a step needs of AI Core, and the one that a running step is given by us."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from metaflow.decorators import StepDecorator

from .model import COUNT_FILE, SPLITS_FILE


class AICoreDecorator(StepDecorator):
    """
    What a step asks of SAP AI Core. Does nothing when the flow runs anywhere else.

    Parameters
    ----------
    resource_plan : str, optional, default None
        Name of a resource plan, for example "train.l". Otherwise the smallest that holds what
        `@resources` asks for.
    instance_type : str, optional, default None
        Name of an instance type, instead of a resource plan (extended service plan only).
    image : str, optional, default None
        Image of this step, with its registry, for example "docker.io/team/train:1.2".
    inputs : Union[Dict[str, str], List[Dict]], optional, default None
        Artifacts that a configuration binds: name to path, or Argo's own form as a list.
    outputs : Union[Dict[str, Union[str, Dict]], List[Dict]], optional, default None
        Artifacts that AI Core registers: name to path, or name to {"path": ..., "kind": "model"},
        or Argo's own form as a list.
    labels : Dict[str, str], optional, default None
        Labels of the pod; AI Core's own only (`ai.sap.com/...`).
    volume : Union[str, Dict], optional, default None
        Where the run's volume is mounted, or {"path": ..., "size": "50Gi"}.
    shared_memory : int, optional, default None
        Size of /dev/shm in MiB.
    secrets : List[str], optional, default None
        Generic secrets of AI Core whose entries become environment variables.
    """

    name = "aicore"
    defaults: ClassVar[dict[str, Any]] = dict.fromkeys(
        (
            "resource_plan", "instance_type", "image", "inputs", "outputs",
            "labels", "volume", "shared_memory", "secrets",
        )
    )  # fmt: skip


class ArgoDecorator(StepDecorator):
    """
    SAP's decorator, for flows that were written for its plugin.

    Parameters
    ----------
    input_artifacts : List[Dict], optional, default None
        Argo's form: [{"name": ..., "path": ...}].
    output_artifacts : List[Dict], optional, default None
        Argo's form: [{"name": ..., "globalName": ..., "path": ..., "archive": {"none": {}}}].
    labels : Dict[str, str], optional, default None
        For example {"ai.sap.com/resourcePlan": "train.l"}.
    mount_pvc : str, optional, default None
        Where the run's volume is mounted.
    shared_memory : int, optional, default None
        Size of /dev/shm in MiB.
    """

    name = "argo"
    defaults: ClassVar[dict[str, Any]] = dict.fromkeys(
        ("input_artifacts", "output_artifacts", "labels", "mount_pvc", "shared_memory")
    )


class InternalDecorator(StepDecorator):
    """Given to every step that runs on AI Core: tells Argo how wide a foreach is."""

    name = "aicore_internal"
    defaults: ClassVar[dict[str, Any]] = {}

    # Metaflow's hook: its signature, not ours.
    def task_finished(self, step_name: str, flow: Any, graph: Any, is_task_ok: bool, *_retries: int) -> None:
        """Leave the numbers 0 … n-1 and n where the template's output parameters look for them."""
        if is_task_ok and graph[step_name].type == "foreach":
            count = flow._foreach_num_splits
            Path(SPLITS_FILE).write_text(json.dumps(list(range(count))), encoding="utf-8")
            Path(COUNT_FILE).write_text(str(count), encoding="utf-8")
