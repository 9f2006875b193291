"""Forty parameters for awkward values; prints what arrives."""

import json

from metaflow import FlowSpec, Parameter, step


class ValuesFlow(FlowSpec):
    for _number in range(40):
        vars()[f"v{_number:02}"] = Parameter(f"v{_number:02}", default="unbound", type=str)

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        print("SEEN " + json.dumps([getattr(self, f"v{n:02}") for n in range(40)]))


if __name__ == "__main__":
    ValuesFlow()
