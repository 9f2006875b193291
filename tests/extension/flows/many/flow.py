"""One fan-out as wide as the parameter says."""

from metaflow import FlowSpec, Parameter, step


class ManyFlow(FlowSpec):
    width = Parameter("width", default=64)

    @step
    def start(self):
        self.numbers = list(range(self.width))
        self.next(self.one, foreach="numbers")

    @step
    def one(self):
        self.square = self.input**2
        self.next(self.gather)

    @step
    def gather(self, inputs):
        # Metaflow before 2.13 gives the inputs of wide joins in any order.
        assert sorted(i.square for i in inputs) == [n * n for n in range(self.width)]
        self.next(self.end)

    @step
    def end(self):
        print("gathered")


if __name__ == "__main__":
    ManyFlow()
