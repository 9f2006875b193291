"""A step that takes too long, and whose failure is caught."""

import time

from metaflow import FlowSpec, catch, step, timeout


class LateFlow(FlowSpec):
    @catch(var="late")
    @timeout(seconds=1)
    @step
    def start(self):
        time.sleep(60)
        self.next(self.end)

    @step
    def end(self):
        assert self.late
        print("caught")


if __name__ == "__main__":
    LateFlow()
