"""The repairs as tables: document in, document out."""

from __future__ import annotations

import base64
import copy
import zlib
from pathlib import Path
from typing import Any

import pytest

from aicore_sync.render import RenderFailed, RenderJob
from aicore_sync.render import repair as mend

JOB = RenderJob(Path("/snap/flow"), "flow.py", "s3://b/p", "a-flow", secrets=("store", "extra"))


def document(container: dict[str, Any] | None = None, parameters: Any = ()) -> dict[str, Any]:
    templates = [{"name": "entry", "dag": {"tasks": []}}, {"name": "start", "container": container or {}}]
    return {"spec": {"arguments": {"parameters": list(parameters)}, "templates": templates}}


def container(done: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = done["spec"]["templates"][1]["container"]
    return found


def packed(text: str) -> str:
    return "!" + base64.b64encode(zlib.compress(zlib.compress(text.encode()))).decode()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (packed("{{workflow.name}}/:a/{{x}},b/{{y}}"), "{{workflow.name}}/:a/{{x}},b/{{y}}"),
        ("!eJnot-base64", "!eJnot-base64"),
        ("!important", "!important"),
        (packed("x" * (2 << 20)), packed("x" * (2 << 20))),  # a bomb stays packed
    ],
)
def test_joins_are_unpacked(text: str, plain: str) -> None:
    assert mend.unpack_joins({"a": [{"value": text}]}) == {"a": [{"value": plain}]}


@pytest.mark.parametrize(
    ("written", "default"),
    [
        ('"two words"', "two words"),
        ('"it\'s \\"quoted\\""', 'it\'s "quoted"'),
        ('""', ""),
        ("7", "7"),
        ("0.5", "0.5"),
        ("false", "false"),
        ('{"a": 1}', '{"a": 1}'),
        ('"{\\"a\\": [1]}"', '{"a": [1]}'),
        ('"$(touch x) `id` $HOME"', "$(touch x) `id` $HOME"),
        ("null", None),
        (None, None),
    ],
)
def test_defaults_become_raw_text(written: str | None, default: str | None) -> None:
    given = {"name": "x"} if written is None else {"name": "x", "value": written}
    done = mend.parameters_by_environment(document(parameters=[given]))
    (declared,) = done["spec"]["arguments"]["parameters"]
    assert declared == ({"name": "x"} if default is None else {"name": "x", "default": default})


def test_parameters_leave_the_shell() -> None:
    tag = "{{workflow.parameters.%s}}"
    text = f"python f.py init --run-id {{{{workflow.name}}}} --x={tag % 'x'} --x-y={tag % 'x-y'} && go"
    given = document(
        {"args": ["-c", text], "env": [{"name": "HOME", "value": "/h"}]}, [{"name": "x"}, {"name": "x-y"}]
    )
    before = copy.deepcopy(given)
    done = container(mend.parameters_by_environment(given))
    assert done["args"] == ["-c", "python f.py init --run-id {{workflow.name}} && go"]
    assert done["env"] == [
        {"name": "METAFLOW_INIT_X", "value": tag % "x"},
        {"name": "METAFLOW_INIT_X_Y", "value": tag % "x-y"},
        {"name": "HOME", "value": "/h"},
    ]
    assert given == before


def test_a_flow_without_parameters_is_left_alone() -> None:
    given = {"spec": {"templates": [{"name": "start", "container": {"args": ["-c", "x"]}}]}}
    assert mend.parameters_by_environment(given) == given


def test_parameters_that_share_a_variable_are_refused() -> None:
    with pytest.raises(RenderFailed, match="a-b and A_B"):
        mend.parameters_by_environment(document(parameters=[{"name": "a-b"}, {"name": "A_B"}]))


def test_secrets_reach_every_step_once() -> None:
    given = document({"envFrom": [{"secretRef": {"name": "extra"}}]})
    done = container(mend.with_secrets(given, JOB.secrets))
    assert [s["secretRef"]["name"] for s in done["envFrom"]] == ["extra", "store"]
    assert container(mend.with_secrets(document(), JOB.secrets))["envFrom"]


@pytest.mark.parametrize(("value", "text"), [(1, "1"), (0.5, "0.5"), (True, "True"), ("x", "x"), (None, "")])
def test_environment_values_are_text(value: Any, text: str) -> None:
    done = mend.with_environment(document({"env": [{"name": "N", "value": value}]}), ())
    assert container(done)["env"] == [{"name": "N", "value": text}]


