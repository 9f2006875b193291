"""A project with a branch, a card, and a decorator that the command line adds."""

from metaflow import FlowSpec, card, current, project, step


@project(name="demo_project")
class ProjectFlow(FlowSpec):
    @card(type="blank")
    @step
    def start(self):
        self.branch = current.branch_name
        self.next(self.end)

    @step
    def end(self):
        print("branch", self.branch, current.project_flow_name)


if __name__ == "__main__":
    ProjectFlow()
