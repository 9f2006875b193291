"""Small flows as text, written into a directory of their own for each render."""

from __future__ import annotations

from pathlib import Path

from aicore_sync.render import Environment, RenderJob, RenderOptions

ROOT = "s3://bucket/flows"


def flow(name: str, body: str = "", decorators: str = "", top: str = "") -> str:
    """A two-step flow; `body` goes into the class, `top` above it."""
    return f"""
from metaflow import *
{top}

{decorators}
class {name}(FlowSpec):
{body}
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    {name}()
"""


LINEAR = flow("LinearFlow")
PARAMETERS = flow(
    "ParameterFlow",
    """
    word = Parameter("word", default='it is "quoted" $(id)')
    count = Parameter("count", default=3, type=int)
    tree = Parameter("a-tree", default='{"a": [1, 2]}', type=JSONType)
    needed = Parameter("needed", required=True, type=str)
""",
    '@schedule(cron="0 4 ? * MON *", timezone="Europe/Berlin")',
)
INCLUDE = flow("IncludeFlow", '    data = IncludeFile("data", default=join(dirname(__file__), "data.csv"))\n')
INCLUDE = INCLUDE.replace(
    "from metaflow import *", "from metaflow import *\nfrom os.path import dirname, join"
)
PRINTS = flow(
    "PrintsFlow",
    top='import os, sys\nprint("{}")\nos.write(1, b"{\\"kind\\": 1}")\nsys.stderr.write("x" * (1 << 20))',
)
FOREACH = """
from metaflow import FlowSpec, environment, kubernetes, step

class FanFlow(FlowSpec):
    @environment(vars={"COUNT": 0, "EMPTY": "", "FLAG": False, "NAME": "n"})
    @step
    def start(self):
        self.items = [1, 2]
        self.next(self.work, foreach="items")

    @kubernetes(image="registry.example/own:1")
    @step
    def work(self):
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    FanFlow()
"""


def wide(branches: int) -> str:
    """A split so wide that Metaflow compresses the join's input paths."""
    names = [f"branch_number_{n}" for n in range(branches)]
    steps = "".join(f"    @step\n    def {n}(self):\n        self.next(self.gather)\n\n" for n in names)
    split = ", ".join(f"self.{n}" for n in names)
    head = "from metaflow import FlowSpec, step\n\nclass WideFlow(FlowSpec):\n"
    start = f"    @step\n    def start(self):\n        self.next({split})\n\n"
    gather = "    @step\n    def gather(self, inputs):\n        self.next(self.end)\n\n"
    end = '    @step\n    def end(self):\n        pass\n\nif __name__ == "__main__":\n    WideFlow()\n'
    return head + start + steps + gather + end


def with_native(cache: Path, python: Path, **more: object) -> RenderOptions:
    """Options with an environment that is there already."""
    return RenderOptions(cache, environments={"native": Environment(python)}, **more)  # type: ignore[arg-type]


def job(directory: Path, text: str, **more: object) -> RenderJob:
    """Write `text` as flow.py below `directory` and ask for its template."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "flow.py").write_text(text)
    facts = {"datastore_root": ROOT, "name": "a-flow", "image": "docker.io/x/y:1", "secrets": ("store",)}
    return RenderJob(directory, "flow.py", **{**facts, **more})  # type: ignore[arg-type]
