"""What the reviews of GitLab and Azure fetch and say, run as they stand in the pipelines, against a small forge."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from ship_objects import DEPLOY

TOKEN = "a-token-that-may-comment"
TOOLS = ("curl", "jq", "unzip")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}, as the runners have them"
)


@dataclass
class Forge:
    """Answers by path; comments as they were sent, each with the path that it was sent to."""

    answers: dict[str, Any]
    comments: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name in names:
            made.writestr(name, "text")
    return file.getvalue()


GITLAB = {
    "/projects/1/merge_requests": [{"iid": 5}, {"iid": 6}, {"iid": 7}],
    "/projects/1/merge_requests/5": {"head_pipeline": {"id": 9, "status": "success", "project_id": 1}},
    "/projects/1/merge_requests/6": {"head_pipeline": {"id": 10, "status": "success", "project_id": 2}},
    "/projects/1/merge_requests/7": {"head_pipeline": None},
    "/projects/1/pipelines/9/jobs": [{"id": 3, "name": "check"}],
    "/projects/1/jobs/3/artifacts": zipped("rendered/flows.json", "rendered/../../outside", "elsewhere"),
    "/user": {"id": 77},
    "/projects/1/merge_requests/5/notes": [
        {"id": 1, "author": {"id": 1}, "body": "### aicore-sync by another"}
    ],
}
OURS = {"id": 50, "author": {"id": 77}, "body": "### aicore-sync", "properties": {"aicore-sync": {}}}
AZURE = {
    "/git/pullrequests": {"value": [{"pullRequestId": 5}, {"pullRequestId": 6}]},
    "/builds": {"value": [{"id": 21}]},
    "/builds/21/artifacts": {"resource": {"downloadUrl": "{url}/zip"}},
    "/zip": zipped("rendered/flows.json", "rendered/../../outside", "elsewhere"),
    "/git/pullRequests/5/threads": {"value": [{"id": 1, "properties": {}}]},
}


@pytest.fixture
def forge(request: pytest.FixtureRequest) -> Iterator[Forge]:
    made = Forge(dict(request.param))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(made))
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


def handler(forge: Forge) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            path = urlsplit(self.path).path
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            known = TOKEN in (self.headers.get("PRIVATE-TOKEN"), self.headers.get("Authorization", "")[7:])
            if self.command != "GET":
                forge.comments.append((f"{self.command} {path}", said(body)))
            answer = forge.answers.get(path) if self.command == "GET" else {}
            self.send_response(401 if not known else 404 if answer is None else 200)
            self.end_headers()
            if not isinstance(answer, bytes):
                answer = json.dumps(answer).replace("{url}", forge.url).encode()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_PATCH = _any  # noqa: N815

        def log_message(self, *args: Any) -> None:
            """Silence."""

    return Handler


def said(body: str) -> str:
    """The text of a comment, of GitLab or of Azure."""
    if not body.startswith("{"):
        return parse_qs(body)["body"][0]
    comment = json.loads(body)
    return str(comment.get("content") or comment["comments"][0]["content"])


def run(script: str, room: Path, **variables: str) -> None:
    environment = {"PATH": os.environ["PATH"], **variables}
    shell = ["bash", "-e", "-c", script]
    subprocess.run(shell, check=True, cwd=room, env=environment, timeout=120)


def gitlab(job: str, forge: Forge, room: Path) -> None:
    lines = yaml.safe_load((DEPLOY / "ci/gitlab/.gitlab-ci.yml").read_text())[job]["script"]
    script = "\n".join(line for line in lines if not line.startswith("apk add"))
    run(script, room, REVIEW_TOKEN=TOKEN, CI_API_V4_URL=forge.url, CI_PROJECT_ID="1")


def azure(step: str, forge: Forge, room: Path) -> None:
    steps = yaml.safe_load((DEPLOY / "ci/azure/review.yml").read_text())["jobs"][0]["steps"]
    (script,) = (s["script"] for s in steps if s.get("displayName") == step)
    values = {"Agent.TempDirectory": str(room), "CHECK_DEFINITION": "3"}
    values |= {"GIT_API": f"{forge.url}/git", "BUILD_API": f"{forge.url}/builds"}
    for name, value in values.items():
        script = script.replace(f"$({name})", value)
    run(script, room, TOKEN=TOKEN)


@pytest.mark.parametrize("forge", [GITLAB], indirect=True)
def test_gitlab_fetches_what_the_newest_check_of_this_project_rendered(forge: Forge, tmp_path: Path) -> None:
    room = tmp_path / "a/b"
    room.mkdir(parents=True)
    gitlab("fetch", forge, room)
    assert (room / "requests/5/rendered/flows.json").is_file()
    assert [path.name for path in (room / "requests").iterdir()] == ["5"]
    assert not list(tmp_path.glob("outside")) + list(tmp_path.glob("a/outside"))


@pytest.mark.parametrize("forge", [GITLAB], indirect=True)
def test_gitlab_says_it_once_and_then_changes_what_it_said(forge: Forge, tmp_path: Path) -> None:
    (tmp_path / "comments").mkdir()
    (tmp_path / "comments/5.md").write_text("### aicore-sync\n\n    a & b\n")
    gitlab("comment", forge, tmp_path)
    forge.answers["/projects/1/merge_requests/5/notes"] = [OURS]
    gitlab("comment", forge, tmp_path)
    notes, text = "/projects/1/merge_requests/5/notes", "### aicore-sync\n\n    a & b\n"
    assert forge.comments == [(f"POST {notes}", text), (f"PUT {notes}/50", text)]


@pytest.mark.parametrize("forge", [AZURE], indirect=True)
def test_azure_fetches_what_the_newest_check_rendered(forge: Forge, tmp_path: Path) -> None:
    room = tmp_path / "a/b"
    room.mkdir(parents=True)
    azure("Fetch what was rendered", forge, room)
    assert all((room / f"requests/{number}/rendered/flows.json").is_file() for number in (5, 6))
    assert not list(tmp_path.glob("outside")) + list(tmp_path.glob("a/outside"))


@pytest.mark.parametrize("forge", [AZURE], indirect=True)
def test_azure_says_it_once_and_then_changes_what_it_said(forge: Forge, tmp_path: Path) -> None:
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests/5.md").write_text("### aicore-sync\n\n    a & b\n")
    azure("Comment", forge, tmp_path)
    forge.answers["/git/pullRequests/5/threads"] = {"value": [OURS]}
    azure("Comment", forge, tmp_path)
    threads, text = "/git/pullRequests/5/threads", "### aicore-sync\n\n    a & b\n"
    assert forge.comments == [(f"POST {threads}", text), (f"PATCH {threads}/50/comments/1", text)]
