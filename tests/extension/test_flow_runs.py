"""Flows rendered as the service renders them, run to their end: both dialects, and the oldest Metaflow besides.

Every step is a real process that stores its artifacts in a real S3 server; only how pods boot is cut short, see
`quick_pods`. The flows assert by themselves what each step must see.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from extension_bench import FLOWS
from flow_runs import WAYS, Line
from flow_values import AWKWARD, BOUND, CHANGED, DEFAULTS

pytest_plugins = ["flow_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


DIALECTS = ("native", "plugin")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("flow", ["shapes", "flaky", "files"])
async def test_a_flow_runs_to_its_end(line: Line, flow: str, way: str) -> None:
    """Nested fan-outs of unequal width mixed with branches; retries, @catch, variables; included files and
    configurations."""
    await line.succeed(FLOWS / flow / "flow.py", way)


@pytest.mark.parametrize("way", DIALECTS)
@pytest.mark.parametrize("flow", ["wide", "many"])
async def test_a_join_of_16_branches_and_a_fan_out_of_64(line: Line, flow: str, way: str) -> None:
    await line.succeed(FLOWS / flow / "flow.py", way)


@pytest.mark.parametrize("way", ["native-oldest", "plugin"])  # the newest is in `test_native_runs`
async def test_awkward_values_arrive_and_nothing_is_executed(line: Line, way: str) -> None:
    bound = {f"v{number:02}": value for number, value in enumerate(AWKWARD)}
    heard = await line.succeed(FLOWS / "values" / "flow.py", way, parameters=bound)
    assert json.loads(heard.said("SEEN")) == AWKWARD
    assert not Path("/tmp/executed").exists()


@pytest.mark.parametrize("way", WAYS)
async def test_every_type_of_parameter_with_its_default(line: Line, way: str) -> None:
    given, seen = {"needed": "given"}, DEFAULTS
    if way == "plugin":  # it cannot say None
        given, seen = {**given, "nothing": "thing"}, {**DEFAULTS, "nothing": "thing"}
    heard = await line.succeed(FLOWS / "params" / "flow.py", way, parameters=given)
    assert json.loads(heard.said("SEEN")) == seen


@pytest.mark.parametrize("way", DIALECTS)
async def test_every_type_of_parameter_bound(line: Line, way: str) -> None:
    heard = await line.succeed(FLOWS / "params" / "flow.py", way, parameters=BOUND)
    assert json.loads(heard.said("SEEN")) == {**DEFAULTS, **CHANGED}


@pytest.mark.parametrize("way", ["native", "native-oldest"])
async def test_artifacts_come_in_and_go_out(line: Line, tmp_path: Path, way: str) -> None:
    numbers = tmp_path / "numbers"
    numbers.write_text("1 2 3")
    rendered = await line.render(FLOWS / "artifacts" / "flow.py", way)
    ended, heard = await line.run(rendered, way, inputs={"numbers": f"file://{numbers}"})
    assert ended.phase == "Succeeded", heard.lines[-30:]
    assert sorted(o.global_name for o in ended.outputs) == ["copy", "sums"]
    assert line.read(next(o.key for o in ended.outputs if o.name == "sums") + "/total.txt") == b"6"
