"""Sentences about executions that are DEAD or do not begin."""

from __future__ import annotations

from typing import Any

import pytest
from run_worlds import run

from aicore_sync.core.explain import Evidence, explain, failing_step
from aicore_sync.core.world import Deployment

DEAD = run("e", "DEAD", message="workflow failed")


def pod(**fields: Any) -> dict[str, Any]:
    return {"podName": "n-1", "containerName": "main", "exitCode": 1, "message": "", "ready": False} | fields


def node(**fields: Any) -> dict[str, Any]:
    return {"id": "n-1", "name": "e.dag.train(0:a)", "type": "Pod", "phase": "Failed", "message": ""} | fields


def told(*pods: dict[str, Any], nodes: tuple[dict[str, Any], ...] = (node(),)) -> str:
    return explain(Evidence(DEAD, {"details": list(pods), "workflowInfo": list(nodes)}))


@pytest.mark.parametrize(
    ("message", "cure"),
    [
        ("Back-off pulling image: ErrImagePull", "imagePullSecrets"),
        ("InvalidImageName", "correct the image"),
        ("OOMKilled (exit code 137)", "more memory"),
        ('secret "x-object-store-secret" not found', "create the secret"),
        ("Pod was active on the node longer than the specified deadline", "timeout"),
        ("0/9 nodes are available: Insufficient nvidia.com/gpu", "no machine"),
        ("An error occurred (NoSuchKey): The specified key does not exist", "path prefix"),
        ("exec: executable file not found in $PATH", "lacks the command"),
        ("failed to resolve {{inputs.parameters.alpha}}", "case counts"),
        ("mkdir /data: Permission denied", "65534"),
    ],
)
def test_known_causes_name_the_step_and_the_cure(message: str, cure: str) -> None:
    sentence = told(pod(message=message))
    assert sentence.startswith("step train(0:a): ")
    assert cure in sentence


@pytest.mark.parametrize(
    ("code", "cure"), [(137, "memory"), (143, "timeout"), (127, "command"), (3, "exit code 3")]
)
def test_exit_codes_speak_where_words_are_missing(code: int, cure: str) -> None:
    assert cure in told(pod(exitCode=code))


def test_what_step_and_run_both_say_is_said_once() -> None:
    assert told(pod(exitCode=0, message="workflow failed")) == "step train(0:a): workflow failed"


def test_a_dead_deployment_is_explained_like_a_run() -> None:
    dead = Deployment("d-1", "c-1", "serve", "scene", "DEAD", message="CrashLoopBackOff")
    words = explain(Evidence(dead, {}, ("loading model", "MemoryError")))
    assert "choose a larger resourcePlan" in words
    assert words.endswith("last lines: loading model | MemoryError")


def test_the_last_lines_of_the_failing_step_follow() -> None:
    log = "one\ntwo\nTraceback\n  File x\nModuleNotFoundError: No module named 'pandas'"
    sentence = told(pod(lastLogMessages="other", exitCode=0, podName="n-0"), pod(lastLogMessages=log))
    assert "add the package to the image" in sentence
    assert sentence.endswith("last lines: Traceback | File x | ModuleNotFoundError: No module named 'pandas'")


def test_keys_with_underscores_are_read_too() -> None:
    details = {
        "details": [
            {"pod_name": "n-1", "container_name": "main", "exit_code": 5, "last_log_messages": "boom"}
        ]
    }
    failure = failing_step(details)
    assert (failure.step, failure.exit_code, failure.log) == ("n-1", 5, ("boom",))


def test_without_details_the_log_and_the_message_speak() -> None:
    assert explain(Evidence(DEAD)) == "workflow failed"
    assert explain(Evidence(DEAD, log=("a", "b"))) == "workflow failed; last lines: a | b"
    assert "AI Core gives no reason" in explain(Evidence(run("e", "DEAD")))


def test_a_stuck_run_names_what_is_missing_before_anything_else() -> None:
    stuck = run("e", "UNKNOWN", message="waiting")
    missing = ("object store secret default", "docker registry secret hub")
    sentence = explain(Evidence(stuck, missing=missing, bindings=("no parameter alpah",)))
    assert "object store secret default, docker registry secret hub" in sentence
    assert "no parameter alpah" in explain(Evidence(stuck, bindings=("no parameter alpah",)))
    assert "resource plan" in explain(Evidence(run("e", "PENDING")))


@pytest.mark.parametrize(
    "details",
    [{}, {"details": None}, {"details": "text"}, {"details": [1, None, {"exitCode": "x"}]}, {"a": {"b": [{"c": []}]}},
     {"workflowInfo": [{"phase": "Failed", "message": None, "name": None}]}, {"details": [{"exitCode": True}]}],
)  # fmt: skip
def test_any_shape_of_details_gives_a_sentence(details: dict[str, Any]) -> None:
    assert explain(Evidence(DEAD, details))


def test_a_sentence_stays_short_whatever_is_in_the_log() -> None:
    assert len(told(pod(message="x" * 9000, lastLogMessages=["y" * 9000] * 90))) < 1000