def test_environment_values_that_argo_would_fill_in_are_refused() -> None:
    own = {"name": "METAFLOW_INIT_X", "value": "{{workflow.parameters.x}}"}
    assert container(mend.with_environment(document({"env": [own]}), ()))["env"] == [own]
    for entry in ({"name": "T", "value": "{{ jinja }}"}, {**own, "value": "{{workflow.name}}"}):
        with pytest.raises(RenderFailed, match="which Argo would substitute"):
            mend.with_environment(document({"env": [entry]}), ())


def test_the_manifest_wins_over_the_decorator() -> None:
    reference = {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    given = document({"env": [{"name": "N", "value": "code"}, reference]})
    done = mend.with_environment(given, (("Z", "z"), ("N", "manifest")))
    assert container(done)["env"] == [
        reference,
        {"name": "N", "value": "manifest"},
        {"name": "Z", "value": "z"},
    ]


def test_paths_of_the_snapshot_become_relative() -> None:
    given = document(
        parameters=[{"name": "p", "default": "/snap/flow/data.py"}, {"name": "q", "default": "/snap/flows"}]
    )
    done, warnings = mend.relative_paths(given, "/snap/flow")
    assert [p["default"] for p in done["spec"]["arguments"]["parameters"]] == ["./data.py", "/snap/flows"]
    assert len(warnings) == 1
    assert mend.relative_paths(document(), "/snap/flow") == (document(), ())


@pytest.mark.parametrize(
    ("schedule", "cron"),
    [
        ("0 * * * ? *", "0 * * * *"),
        ("0 0 ? * SUN *", "0 0 * * 0"),
        ("15 4 * JAN-MAR MON,WED", "15 4 * 1-3 1,3"),
        ("0 9 ? * 1 *", "0 9 * * 0"),
        ("0 9 ? * 7", "0 9 * * 6"),
        ("0 9 * * 2 *", "0 9 * * 1"),
        ("0 9 ? * 2-6 *", "0 9 * * 1-5"),
        ("0 9 ? * 2,4,FRI *", "0 9 * * 1,3,5"),
        ("0 9 ? * 2-6/2,SAT *", "0 9 * * 1-5/2,6"),
        ("0 9 ? * MON-6 *", "0 9 * * 1-5"),
        ("0 9 ? * 3/2 *", "0 9 * * 2-6/2"),
        ("0 9 ? * */2 *", "0 9 * * */2"),
        ("0 9 ? * 6-2 *", "0 9 * * 0,1,5,6"),
        ("0 9 1 * ? *", "0 9 1 * *"),
        ("0 9 * * 2-6", "0 9 * * 2-6"),
        ("0 9 ? * 0 *", None),
        ("0 9 ? * 2-8 *", None),
        ("0 9 ? * L *", None),
        ("0 9 1 1 ? 2027", None),
        ("0 9 L * ? *", None),
        ("0 9 ? * 5L *", None),
        ("0 9 ? * 6#3 *", None),
        ("0 9 15W * ? *", None),
        ("0 9 * *", None),
        (None, None),
    ],
)
def test_schedules_become_posix_cron(schedule: str | None, cron: str | None) -> None:
    done, warnings = mend.posix_cron(schedule, None)
    assert done == cron
    assert bool(warnings) == (schedule is not None and cron is None)


@pytest.mark.parametrize("zone", [None, "UTC", "Etc/UTC", "GMT"])
def test_utc_has_many_names(zone: str | None) -> None:
    assert mend.posix_cron("0 4 * * *", zone) == ("0 4 * * *", ())


def test_another_time_zone_is_not_taken_for_utc() -> None:
    cron, _ = mend.posix_cron("0 4 ? * MON *", "Asia/Tokyo")
    assert cron == "CRON_TZ=Asia/Tokyo 0 4 * * 1"
    assert mend.posix_cron("0 4 * * *", "x y\n")[0] == "CRON_TZ=x?y? 0 4 * * *"


def test_repairing_twice_changes_nothing() -> None:
    given = document({"args": ["-c", "x --p={{workflow.parameters.p}}"]}, [{"name": "p", "value": '"v"'}])
    once, _ = mend.repaired(given, JOB)
    twice, _ = mend.repaired(once, JOB)
    assert twice == once
