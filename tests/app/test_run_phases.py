"""The phases of a run's steps, of the nodes that AI Core tells."""

from __future__ import annotations

import pytest

from aicore_sync.app.looking import phases

RETRIED = {"wf": "Succeeded", "wf.train": "Succeeded", "wf.train(0)": "Failed", "wf.train(1)": "Succeeded"}
GAVE_UP = {"wf": "Failed", "wf.train": "Failed", "wf.train(0)": "Failed", "wf.train(1)": "Error"}
AGAIN = {"wf": "Running", "wf.train": "Running", "wf.train(0)": "Failed", "wf.train(1)": "Pending"}
LOOP = {"wf": "Failed", "wf.each": "Failed", "wf.each(0:a)": "Succeeded", "wf.each(1:0.5)": "Error"}
RETRIED_IN_LOOP = {
    "wf.each": "Succeeded",
    "wf.each(0:a)": "Succeeded",
    "wf.each(0:a)(0)": "Error",
    "wf.each(0:a)(1)": "Succeeded",
}
WITHIN = {
    "wf": "Succeeded",
    "wf.part": "Succeeded",
    "wf.part(0)": "Failed",
    "wf.part(0).inner": "Failed",
    "wf.part(1)": "Succeeded",
    "wf.part(1).inner": "Succeeded",
}
GOES_ON = {"wf": "Succeeded", "wf.train": "Failed", "wf.after": "Succeeded"}


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        (RETRIED, {"wf": "Succeeded", "train": "Succeeded"}),
        (GAVE_UP, {"wf": "Failed", "train": "Failed"}),
        (AGAIN, {"wf": "Running", "train": "Running"}),
        (LOOP, {"wf": "Failed", "each": "Error"}),
        (RETRIED_IN_LOOP, {"each": "Succeeded"}),
        (WITHIN, {"wf": "Succeeded", "part": "Succeeded", "inner": "Succeeded"}),
        (GOES_ON, {"wf": "Succeeded", "train": "Failed", "after": "Succeeded"}),
        ({"wf.train(0)": "Failed"}, {"train": "Failed"}),
    ],
)
def test_an_attempt_that_was_tried_again_does_not_colour_its_step(
    nodes: dict[str, str], expected: dict[str, str]
) -> None:
    for order in (nodes.items(), reversed(nodes.items())):
        told = [{"name": name, "phase": phase} for name, phase in order]
        assert phases({"workflowInfo": told}) == expected
