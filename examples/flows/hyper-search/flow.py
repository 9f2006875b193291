"""Search for the best learning rate: fan out, survive failures, join.

Shows @retry (a first attempt that fails), @catch (a candidate that always fails) and @timeout.
"""

from metaflow import FlowSpec, Parameter, catch, current, retry, step, timeout


def descend(rate, rounds):
    """Minimum of (x - 3)² by gradient descent; returns the distance that is left."""
    x = 0.0
    for _ in range(rounds):
        x -= rate * 2 * (x - 3)
        if abs(x) > 1e6:
            raise ValueError(f"learning rate {rate} diverges")
    return abs(x - 3)


class HyperSearch(FlowSpec):
    """One task per learning rate; the join keeps the best of those that came through."""

    rates = Parameter("rates", default="0.05,0.4,1.5", separator=",", help="learning rates to try")
    rounds = Parameter("rounds", default=40, type=int, help="steps of each candidate")

    @step
    def start(self):
        self.candidates = [float(rate) for rate in self.rates]
        self.next(self.try_rate, foreach="candidates")

    @catch(var="failure")
    @retry(times=1, minutes_between_retries=0)
    @timeout(minutes=5)
    @step
    def try_rate(self):
        self.rate, self.loss = self.input, None
        if self.index == 0 and current.retry_count == 0:
            raise RuntimeError("the node went away (on purpose: the next attempt succeeds)")
        self.loss = descend(self.rate, self.rounds)
        print(f"rate {self.rate}: {self.loss:.6f} left")
        self.next(self.choose)

    @step
    def choose(self, inputs):
        came_through = [task for task in inputs if not task.failure]
        self.failed = len(list(inputs)) - len(came_through)
        self.best_loss, self.best_rate = min((task.loss, task.rate) for task in came_through)
        self.next(self.end)

    @step
    def end(self):
        print(f"best rate {self.best_rate} leaves {self.best_loss:.6f}; {self.failed} candidate(s) failed")


if __name__ == "__main__":
    HyperSearch()
