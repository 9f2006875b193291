"""Evaluate a rule against cases that a YAML file holds: fan out, merge, report metrics.

Needs PyYAML in the image. Inside AI Core the metrics go to its tracking service, elsewhere to the screen.
"""

import json
import os
import urllib.request
from datetime import UTC, datetime

from metaflow import FlowSpec, IncludeFile, Parameter, step


def predict(months, calls, threshold):
    """The rule under test: many calls in a young contract mean that the customer leaves."""
    return calls - months > threshold


def report(metrics):
    """Write metrics to AI Core's tracking service, or print them where there is none."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    entries = [{"name": name, "value": value, "timestamp": now} for name, value in metrics.items()]
    endpoint = os.environ.get("AICORE_TRACKING_ENDPOINT")
    if not endpoint:
        print("metrics:", json.dumps(metrics))
        return
    request = urllib.request.Request(
        f"{endpoint}/api/v1/metrics",
        data=json.dumps({"executionId": os.environ["AICORE_EXECUTION_ID"], "metrics": entries}).encode(),
        headers={
            "Content-Type": "application/merge-patch+json",
            "AI-Resource-Group": os.environ.get("AI-RESOURCE-GROUP", "default"),
        },
        method="PATCH",
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        print(f"metrics written, HTTP {answer.status}: {json.dumps(metrics)}")


class Evaluate(FlowSpec):
    """One task per group of cases."""

    cases = IncludeFile("cases", default="cases.yaml", help="groups of cases with the expected answers")
    threshold = Parameter(
        "threshold", default=0.0, type=float, help="calls minus months above which we expect churn"
    )

    @step
    def start(self):
        import yaml

        self.groups = yaml.safe_load(self.cases)["groups"]
        print(f"{len(self.groups)} groups, {sum(len(group['cases']) for group in self.groups)} cases")
        self.next(self.judge, foreach="groups")

    @step
    def judge(self):
        cases = self.input["cases"]
        self.group, self.total = self.input["name"], len(cases)
        self.right = sum(predict(c["months"], c["calls"], self.threshold) == c["churned"] for c in cases)
        print(f"{self.group}: {self.right} of {self.total}")
        self.next(self.merge)

    @step
    def merge(self, inputs):
        tasks = list(inputs)
        self.metrics = {f"accuracy_{task.group}": task.right / task.total for task in tasks}
        self.metrics["accuracy"] = sum(task.right for task in tasks) / sum(task.total for task in tasks)
        self.next(self.end)

    @step
    def end(self):
        report(self.metrics)


if __name__ == "__main__":
    Evaluate()
