"""An included file, and a configuration file where this Metaflow knows such."""

import metaflow
from metaflow import FlowSpec, IncludeFile, step


def settings():
    return (
        metaflow.Config("settings", default="settings.json") if hasattr(metaflow, "Config") else {"depth": 3}
    )


class FilesFlow(FlowSpec):
    table = IncludeFile("table", default="table.csv", help="numbers")
    raw = IncludeFile("raw", default="table.csv", is_text=False)
    settings = settings()

    @step
    def start(self):
        self.lines = self.table.splitlines()
        assert self.raw == self.table.encode()
        assert self.settings["depth"] == 3
        self.next(self.end)

    @step
    def end(self):
        print("lines", self.lines)


if __name__ == "__main__":
    FilesFlow()
