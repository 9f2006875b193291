"""Documents that several tests read: what a renderer prints, and hand-written templates."""

from __future__ import annotations

import copy
from typing import Any


def tool_labels(user: str = "ann") -> dict[str, str]:
    return {
        "metaflow/python_version": "3.11.7",
        "metaflow/user": user,
        "app": "metaflow",
        "app.kubernetes.io/created-by": user,
        "app.kubernetes.io/part-of": "metaflow",
    }


def step(name: str, user: str = "ann", **container: Any) -> dict[str, Any]:
    return {
        "name": name,
        "metadata": {
            "labels": {**tool_labels(user), "metaflow/step_name": name},
            "annotations": {"metaflow/flow_name": "TrainFlow", "metaflow/attempt": "0"},
        },
        "activeDeadlineSeconds": 432000,
        "inputs": {"parameters": [{"name": "input-paths"}]},
        "outputs": {"parameters": [{"name": "task-id", "value": "{{pod.name}}"}]},
        "container": {
            "image": "docker.io/library/python:3.11",
            "command": ["bash"],
            "args": [
                "-c",
                f"python train.py step {name} --input-paths {{{{inputs.parameters.input-paths}}}}",
            ],
            "env": [
                {"name": "METAFLOW_INIT_RATE", "value": "{{workflow.parameters.rate}}"},
                {"name": "METAFLOW_USER", "value": user},
            ],
            "resources": {"requests": {"cpu": 2}, "limits": {"cpu": 2}},
            **container,
        },
    }


def called(name: str, **more: Any) -> dict[str, Any]:
    paths = {"name": "input-paths", "value": "{{workflow.name}}/_parameters/0"}
    return {"name": name, "template": name, "arguments": {"parameters": [paths]}, **more}


def rendered(user: str = "ann", **metadata: Any) -> dict[str, Any]:
    """As SAP's plugin prints a flow, in small; `user` and `metadata` are what differs between equal renders."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {
            "name": "trainflow",
            "labels": tool_labels(user),
            "annotations": {"metaflow/flow_name": "TrainFlow", "metaflow/owner": user},
            **metadata,
        },
        "spec": {
            "entrypoint": "entry",
            "workflowMetadata": {"labels": tool_labels(user), "annotations": {"metaflow/owner": user}},
            "arguments": {
                "parameters": [{"name": "rate", "default": "0.1"}, {"name": "cases", "default": None}]
            },
            "parallelism": 100,
            "templates": [
                {
                    "name": "entry",
                    "dag": {"tasks": [called("start"), called("fit-all", dependencies=["start"])]},
                },
                step("start", user),
                step("fit-all", user),
            ],
        },
    }


def workflow() -> dict[str, Any]:
    """A hand-written template that lint has nothing to say about."""
    return copy.deepcopy(_WORKFLOW)


def serving() -> dict[str, Any]:
    """A ServingTemplate that lint has nothing to say about."""
    return copy.deepcopy(_SERVING)


_METADATA = {
    "name": "churn-train",
    "labels": {"scenarios.ai.sap.com/id": "churn", "ai.sap.com/version": "1.4.0-3f9c2a1b"},
    "annotations": {
        "scenarios.ai.sap.com/name": "Churn",
        "executables.ai.sap.com/name": "churn-train",
        "artifacts.ai.sap.com/churnmodel.kind": "model",
    },
}
_WORKFLOW: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "WorkflowTemplate",
    "metadata": _METADATA,
    "spec": {
        "entrypoint": "main",
        "activeDeadlineSeconds": 14400,
        "arguments": {"parameters": [{"name": "alpha", "default": "0.1"}, {"name": "mode"}]},
        "templates": [
            {
                "name": "main",
                "metadata": {"labels": {"ai.sap.com/resourcePlan": "starter"}},
                "inputs": {"artifacts": [{"name": "rawdata", "path": "/data/in"}]},
                "outputs": {
                    "artifacts": [
                        {
                            "name": "churnmodel",
                            "globalName": "churnmodel",
                            "path": "/data/model",
                            "archive": {"none": {}},
                        }
                    ]
                },
                "container": {
                    "image": "docker.io/org/churn:1.4.0",
                    "command": ["/bin/sh", "-c"],
                    "args": ["python train.py --alpha {{workflow.parameters.alpha}}"],
                },
            }
        ],
    },
}
_SERVING: dict[str, Any] = {
    "apiVersion": "ai.sap.com/v1alpha1",
    "kind": "ServingTemplate",
    "metadata": {**_METADATA, "name": "churn-serve"},
    "spec": {
        "inputs": {
            "parameters": [{"name": "replicas", "default": "1", "type": "string"}],
            "artifacts": [{"name": "churnmodel"}],
        },
        "template": {
            "apiVersion": "serving.kserve.io/v1beta1",
            "metadata": {"labels": "ai.sap.com/resourcePlan: starter\n"},
            "spec": "predictor:\n  minReplicas: {{inputs.parameters.replicas}}\n",
        },
    },
}
