"""Fan-outs of unequal width inside each other, a branch inside a fan-out, a fan-out inside a branch."""

from metaflow import FlowSpec, current, step
from rules import area


class ShapesFlow(FlowSpec):
    """Adds up areas.

    The second paragraph stays out of the template.
    """

    @step
    def start(self):
        self.rows = [2, 1]
        self.next(self.each_row, foreach="rows")

    @step
    def each_row(self):
        self.row = self.input
        self.cells = list(range(self.row))
        self.next(self.cell, foreach="cells")

    @step
    def cell(self):
        self.value = (self.row, self.input)
        self.next(self.thick, self.thin)

    @step
    def thick(self):
        self.area = area(2)
        self.next(self.both)

    @step
    def thin(self):
        self.area = area(1)
        self.next(self.both)

    @step
    def both(self, inputs):
        self.merge_artifacts(inputs, include=["value"])
        self.total = sum(i.area for i in inputs)
        self.next(self.close_row)

    @step
    def close_row(self, inputs):
        places = [i.index for i in inputs]
        assert places == list(range(len(places)))
        self.values = [i.value for i in inputs]
        self.total = sum(i.total for i in inputs)
        self.next(self.after_row)

    @step
    def after_row(self):
        self.next(self.close)

    @step
    def close(self, inputs):
        self.values = [i.values for i in inputs]
        self.total = sum(i.total for i in inputs)
        self.next(self.closed)

    @step
    def closed(self):
        self.next(self.left, self.right)

    @step
    def left(self):
        self.items = ["a", "b"]
        self.next(self.item, foreach="items")

    @step
    def item(self):
        self.letter = self.input
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.said = "".join(i.letter for i in inputs)
        self.next(self.last)

    @step
    def right(self):
        self.said = "!"
        self.next(self.last)

    @step
    def last(self, inputs):
        assert [i.said for i in inputs] == ["ab", "!"]
        self.merge_artifacts(inputs, include=["values", "total"])
        self.next(self.end)

    @step
    def end(self):
        assert self.values == [[(2, 0), (2, 1)], [(1, 0)]], self.values
        assert self.total == 15, self.total
        print("total", self.total, current.pathspec)


if __name__ == "__main__":
    ShapesFlow()
