"""Processes: isolation, environment, deadlines, and that nothing survives."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from workflow_bench import Bench, Recorder, dag, sh, task, workflow

from aicore_sync.sandbox.workflow import RunOptions
from aicore_sync.sandbox.workflow.isolation import namespaces_work


@pytest.fixture(params=["ns", "shim"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    if request.param == "ns" and not namespaces_work():
        pytest.skip("mount namespaces are forbidden here; the shim is tested")
    return Bench(tmp_path, RunOptions(isolation=request.param, max_backoff=0.0))


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie that nobody has collected yet has ended too)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while not gone(pid):
            await asyncio.sleep(0.01)


async def test_parallel_pods_do_not_see_each_other(bench: Bench) -> None:
    """Both write the same absolute paths, from the shell and from Python, and wait for each other in between."""
    script = (
        "set -e; mkdir -p /mnt/out; ls /tmp/num_splits 2>/dev/null && exit 9; "
        'python -c \'open("/tmp/num_splits", "w").write("{{item}}")\'; echo {{item}} > /mnt/out/task_id; '
        'touch "$MEETING/{{item}}"; '
        'until [ -e "$MEETING/a" ] && [ -e "$MEETING/b" ]; do sleep 0.02; done; '
        "echo $(cat /tmp/num_splits) $(cat /mnt/out/task_id)"
    )
    meeting = bench.workdir / "meeting"
    meeting.mkdir()
    files = {"s": "/tmp/num_splits", "t": "/mnt/out/task_id"}
    outputs = {"parameters": [{"name": name, "valueFrom": {"path": file}} for name, file in files.items()]}
    pod = sh("pod", script.replace("{{item}}", "{{inputs.parameters.x}}"), params=["x"], outputs=outputs)
    end = sh("end", "echo '{{inputs.parameters.all}}'", params=["all"])
    template = workflow(
        dag(
            "entry",
            task("both", "pod", give={"x": "{{item}}"}, withItems=["a", "b"]),
            task("end", dependencies=["both"], give={"all": "{{tasks.both.outputs.parameters}}"}),
        ),
        {**pod, "activeDeadlineSeconds": 20},
        end,
    )
    result, heard = await bench.keeping(meeting).run(template, env={"MEETING": str(meeting)})
    assert result.phase == "Succeeded", heard.text
    assert sorted(heard.text[:2]) == ["a a", "b b"]
    assert heard.text[2] == '[{"s":"a","t":"a"},{"s":"b","t":"b"}]'
    assert not Path("/mnt/out/task_id").exists()
    assert not (bench.workdir / "run1").exists(), "the pods' files are removed at the end"


async def test_paths_that_the_machine_does_not_have_exist_only_in_the_pod(bench: Bench) -> None:
    path = "/aicore-sandbox-test/deep/result"
    outputs = {"parameters": [{"name": "r", "valueFrom": {"path": path}}]}
    write = f'import pathlib; pathlib.Path("{path}").write_text("42")'
    script = f"python -c '{write}'; test -d /etc && test -e /usr/bin/env"
    template = workflow(
        dag(
            "entry",
            task("make"),
            task("show", dependencies=["make"], give={"r": "{{tasks.make.outputs.parameters.r}}"}),
        ),
        sh("make", script, outputs=outputs),
        sh("show", "echo {{inputs.parameters.r}}", params=["r"]),
    )
    result, heard = await bench.run(template)
    assert (result.phase, heard.text) == ("Succeeded", ["42"])
    assert not Path("/aicore-sandbox-test").exists()


async def test_environment(bench: Bench) -> None:
    env: list[dict[str, Any]] = [
        {"name": "BASE", "value": "one"},
        {"name": "BUILT", "value": "$(BASE)-$(FROM_SECRET) costs 5$$"},
        {"name": "ONE_KEY", "valueFrom": {"secretKeyRef": {"name": "creds", "key": "with-dash"}}},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    shown = "$BUILT|$ONE_KEY|$GIVEN|$METAFLOW_SKIP_INSTALL_DEPENDENCIES|${HOSTILE-unset}"
    script = f'echo "{shown}"; echo $(BASE); echo "$POD"'
    template = workflow(sh("a", script, env=env, envFrom=[{"secretRef": {"name": "all"}}]))
    os.environ["HOSTILE"] = "leaked"
    try:
        result, heard = await bench.run(
            template, env={"GIVEN": "g"}, secrets={"creds": {"with-dash": "d$$"}, "all": {"FROM_SECRET": "s"}}
        )
    finally:
        del os.environ["HOSTILE"]
    assert result.phase == "Succeeded"
    assert heard.text[0] == "one-s costs 5$|d$$|g|1|unset"
    assert heard.text[1] == "one"
    assert heard.text[2] == heard.lines[0][0]


async def test_the_sandboxs_python_comes_first_and_has_what_steps_need(bench: Bench) -> None:
    template = workflow(
        sh("a", "python -c 'import boto3, requests, yaml, os; print(os.getcwd() == os.environ[\"HOME\"])'")
    )
    result, heard = await bench.run(template)
    assert (result.phase, heard.text) == ("Succeeded", ["True"])


async def test_a_missing_secret_is_named(bench: Bench) -> None:
    template = workflow(sh("a", "echo ran", envFrom=[{"secretRef": {"name": "absent"}}]))
    result, heard = await bench.run(template)
    assert result.phase == "Error"
    assert "'absent' not found" in result.message
    assert not heard.text


async def test_a_secret_as_files(bench: Bench) -> None:
    volumes = [{"name": "v", "secret": {"secretName": "tls"}}]
    template = workflow(
        sh("a", "cat /aicore-certs/tls.crt", volumeMounts=[{"name": "v", "mountPath": "/aicore-certs"}]),
        volumes=volumes,
    )
    result, heard = await bench.run(template, secrets={"tls": {"tls.crt": "PEM"}})
    assert (result.phase, heard.text) == ("Succeeded", ["PEM"])


async def test_lines_arrive_while_the_step_runs(bench: Bench) -> None:
    door = bench.workdir / "door"
    door.mkdir()
    script = f"echo first; until [ -e {door}/open ]; do sleep 0.02; done; echo second"
    recorder = Recorder(on_line=lambda line: (door / "open").touch() if line == "first" else None)
    template = workflow(sh("a", script, activeDeadlineSeconds=20))
    result, heard = await bench.keeping(door).run(template, recorder)
    assert (result.phase, heard.text) == ("Succeeded", ["first", "second"])


@pytest.mark.parametrize(
    ("where", "text"), [("template", "deadline of 1 s"), ("workflow", "its deadline of 1 s")]
)
async def test_a_deadline_kills_the_whole_group(bench: Bench, where: str, text: str) -> None:
    script = "sleep 300 & echo $!; trap '' TERM; wait"
    pod = sh("a", script, **({"activeDeadlineSeconds": "1"} if where == "template" else {}))
    template = workflow(pod, **({"activeDeadlineSeconds": 1} if where == "workflow" else {}))
    result, heard = await bench.run(template)
    assert result.phase == "Failed"
    assert text in result.message
    assert where == "workflow" or result.nodes[0].exit_code == 137
    await until_gone(int(heard.text[0]))


async def test_cancelling_kills_every_process(bench: Bench) -> None:
    started = asyncio.Event()
    recorder = Recorder(on_line=lambda line: started.set() if len(recorder.lines) == 2 else None)
    template = workflow(
        dag("entry", task("a", "hang"), task("b", "hang")), sh("hang", "sleep 300 & echo $!; exec sleep 300")
    )
    running = asyncio.create_task(bench.run(template, recorder))
    async with asyncio.timeout(20):
        await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    for line in recorder.text:
        await until_gone(int(line))
    assert recorder.nodes["run1.a"][-1].phase == "Failed"
    assert recorder.nodes["run1"][-1].message == "stopped"


async def test_a_command_that_does_not_exist_fails_with_its_name(bench: Bench) -> None:
    template = workflow(
        {"name": "a", "container": {"image": "i", "command": ["no-such-program"], "args": ["x"]}}
    )
    result, heard = await bench.run(template)
    assert (result.phase, result.nodes[0].exit_code) == ("Failed", 127)
    assert "no-such-program" in heard.text[0]


async def test_long_and_odd_lines_survive(bench: Bench) -> None:
    template = workflow(
        sh("a", "head -c 200000 /dev/zero | tr '\\0' x; echo; printf '\\377\\n'; printf 'no newline'")
    )
    result, heard = await bench.run(template)
    assert result.phase == "Succeeded"
    assert "".join(heard.text[:-2]) == "x" * 200000
    assert heard.text[-2:] == ["\N{REPLACEMENT CHARACTER}", "no newline"]


async def test_a_script_template(bench: Bench) -> None:
    script = {
        "name": "a",
        "script": {"image": "i", "command": ["python"], "source": "import os\nprint(1 + 1)\n"},
    }
    result, heard = await bench.run(workflow(script))
    assert (result.phase, heard.text) == ("Succeeded", ["2"])
