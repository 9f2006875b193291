"""A join of sixteen branches with long names, through Metaflow's own compression of such lists."""

from metaflow import FlowSpec, step

WIDTH = 16


class WideFlow(FlowSpec):
    @step
    def start(self):
        self.next(
            self.branch_with_a_long_name_00,
            self.branch_with_a_long_name_01,
            self.branch_with_a_long_name_02,
            self.branch_with_a_long_name_03,
            self.branch_with_a_long_name_04,
            self.branch_with_a_long_name_05,
            self.branch_with_a_long_name_06,
            self.branch_with_a_long_name_07,
            self.branch_with_a_long_name_08,
            self.branch_with_a_long_name_09,
            self.branch_with_a_long_name_10,
            self.branch_with_a_long_name_11,
            self.branch_with_a_long_name_12,
            self.branch_with_a_long_name_13,
            self.branch_with_a_long_name_14,
            self.branch_with_a_long_name_15,
        )

    @step
    def branch_with_a_long_name_00(self):
        self.number = 0
        self.next(self.gather)

    @step
    def branch_with_a_long_name_01(self):
        self.number = 1
        self.next(self.gather)

    @step
    def branch_with_a_long_name_02(self):
        self.number = 2
        self.next(self.gather)

    @step
    def branch_with_a_long_name_03(self):
        self.number = 3
        self.next(self.gather)

    @step
    def branch_with_a_long_name_04(self):
        self.number = 4
        self.next(self.gather)

    @step
    def branch_with_a_long_name_05(self):
        self.number = 5
        self.next(self.gather)

    @step
    def branch_with_a_long_name_06(self):
        self.number = 6
        self.next(self.gather)

    @step
    def branch_with_a_long_name_07(self):
        self.number = 7
        self.next(self.gather)

    @step
    def branch_with_a_long_name_08(self):
        self.number = 8
        self.next(self.gather)

    @step
    def branch_with_a_long_name_09(self):
        self.number = 9
        self.next(self.gather)

    @step
    def branch_with_a_long_name_10(self):
        self.number = 10
        self.next(self.gather)

    @step
    def branch_with_a_long_name_11(self):
        self.number = 11
        self.next(self.gather)

    @step
    def branch_with_a_long_name_12(self):
        self.number = 12
        self.next(self.gather)

    @step
    def branch_with_a_long_name_13(self):
        self.number = 13
        self.next(self.gather)

    @step
    def branch_with_a_long_name_14(self):
        self.number = 14
        self.next(self.gather)

    @step
    def branch_with_a_long_name_15(self):
        self.number = 15
        self.next(self.gather)

    @step
    def gather(self, inputs):
        assert sorted(i.number for i in inputs) == list(range(WIDTH))
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    WideFlow()
