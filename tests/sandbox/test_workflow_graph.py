from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from workflow_bench import Bench, dag, sh, task, workflow

from aicore_sync.sandbox.workflow import RunOptions


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, RunOptions(isolation="shim", max_backoff=0.0))


def out(*names: str) -> dict[str, Any]:
    return {"parameters": [{"name": n, "valueFrom": {"path": f"/tmp/{n}"}} for n in names]}


async def test_parameters_travel_through_a_dag(bench: Bench) -> None:
    template = workflow(
        dag(
            "entry",
            task("first", "make", give={"text": "{{workflow.parameters.who}}"}),
            task(
                "then",
                "show",
                dependencies=["first"],
                give={"text": "{{tasks.first.outputs.parameters.said}}"},
            ),
        ),
        sh(
            "make",
            "printf 'hello %s\\n' '{{inputs.parameters.text}}' > /tmp/said",
            params=["text"],
            outputs=out("said"),
        ),
        sh("show", "echo '<{{inputs.parameters.text}}> in {{workflow.name}}'", params=["text"]),
        arguments={"parameters": [{"name": "who", "default": "nobody"}]},
    )
    result, heard = await bench.run(template, parameters={"who": "you"})
    assert (result.phase, result.message) == ("Succeeded", "")
    assert heard.text == ["<hello you> in run1"]
    assert [node.phase for node in heard.nodes["run1.then"]] == ["Pending", "Running", "Succeeded"]


async def test_foreach_as_metaflow_writes_it(bench: Bench) -> None:
    inner = dag(
        "body",
        task("work", give={"i": "{{inputs.parameters.i}}"}),
        task("post", dependencies=["work"], give={"id": "{{tasks.work.outputs.parameters.id}}"}),
        inputs={"parameters": [{"name": "i"}]},
        outputs={
            "parameters": [{"name": "id", "valueFrom": {"parameter": "{{tasks.post.outputs.parameters.id}}"}}]
        },
    )
    template = workflow(
        dag(
            "entry",
            task("start"),
            task(
                "fan", "body", dependencies=["start"], give={"i": "{{item}}"},
                withParam="{{tasks.start.outputs.parameters.num_splits}}",
            ),
            task("join", dependencies=["fan"], give={"paths": "{{tasks.fan.outputs.parameters}}"}),
        ),
        inner,
        sh("start", "echo '[0, 1, 2]' > /tmp/num_splits", outputs=out("num_splits")),
        sh("work", "echo w{{inputs.parameters.i}} > /tmp/id", params=["i"], outputs=out("id")),
        sh("post", "echo {{inputs.parameters.id}}-p > /tmp/id", params=["id"], outputs=out("id")),
        sh("join", "echo '{{inputs.parameters.paths}}'", params=["paths"]),
    )  # fmt: skip
    result, heard = await bench.run(template)
    assert result.phase == "Succeeded"
    assert heard.text == ['[{"id":"w0-p"},{"id":"w1-p"},{"id":"w2-p"}]']
    assert "run1.fan(1:1).post" in heard.nodes


async def test_an_empty_fan_out_succeeds_with_an_empty_list(bench: Bench) -> None:
    template = workflow(
        dag(
            "entry",
            task("fan", "work", withItems=[]),
            task("join", dependencies=["fan"], give={"all": "{{tasks.fan.outputs.parameters}}"}),
        ),
        sh("work", "exit 1"),
        sh("join", "echo '{{inputs.parameters.all}}'", params=["all"]),
    )
    result, heard = await bench.run(template)
    assert (result.phase, heard.text) == ("Succeeded", ["[]"])


async def test_steps_run_in_order_with_when_items_and_results(bench: Bench) -> None:
    template = workflow(
        {
            "name": "entry",
            "steps": [
                [task("ask")],
                [
                    task("yes", "say", give={"x": "yes"}, when="{{steps.ask.outputs.result}} == 42"),
                    task("no", "say", give={"x": "no"}, when="{{steps.ask.outputs.result}} != 42"),
                ],
                [task("each", "say", give={"x": "{{item.n}}"}, withItems=[{"n": 1}, {"n": 2}])],
            ],
            "parallelism": 1,
        },
        sh("ask", "echo 42"),
        sh("say", "echo said {{inputs.parameters.x}}", params=["x"]),
    )
    result, heard = await bench.run(template)
    assert result.phase == "Succeeded"
    assert heard.text == ["42", "said yes", "said 1", "said 2"]
    assert heard.nodes["run1[1].no"][-1].phase == "Skipped"


