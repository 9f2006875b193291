"""Retries until it works; failures that are caught, with and without retries; variables of a step."""

import os

from metaflow import FlowSpec, catch, current, environment, retry, step


class FlakyFlow(FlowSpec):
    @environment(
        vars={"COUNT": 0, "FLAG": False, "EMPTY": "", "NOTHING": None, "TEXT": "a $HOME $$ $(PATH) 'q' \"d\""}
    )
    @retry(times=2, minutes_between_retries=0)
    @step
    def start(self):
        if current.retry_count < 2:
            raise RuntimeError(f"attempt {current.retry_count} fails")
        self.attempts = current.retry_count
        names = ("COUNT", "FLAG", "EMPTY", "NOTHING", "TEXT")
        self.seen = {name: os.environ.get(name) for name in names}
        self.next(self.caught)

    @catch(var="problem")
    @step
    def caught(self):
        self.never = 1 / 0
        self.next(self.both)

    @catch(var="last")
    @retry(times=1, minutes_between_retries=0)
    @step
    def both(self):
        if current.retry_count == 0:
            raise KeyError("first")
        os._exit(3)  # as a pod that is killed: only another attempt can record it
        self.next(self.end)

    @step
    def end(self):
        assert self.attempts == 2
        assert "ZeroDivisionError" in str(self.problem.type), self.problem
        assert self.last
        assert self.seen == {
            "COUNT": "0",
            "FLAG": "False",
            "EMPTY": "",
            "NOTHING": None,
            "TEXT": "a $HOME $$ $(PATH) 'q' \"d\"",
        }, self.seen
        print("caught all")


if __name__ == "__main__":
    FlakyFlow()
