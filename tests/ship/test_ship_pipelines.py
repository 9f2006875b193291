"""The pipelines of `deploy/ci`: the scripts are run, the files around them keep secrets from unreviewed code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ship_objects import DEPLOY, ROOT

CI = DEPLOY / "ci"
SECRETS = re.compile(r"AICORE_SERVICE_KEY|GIT_TOKEN|S3_|secrets\.|credentials\(|withCredentials|_TOKEN")
PIPELINES = [f for f in sorted(CI.rglob("*")) if f.is_file() and f.suffix not in {".sh", ".md"}]


def run(script: str, *arguments: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", CI / script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={"PATH": path, "HOME": str(cwd), "XDG_CACHE_HOME": str(cwd / "cache"), "LANG": "C.UTF-8", **env},
        timeout=120,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    make_source(tmp_path)
    return tmp_path


def make_source(home: Path) -> None:
    """A repository with one template, a module that flows share, and a configuration whose secrets do not exist."""
    config = yaml.safe_load((DEPLOY / "base/config.yaml").read_text())
    config |= {"sources": [{"name": "flows", "directory": "flows"}], "cacheDir": "cache", "stateDir": "state"}
    config["defaults"] = {"environments": ["dev"]}
    del config["render"]
    (home / "aicore-sync.yaml").write_text(yaml.safe_dump(config))
    flow = home / "flows/score"
    flow.mkdir(parents=True)
    for name in ("template.yaml", "aicore.yaml"):
        (flow / name).write_bytes((ROOT / "examples/flows/score-template" / name).read_bytes())
    (home / "flows/shared.py").write_text(
        "from metaflow import FlowSpec\n\nclass Common(FlowSpec):\n    pass\n"
    )


def test_a_change_is_checked_and_rendered_without_secrets(source: Path) -> None:
    done = run("check.sh", "aicore-sync.yaml", "rendered", cwd=source)
    assert done.returncode == 0, done.stdout + done.stderr
    files = {str(f.relative_to(source / "rendered")) for f in (source / "rendered").rglob("*") if f.is_file()}
    assert files == {"flows.json", "dev/wt-score-customers.yaml"}


def test_a_change_that_breaks_a_flow_ends_the_check(source: Path) -> None:
    manifest = source / "flows/score/aicore.yaml"
    manifest.write_text(manifest.read_text().replace("executable:", "executables:"))
    done = run("check.sh", "aicore-sync.yaml", "rendered", cwd=source, LINT_FORM="github")
    assert done.returncode == 2
    assert "::error file=flows/score/aicore.yaml" in done.stdout
    assert not (source / "rendered").exists()


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a check of one template wrote, beside its configuration."""
    home = tmp_path_factory.mktemp("checked")
    make_source(home)
    done = run("check.sh", "aicore-sync.yaml", "rendered", cwd=home)
    assert done.returncode == 0, done.stdout + done.stderr
    return home


@pytest.fixture
def rendered(checked: Path, tmp_path: Path) -> Path:
    """The same, to be spoiled."""
    shutil.copytree(checked, tmp_path, dirs_exist_ok=True)
    return tmp_path / "rendered"


def review(rendered: Path, code: int, **env: str) -> str:
    done = run("review.sh", "aicore-sync.yaml", rendered, cwd=rendered.parent, **env)
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_a_review_without_credentials_says_so_and_runs_nothing(rendered: Path) -> None:
    text = review(rendered, 5)
    assert "What must be mended first:\n\n    score-customers@dev: MissingSecret" in text


def big(rendered: Path) -> None:
    (rendered / "dev/wt-a.yaml").write_text("# " + "x" * 1_048_600)


def link(rendered: Path) -> None:
    (rendered / "dev/wt-a.yaml").symlink_to("/etc/passwd")


def twin(rendered: Path) -> None:
    (rendered / "dev/wt-a.yaml").hardlink_to(rendered / "dev/wt-score-customers.yaml")


def directory(rendered: Path) -> None:
    (rendered / "dev/wt-a.yaml").mkdir()


def crowd(rendered: Path) -> None:
    for number in range(500):
        (rendered / f"dev/wt-a{number}.yaml").touch()


def named(name: str) -> Callable[[Path], None]:
    return lambda rendered: (rendered / "dev" / name).touch()


