"""Much that AI Core cannot do."""

from metaflow import FlowSpec, batch, parallel, secrets, step, trigger


@trigger(event="news")
class RefusedFlow(FlowSpec):
    @secrets(sources=["cloud.secret"])
    @step
    def start(self):
        self.next(self.far)

    @batch(cpu=4)
    @step
    def far(self):
        self.next(self.crowd, num_parallel=4)

    @parallel
    @step
    def crowd(self):
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    RefusedFlow()
