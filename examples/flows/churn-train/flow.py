"""Train a churn model: start → train → end. Needs nothing but Metaflow and the standard library."""

import json
import math
import random
from pathlib import Path

from metaflow import FlowSpec, Parameter, step

MODEL = Path("/tmp/churnmodel")  # `outputs` in aicore.yaml names the same path


def customers(count, seed):
    """Customers as (months, calls, churned): short contracts with many calls to the hotline leave."""
    rng = random.Random(seed)
    for _ in range(count):
        months, calls = rng.uniform(0, 4), rng.uniform(0, 4)
        yield months, calls, int(calls - months + rng.gauss(0, 0.5) > 0)


def chance(weights, months, calls):
    score = weights["bias"] + weights["months"] * months + weights["calls"] * calls
    return 1 / (1 + math.exp(-score))


class ChurnTrain(FlowSpec):
    """Logistic regression by gradient descent."""

    rows = Parameter("rows", default=200, type=int, help="customers to train on")
    rate = Parameter("rate", default=0.1, type=float, help="learning rate")
    rounds = Parameter("rounds", default=60, type=int, help="passes over all customers")

    @step
    def start(self):
        self.customers = list(customers(self.rows, seed=7))
        print(f"{len(self.customers)} customers, {sum(c[2] for c in self.customers)} of them left")
        self.next(self.train)

    @step
    def train(self):
        weights = {"bias": 0.0, "months": 0.0, "calls": 0.0}
        for _ in range(self.rounds):
            for months, calls, churned in self.customers:
                error = churned - chance(weights, months, calls)
                weights["bias"] += self.rate * error
                weights["months"] += self.rate * error * months
                weights["calls"] += self.rate * error * calls
        right = sum((chance(weights, m, c) > 0.5) == bool(churned) for m, c, churned in self.customers)
        self.weights, self.accuracy = weights, right / len(self.customers)
        MODEL.mkdir(parents=True, exist_ok=True)
        (MODEL / "model.json").write_text(json.dumps(self.weights, indent=1))
        self.next(self.end)

    @step
    def end(self):
        print(f"accuracy {self.accuracy:.3f} with {self.weights}")


if __name__ == "__main__":
    ChurnTrain()
