"""Artifacts by SAP's decorator and by ours, machines by every way to ask for one."""

from pathlib import Path

from metaflow import FlowSpec, aicore, argo, kubernetes, resources, schedule, step


@schedule(cron="0 4 ? * MON *", timezone="Europe/Berlin")
class ArtifactsFlow(FlowSpec):
    @argo(
        labels={"ai.sap.com/resourcePlan": "train.l"},
        input_artifacts=[{"name": "numbers", "path": "/tmp/in/numbers"}],
        shared_memory=100,
    )
    @step
    def start(self):
        self.numbers = [int(n) for n in Path("/tmp/in/numbers").read_text().split()]
        self.next(self.fit)

    @aicore(
        outputs={"sums": {"path": "/tmp/out/sums", "kind": "resultset"}},
        secrets=["extra"],
        volume="/mnt/work",
    )
    @resources(cpu=2, memory=2048, gpu=1)
    @step
    def fit(self):
        Path("/tmp/out/sums").mkdir(parents=True)
        Path("/tmp/out/sums/total.txt").write_text(str(sum(self.numbers)))
        self.next(self.check)

    @kubernetes(image="registry.example/own:1", secrets=["own"], cpu=2)
    @step
    def check(self):
        self.next(self.end)

    @argo(
        output_artifacts=[
            {"name": "copy", "globalName": "copy", "path": "/tmp/copy.txt", "archive": {"none": {}}}
        ]
    )
    @aicore(instance_type="m5.4xlarge", image="registry.example/end:2")
    @step
    def end(self):
        Path("/tmp/copy.txt").write_text("copied")


if __name__ == "__main__":
    ArtifactsFlow()