def text(content: str) -> Callable[[Path], object]:
    return lambda rendered: (rendered / "dev/wt-a.yaml").write_text(content)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link": (link, "no plain file"),
    "a second name": (twin, "two names"),
    "a directory": (directory, "a name that check.sh does not write"),
    "a flow": (named("wt-a.py"), "a name that check.sh does not write"),
    "a configuration": (named("config.yaml"), "a name that check.sh does not write"),
    "an option": (named("-rf"), "a name that check.sh does not write"),
    "a line end": (named("wt-a\n.yaml"), "a name that check.sh does not write"),
    "a big file": (big, "more than 1048576 bytes"),
    "too many files": (crowd, "more than 500 files"),
    "no template": (text("hello: world\n"), "did not pass"),
    "a secret": (text('{"kind": "Secret", "apiVersion": "v1"}\n'), "did not pass"),
    "broken text": (text("kind: WorkflowTemplate\nspec: [\n"), "did not pass"),
}


def no_flows(rendered: Path) -> None:
    (rendered / "flows.json").unlink()


def other_place(rendered: Path) -> None:
    (rendered / "wt-a.yaml").touch()


REFUSED |= {"no flows.json": (no_flows, "flows.json is not there")}
REFUSED |= {"a template outside of a tenant": (other_place, "a name that check.sh does not write")}


QUICK = ("a link", "a secret", "no flows.json")


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case in QUICK else pytest.mark.slow) for case in REFUSED]
)
def test_a_review_refuses_what_no_check_writes(case: str, rendered: Path) -> None:
    change, word = REFUSED[case]
    change(rendered)
    assert word in review(rendered, 2)


def test_a_review_without_an_artifact_is_refused(rendered: Path) -> None:
    shutil.rmtree(rendered)
    assert "there is nothing" in review(rendered, 2)


def test_what_is_refused_cannot_leave_its_place_in_the_comment(rendered: Path) -> None:
    file = rendered / "dev/wt-score-customers.yaml"
    hostile = "@everyone ``` [click](https://evil.example) <script>"
    file.write_text(re.sub(r"entrypoint: .*", f"entrypoint: '{hostile}'", file.read_text()))
    _, _, code = review(rendered, 2).partition("did not pass the checks:\n\n")
    assert "evil" in code
    assert all(line.startswith("    ") for line in code.splitlines())


@pytest.mark.parametrize(("script", "usage"), [("apply", "CONFIG"), ("check", "OUT"), ("review", "RENDERED")])
def test_a_script_without_arguments_says_which_it_wants(script: str, usage: str, tmp_path: Path) -> None:
    done = run(f"{script}.sh", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"usage: {script}.sh CONFIG")
    assert usage in done.stderr


def program(home: Path, plan: int, apply: int) -> str:
    """A PATH with an aicore-sync on it that only says what it was asked for, and ends with these codes."""
    file = home / "bin/aicore-sync"
    file.parent.mkdir()
    file.write_text(f'#!/bin/sh\necho "$@"\ncase $1 in plan) exit {plan} ;; apply) exit {apply} ;; esac\n')
    file.chmod(0o755)
    return f"{file.parent}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("plan", "apply", "code", "asked"),
    [
        (0, 0, 0, ["plan", "apply"]),
        (1, 3, 3, ["plan", "apply"]),
        (2, 4, 4, ["plan", "apply"]),
        (5, 4, 5, ["plan", "apply"]),  # one of several tenants has no credentials
        (130, 0, 130, ["plan"]),
    ],
)
def test_what_applying_comes_to(plan: int, apply: int, code: int, asked: list[str], tmp_path: Path) -> None:
    done = run("apply.sh", "c.yaml", "7", cwd=tmp_path, PATH=program(tmp_path, plan, apply))
    assert done.returncode == code
    wanted = {"plan": "plan --config c.yaml", "apply": "apply --wait --config c.yaml --timeout 7"}
    assert done.stdout.splitlines() == [wanted[word] for word in asked]


def test_applying_without_credentials_says_so(source: Path) -> None:
    done = run("apply.sh", "aicore-sync.yaml", "5", cwd=source)
    assert done.returncode == 5, done.stdout + done.stderr  # the secrets of this configuration do not exist


def test_applying_asks_the_service_where_one_is_named(source: Path) -> None:
    named = {"AICORE_SYNC_URL": "http://127.0.0.1:9", "AICORE_SYNC_TOKEN": "t"}
    done = run("apply.sh", "aicore-sync.yaml", "5", cwd=source, **named)
    assert done.returncode == 2
    assert "ServiceUnreachable" in done.stderr


