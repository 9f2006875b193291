"""The sample flows that SAP's plugin was measured with: the expected result of each, in both dialects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from extension_bench import ROOT
from flow_runs import Line

from aicore_sync.render import Renderer, RenderFailed, RenderJob, RenderOptions

LAB = ROOT.parent / "shared" / "lab" / "flows"
pytest_plugins = ["flow_fixtures"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not LAB.is_dir(), reason="the sample flows are not beside this repository"),
]
DIALECTS = ("native", "plugin")

SAID: Mapping[str, tuple[str, str]] = {  # what a step prints: first word, rest
    "branch/branch.py": ("total=23", ""),
    "envres/envres.py": ("MODE=train", "MSG=a b $HOME"),
    "envres2/envres2.py": ("MODE=train", "MSG=a b $HOME"),
    "foreach/fan.py": ("total=8", ""),
    "helper/usehelper.py": ("42", ""),
    "include/inc.py": ("lines=3", ""),
    "linear/train.py": ("done", "w=1.0"),
    "mixed/mixed.py": ("total=335", ""),
    "nested/nested.py": ("[['1',", "'2'], ['1', '2']]"),
    "nestedpost/nestedpost.py": ("[['1',", "'2'], ['1', '2']]"),
    "prints/prints.py": ("hello", "from import"),
    "retry/flaky.py": ("ok=2", "err=True err2=True"),
    "schedule/sched.py": ("", ""),
    "two/one.py": ("", ""),
    "two/other.py": ("", ""),
    "unequal/unequal.py": ("[[0],", "[0, 1], [0, 1, 2], [0, 1, 2, 3]]"),
    "wide/wide.py": ("", ""),
}
REFUSED = {
    "bad_graph/bad.py": r"^bad\.py:11: .*unknown step",
    "bad_import/bad.py": r"^bad\.py:\d+: ModuleNotFoundError",
    "bad_syntax/bad.py": r"^bad\.py:\d+: SyntaxError",
    "exits/exits.py": r"^exits\.py: ended with exit code 0",
    "heavy/heavy.py": r"^heavy\.py:1: ModuleNotFoundError: No module named 'numpy_missing'",
    "noflow/plain.py": "no class derives from FlowSpec",
    "nomain/nomain.py": "is never started",
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("flow", SAID)
async def test_it_runs_to_its_end(line: Line, flow: str, dialect: str) -> None:
    heard = await line.succeed(LAB / flow, dialect)
    first, rest = SAID[flow]
    assert not first or any(said.endswith(f" {first} {rest}".rstrip()) for said in heard.lines), heard.lines


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_artifacts_come_in_and_go_out(line: Line, tmp_path: Path, dialect: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "houses.csv").write_text("1,2\n")
    rendered = await line.render(LAB / "argodeco" / "artifacts.py", dialect)
    ended, heard = await line.run(rendered, dialect, inputs={"housedataset": f"file://{tmp_path / 'data'}"})
    assert ended.phase == "Succeeded", heard.lines[-30:]
    (model,) = ended.outputs
    assert (model.global_name, line.read(f"{model.key}/w.txt")) == ("housemodel", b"weights")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_parameters_arrive(line: Line, dialect: str) -> None:
    given = {"s_req": "it's $HOME `id`", "dash-ed": "--d", "i": "-3"}
    if dialect == "plugin":  # it cannot say None
        given["s_none"] = "thing"
    heard = await line.succeed(LAB / "params" / "params.py", dialect, parameters=given)
    seen = json.loads(heard.said("SEEN"))
    expected: dict[str, Any] = {"s_plain": "hello", "s_space": "two words", "s_quote": 'it\'s "quoted"'}
    expected |= {"s_req": given["s_req"], "s_none": given.get("s_none"), "s_empty": "", "i": -3, "f": 0.5}
    expected |= {"b": True, "b_off": False, "j": {"a": [1, 2], "b": "x y"}, "dash": "--d", "sep": ["a", "b"]}
    assert seen == expected


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("flow", ["failing/failing.py", "bad_lint/bad.py"])
async def test_an_error_of_a_step_ends_the_run(line: Line, flow: str, dialect: str) -> None:
    ended, heard = await line.run(await line.render(LAB / flow, dialect), dialect)
    assert ended.phase == "Failed"
    assert any("RuntimeError: boom" in said or "NameError: name 'undefined" in said for said in heard.lines)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("flow", REFUSED)
async def test_it_is_refused_where_the_mistake_is(line: Line, flow: str, dialect: str) -> None:
    with pytest.raises(RenderFailed, match=REFUSED[flow]):
        await line.render(LAB / flow, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_schedule_and_missing_packages_are_told(line: Line, dialect: str) -> None:
    assert (await line.render(LAB / "schedule" / "sched.py", dialect)).cron == "0 4 * * *"
    rendered = await line.render(LAB / "heavy" / "heavy.py", dialect, stub_imports=True)
    assert any("numpy_missing, optional_missing, pandas_missing" in w for w in rendered.warnings)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_endless_import_is_stopped(line: Line, tmp_path: Path, dialect: Any) -> None:
    environments = line.renderer._options.environments
    renderer = Renderer(RenderOptions(tmp_path, dialect, deadline=3, environments=environments))
    job = RenderJob(LAB / "bad_loop", "bad.py", "s3://b/p", "bad-loop", dialect=dialect)
    with pytest.raises(RenderFailed, match="not rendered within 3 s and stopped; it was at bad"):
        await renderer.render(job)
    await renderer.aclose()