async def test_a_failure_stops_what_depends_on_it_and_names_itself(bench: Bench) -> None:
    template = workflow(
        dag("entry", task("bad"), task("after", dependencies=["bad"])),
        sh("bad", "echo oh no >&2; exit 3"),
        sh("after", "echo never"),
    )
    result, heard = await bench.run(template)
    assert (result.phase, result.message) == ("Failed", "bad: Error (exit code 3)")
    assert heard.lines[0][1:] == ("stderr", "oh no")
    assert heard.nodes["run1.after"][-1].phase == "Omitted"
    assert heard.nodes["run1.bad"][-1].exit_code == 3


async def test_a_handled_failure_does_not_fail_the_dag(bench: Bench) -> None:
    template = workflow(
        dag("entry", task("bad"), task("repair", depends="bad.Failed"), task("end", depends="repair || bad")),
        sh("bad", "exit 1"),
        sh("repair", "echo repaired"),
        sh("end", "echo end"),
    )
    result, heard = await bench.run(template)
    assert (result.phase, heard.text) == ("Succeeded", ["repaired", "end"])


@pytest.mark.parametrize(("code", "status"), [("0", "Succeeded"), ("4", "Failed")])
async def test_the_exit_handler_is_told_how_it_ended(bench: Bench, code: str, status: str) -> None:
    template = workflow(sh("a", f"exit {code}"), sh("bye", "echo it {{workflow.status}}"), onExit="bye")
    result, heard = await bench.run(template)
    assert (result.phase, heard.text) == (status, [f"it {status}"])


async def test_retries_use_the_outputs_of_the_attempt_that_succeeded(bench: Bench) -> None:
    flaky = sh(
        "flaky",
        "echo attempt {{retries}} of {{pod.name}}; echo {{retries}} > /tmp/n; [ {{retries}} = 2 ]",
        outputs=out("n"),
        retryStrategy={"limit": "3", "retryPolicy": "Always", "backoff": {"duration": "2m"}},
    )
    template = workflow(
        dag(
            "entry",
            task("flaky"),
            task("end", dependencies=["flaky"], give={"n": "{{tasks.flaky.outputs.parameters.n}}"}),
        ),
        flaky,
        sh("end", "echo took {{inputs.parameters.n}}", params=["n"]),
    )
    result, heard = await bench.run(template)
    assert result.phase == "Succeeded"
    assert heard.text[-1] == "took 2"
    assert len(set(heard.text[:3])) == 3, "each attempt is a pod with a name of its own"
    assert [heard.nodes[f"run1.flaky({i})"][-1].phase for i in range(3)] == ["Failed", "Failed", "Succeeded"]


async def test_retries_end_at_their_limit(bench: Bench) -> None:
    template = workflow(sh("bad", "exit 7", retryStrategy={"limit": 1, "retryPolicy": "OnFailure"}))
    result, heard = await bench.run(template)
    assert (result.phase, result.message) == ("Failed", "Error (exit code 7)")
    assert set(heard.nodes) == {"run1", "run1(0)", "run1(1)"}


@pytest.mark.parametrize(
    ("template", "parameters", "message"),
    [
        (workflow(sh("a", "echo"), arguments={"parameters": [{"name": "must"}]}), {}, "'must' is mandatory"),
        (workflow(sh("a", "echo")), {"typo": "1"}, "'typo' is bound, but the template does not declare it"),
        (
            workflow(sh("a", "echo {{workflow.parameters.gone}}")),
            {},
            "failed to resolve {{workflow.parameters.gone}}",
        ),
        (
            workflow(sh("a", "cat /tmp/x", takes=[{"name": "data", "path": "/tmp/x"}])),
            {},
            "'data' of 'a' is not bound",
        ),
        (workflow(sh("../a", "echo")), {}, "'../a' is not allowed"),
        (workflow(dag("entry", task("b", "hold")), {"name": "hold", "suspend": {}}), {}, "'hold' is none of"),
        (workflow({"name": "a", "suspend": {}}), {}, "'a' is none of container"),
        (workflow(dag("a", task("b", "missing"))), {}, "'missing', which does not exist"),
    ],
)
async def test_what_cannot_work_is_an_error_before_the_first_pod(
    bench: Bench, template: dict[str, Any], parameters: dict[str, str], message: str
) -> None:
    result, heard = await bench.run(template, parameters=parameters)
    assert result.phase == "Error"
    assert message in result.message
    assert not heard.nodes
    assert not heard.lines


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (dag("entry", task("a", dependencies=["b"]), task("b", "a", dependencies=["a"])), "in a circle"),
        (dag("entry", task("a", depends="ghost.Succeeded")), "'ghost', which does not exist"),
        (dag("entry", task("a", withParam="not json")), "expected a JSON list"),
        (dag("entry", task("a", when="1 >")), "cannot read the expression"),
    ],
)
async def test_a_wrong_graph_is_an_error_with_its_reason(
    bench: Bench, entry: dict[str, Any], message: str
) -> None:
    result, heard = await bench.run(workflow(entry, sh("a", "echo ran")))
    assert result.phase == "Error"
    assert message in result.message
    assert not heard.text