def test_a_service_without_a_token_is_not_asked(tmp_path: Path) -> None:
    done = run("apply.sh", "c.yaml", cwd=tmp_path, AICORE_SYNC_URL="http://127.0.0.1:9")
    assert done.returncode == 5
    assert "AICORE_SYNC_TOKEN is empty" in done.stderr


def steps(node: Any) -> Iterator[str]:
    """Every piece of shell in a pipeline."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("run", "script", "bash") and isinstance(value, str):
                yield value
            elif key == "script" and isinstance(value, list):
                yield "\n".join(value)
            else:
                yield from steps(value)
    elif isinstance(node, list):
        for value in node:
            yield from steps(value)


def scripts(file: Path) -> list[str]:
    if file.suffix in (".yaml", ".yml"):
        return list(steps(yaml.safe_load(file.read_text())))
    return re.findall(r"'''(.*?)'''", file.read_text(), re.DOTALL)


@pytest.mark.parametrize("file", PIPELINES, ids=lambda f: str(f.relative_to(CI)))
def test_the_shell_of_a_pipeline_is_well_formed(file: Path) -> None:
    found = scripts(file)
    assert found
    for script in found:
        done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    called = {name for script in found for name in re.findall(r"\bci/(\w+\.sh)", script)}
    assert called
    assert all((CI / name).stat().st_mode & 0o111 for name in called)


@pytest.mark.parametrize("file", PIPELINES, ids=lambda f: str(f.relative_to(CI)))
def test_code_of_a_change_never_runs_beside_a_secret(file: Path) -> None:
    assert "pull_request_target" not in file.read_text()
    for script in scripts(file):
        if "check.sh" in script:
            assert not SECRETS.search(script), script
            assert "review.sh" not in script
        if "check.sh" in script and "docker run" in script:
            assert "--network none" in script
        for container in re.findall(r"docker run.*?\.sh", script, re.DOTALL):
            assert all(word in container for word in ("--read-only", "--cap-drop ALL", "no-new-privileges"))


def test_the_check_of_github_has_no_secret_and_no_right_to_write() -> None:
    text = (CI / "github/check.yaml").read_text()
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    assert not SECRETS.search(text)
    assert "github.event.pull_request.title" not in text


@pytest.mark.parametrize("file", ["github/review.yaml", "azure/review.yml", "jenkins/review.Jenkinsfile"])
def test_a_review_checks_out_nothing_of_the_change(file: str) -> None:
    text = (CI / file).read_text()
    assert not re.search(r"head_(ref|branch)|ref: .*refs/pull|git (checkout|fetch)", text)
    assert "check.sh" not in text


def test_the_check_of_jenkins_and_azure_finds_no_secret() -> None:
    for name in ("jenkins/Jenkinsfile", "azure/check.yml"):
        assert not SECRETS.search((CI / name).read_text()), name


def test_azure_starts_no_review_by_the_end_of_a_check() -> None:
    """Azure runs what is started so as the branch of the check has it."""
    review = yaml.safe_load((CI / "azure/review.yml").read_text())
    assert "resources" not in review
    assert (review["trigger"], review["pr"]) == ("none", "none")
    assert [s["branches"]["include"] for s in review["schedules"]] == [["main"]]


APPLIES = ["github/apply.yaml", "azure/apply.yml", "jenkins/apply.Jenkinsfile"]


@pytest.mark.parametrize("file", APPLIES)
def test_everything_that_an_apply_reads_reaches_it(file: str) -> None:
    read = set(re.findall(r"AICORE_SYNC_[A-Z]+", (CI / "apply.sh").read_text()))
    read |= {"AICORE_SERVICE_KEY", "GIT_TOKEN", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"}
    (script,) = (s for s in scripts(CI / file) if "apply.sh" in s)
    assert {f"--env {name}" for name in read} <= set(re.findall(r"--env \w+", script))


def test_gitlab_gives_each_job_one_occasion() -> None:
    jobs = {
        k: v for k, v in yaml.safe_load((CI / "gitlab/.gitlab-ci.yml").read_text()).items() if "rules" in v
    }
    occasions = {name: [rule["if"] for rule in job["rules"]] for name, job in jobs.items()}
    assert occasions.pop("check") == ['$CI_PIPELINE_SOURCE == "merge_request_event"']
    assert occasions.pop("apply") == ['$CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == "main"']
    assert set(map(tuple, occasions.values())) == {
        ('$CI_PIPELINE_SOURCE == "schedule" && $CI_COMMIT_BRANCH == "main"',)
    }
