"""What executions (under `--executor instant`) and deployments come to: rules set over the admin endpoint.

POST /sandbox/executor {"outcome": "DEAD", "match": {"configurationName": "^churn"}, "metrics": {"loss": 0.2},
                        "outputs": ["model"], "message": "out of memory"}
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field

from aicore_sync.sandbox.model import Deployment, Execution, Wire

Outcome = Literal["COMPLETED", "DEAD", "RUNNING", "PENDING", "UNKNOWN"]


class Match(Wire):
    """Regular expressions that must be found in the fields of a run; an empty one matches all."""

    configuration_id: str = ""
    configuration_name: str = ""
    executable_id: str = ""
    scenario_id: str = ""

    def fits(self, run: Execution | Deployment) -> bool:
        return all(re.search(pattern, getattr(run, name)) for name, pattern in self.model_dump().items())


class Rule(Wire):
    """`outcome` other than COMPLETED and DEAD is held until another rule applies or someone stops the execution.
    For a deployment COMPLETED means RUNNING. The rule set last wins.

    `outputs`: the global names to register, by default all that the template declares. `metrics`: name to
    value, or items as the metrics API takes them.
    """

    outcome: Outcome = "COMPLETED"
    message: str = ""
    metrics: dict[str, float] | list[dict[str, Any]] = Field(default_factory=dict)
    outputs: list[str] | None = None
    match: Match = Field(default_factory=Match)

    def metric_items(self) -> list[dict[str, Any]]:
        """The metrics as items of the metrics API."""
        if isinstance(self.metrics, dict):
            return [{"name": name, "value": value} for name, value in self.metrics.items()]
        return list(self.metrics)


class Outcomes:
    """The rules in the order in which they were set."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def of(self, run: Execution | Deployment) -> Rule:
        return next((rule for rule in reversed(self.rules) if rule.match.fits(run)), Rule())
