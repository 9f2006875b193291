"""Every type of parameter; prints what arrives."""

import json

from metaflow import FlowSpec, JSONType, Parameter, step


def made_at_deployment(context):
    return f"for {context.flow_name}"


class ParamsFlow(FlowSpec):
    text = Parameter("text", default='it\'s "quoted" $HOME `id`', help="any text")
    needed = Parameter("needed", required=True, type=str)
    nothing = Parameter("nothing", default=None)
    empty = Parameter("empty", default="")
    whole = Parameter("whole", default=7, type=int)
    part = Parameter("part", default=0.001, type=float)
    on = Parameter("on", default=True, type=bool)
    off = Parameter("off", default=False, type=bool)
    tree = Parameter("tree", default='{"a": [1, "x y"]}', type=JSONType)
    branch = Parameter("branch", default={"b": None}, type=JSONType)
    dashed = Parameter("with-dash", default="d")
    words = Parameter("words", default="a,b c", separator=",")
    made = Parameter("made", default=made_at_deployment)

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        names = ("text", "needed", "nothing", "empty", "whole", "part", "on", "off", "tree", "branch")
        seen = {name: getattr(self, name) for name in (*names, "dashed", "words", "made")}
        print("SEEN " + json.dumps(seen))


if __name__ == "__main__":
    ParamsFlow()
