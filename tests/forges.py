"""A small forge for tests: it speaks the four APIs that we know, keeps requests, and merges in the bare repository.

with forge_on(repository, "gitlab") as forge:
    …                                   # forge.api_url, forge.token
    forge.merge()
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit

from githosts import git

State = Literal["open", "merged", "closed"]
TOKEN = "forge-T0ken-for-tests"
WORDS = {
    "github": {"open": "open", "merged": "closed", "closed": "closed"},
    "gitlab": {"open": "opened", "merged": "merged", "closed": "closed"},
    "azureDevOps": {"open": "active", "merged": "completed", "closed": "abandoned"},
    "bitbucket": {"open": "OPEN", "merged": "MERGED", "closed": "DECLINED"},
}


@dataclass
class Ticket:
    """One request."""

    number: int
    source: str
    target: str
    title: str
    text: str
    state: State = "open"
    last_head: str = ""


@dataclass
class TestForge:
    """The server's side. `refuse` is the status of every answer while it is set; `calls` are method and path."""

    __test__ = False

    repository: Path
    kind: str
    path: str
    url: str = ""
    tickets: list[Ticket] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    refuse: int = 0

    @property
    def prefix(self) -> str:
        """Where the requests of the repository are."""
        match self.kind:
            case "github":
                return f"/repos/{self.path}/pulls"
            case "gitlab":
                return f"/projects/{quote(self.path, safe='')}/merge_requests"
            case "azureDevOps":
                _, project, _, name = self.path.split("/")
                return f"/{project}/_apis/git/repositories/{name}/pullrequests"
        return f"/repositories/{self.path}/pullrequests"

    def head(self, branch: str) -> str:
        return git(self.repository, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")

    def open_ones(self) -> list[Ticket]:
        return [ticket for ticket in self.tickets if ticket.state == "open"]

    # What people do

    def merge(self, *, delete: bool = False) -> str:
        """Merge the one open request; returns the new head of the target."""
        (ticket,) = self.open_ones()
        source, target = self.head(ticket.source), self.head(ticket.target)
        tree = git(
            self.repository, "merge-tree", "--write-tree", target, source
        )  # fails where there is a conflict
        commit = git(self.repository, "commit-tree", tree, "-p", target, "-p", source, "-m", ticket.title)
        git(self.repository, "update-ref", f"refs/heads/{ticket.target}", commit, target)
        ticket.state, ticket.last_head = "merged", source
        if delete:
            git(self.repository, "update-ref", "-d", f"refs/heads/{ticket.source}")
        return commit

    def close(self) -> None:
        """Close the one open request."""
        (ticket,) = self.open_ones()
        ticket.state, ticket.last_head = "closed", self.head(ticket.source)

    # What the API does

    def answer(self, method: str, target: str, body: dict[str, Any]) -> tuple[int, Any]:
        parts = urlsplit(target)
        rest = parts.path.removeprefix(self.prefix).strip("/")
        assert parts.path.startswith(self.prefix), target
        if method == "GET":
            return 200, self._listed(
                parse_qs(unquote(parts.query) if self.kind == "bitbucket" else parts.query)
            )
        if method == "POST" and not rest:
            return 201, self._opened(body)
        ticket = self.tickets[int(rest.partition("/")[0]) - 1]
        if rest.endswith("/decline") or {"closed", "close", "abandoned"} & set(map(str, body.values())):
            ticket.state, ticket.last_head = "closed", self.head(ticket.source)
        else:
            ticket.title, ticket.text = body["title"], body.get("body", body.get("description", ""))
        return 200, self._shown(ticket)

    def _listed(self, query: dict[str, list[str]]) -> Any:
        wanted = "\n".join(value for values in query.values() for value in values)
        found = [t for t in reversed(self.tickets) if t.source in wanted and t.target in wanted]
        shown = [self._shown(ticket) for ticket in found]
        if self.kind == "azureDevOps":
            return {"value": shown}
        return {"values": shown[:1]} if self.kind == "bitbucket" else shown[:1]

    def _opened(self, body: dict[str, Any]) -> Any:
        source, target = (_branch(body, names) for names in (SOURCES, TARGETS))
        assert self.head(source), "the source branch exists"
        assert self.head(target), "the target branch exists"
        assert not self.open_ones(), "one open request per branch"
        text = body.get("body", body.get("description", ""))
        self.tickets.append(Ticket(len(self.tickets) + 1, source, target, body["title"], text))
        return self._shown(self.tickets[-1])

    def _shown(self, ticket: Ticket) -> Any:
        head = self.head(ticket.source) if ticket.state == "open" else ticket.last_head
        word, url = WORDS[self.kind][ticket.state], f"https://forge.example.com/requests/{ticket.number}"
        common = {"title": ticket.title, "description": ticket.text}
        match self.kind:
            case "github":
                merged = "2026-01-01T00:00:00Z" if ticket.state == "merged" else None
                named = {"number": ticket.number, "html_url": url, "merged_at": merged}
                return {
                    "state": word,
                    "title": ticket.title,
                    "body": ticket.text,
                    "head": {"sha": head},
                } | named
            case "gitlab":
                return common | {"iid": ticket.number, "state": word, "web_url": url, "sha": head}
            case "azureDevOps":
                last = {"lastMergeSourceCommit": {"commitId": head}}
                return common | last | {"pullRequestId": ticket.number, "status": word}
        source = {"commit": {"hash": head[:12]}}
        return common | {
            "id": ticket.number,
            "state": word,
            "links": {"html": {"href": url}},
            "source": source,
        }


SOURCES = ("head", "source_branch", "sourceRefName", "source")
TARGETS = ("base", "target_branch", "targetRefName", "destination")


def _branch(body: dict[str, Any], names: tuple[str, ...]) -> str:
    found = next(body[name] for name in names if name in body)
    name: str = found["branch"]["name"] if isinstance(found, dict) else found
    return name.removeprefix("refs/heads/")


def _handler(forge: TestForge) -> type[BaseHTTPRequestHandler]:
    azure = "Basic " + base64.b64encode(f":{TOKEN}".encode()).decode()
    expected = azure if forge.kind == "azureDevOps" else f"Bearer {TOKEN}"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            forge.calls.append(f"{self.command} {urlsplit(self.path).path}")
            if forge.refuse or self.headers.get("Authorization") != expected:
                self._send(forge.refuse or 401, {"message": "no"})
            else:
                self._send(*forge.answer(self.command, self.path, body or {}))

        def _send(self, status: int, answer: Any) -> None:
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = _any  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Says nothing."""

    return Handler


@contextmanager
def forge_on(repository: Path, kind: str = "gitlab", path: str = "") -> Iterator[TestForge]:
    """A forge for the bare repository, known there as `path`; served on loopback until the block ends."""
    usual = "ml/project/_git/templates" if kind == "azureDevOps" else "ml/templates"
    forge = TestForge(repository, kind, path or usual)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(forge))
    server.daemon_threads = True
    forge.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
