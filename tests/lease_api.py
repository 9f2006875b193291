"""A small Kubernetes API server for Leases, over real HTTP, in a thread of its own.

It does what the documentation promises and no more: GET, PUT with compare-and-swap on `resourceVersion`, watches of one
name that end in time, RBAC by name and verb, times with six digits. Each client has a token of its own, so one of them
can be cut off while the others go on. With `tls` it speaks HTTPS.

    with lease_api(tmp_path, "shard-0") as api:
        environment = api.environment("replica-a")
        api.cut_off("replica-a")
"""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

NAMESPACE = "team"
PATH = re.compile(rf"/apis/coordination\.k8s\.io/v1/namespaces/{NAMESPACE}/leases(?:/(?P<name>[a-z0-9.-]+))?")
MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Write:
    """An accepted write: when (seconds of a monotonic clock), by which client, and what the Lease became."""

    at: float
    client: str
    lease: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.lease["metadata"]["name"])

    @property
    def holder(self) -> str:
        return str(self.lease["spec"].get("holderIdentity") or "")

    @property
    def term(self) -> int:
        return int(self.lease["spec"].get("leaseTransitions") or 0)


@dataclass
class LeaseApi:
    """The server's state, and what a test may do to it."""

    room: Path
    port: int = 0
    leases: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    requests: list[tuple[str, str, str]] = field(default_factory=list)  # client, method, path
    forgotten: int = 0  # resource versions up to this one are too old to watch from
    gone_by_event: bool = False  # that is told by an event of the watch, not by its status
    version: int = 100
    news: threading.Condition = field(default_factory=threading.Condition)
    silent: set[str] = field(default_factory=set)  # clients that get no answer, neither now nor later
    revoked: set[str] = field(default_factory=set)  # tokens that count no more
    failing: int = 0  # status that everybody gets
    closing: bool = False

    def create(self, name: str) -> None:
        """As the chart does: without holder and times."""
        with self.news:
            self.version += 1
            metadata = {
                "name": name,
                "namespace": NAMESPACE,
                "uid": f"uid-{name}-{self.version}",
                "labels": {"app": "x"},
            }
            self.leases[name] = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": metadata
                | {"resourceVersion": str(self.version), "creationTimestamp": "2026-01-01T00:00:00Z"},
            }
            self.news.notify_all()

    def delete(self, name: str) -> None:
        with self.news:
            self.version += 1
            lease = self.leases.pop(name)
            self.events.append((self.version, "DELETED", lease))
            self.news.notify_all()

    def empty(self, name: str) -> None:
        """As `kubectl replace` with the manifest of the chart does: holder, times and terms are gone."""
        with self.news:
            self.version += 1
            old = self.leases[name]
            metadata = old["metadata"] | {"resourceVersion": str(self.version)}
            metadata.pop("annotations", None)
            self.leases[name] = {key: old[key] for key in ("apiVersion", "kind")} | {"metadata": metadata}
            self.events.append((self.version, "MODIFIED", self.leases[name]))
            self.news.notify_all()

    def cut_off(self, *clients: str) -> None:
        """From now on these get no answers, not even to what they have asked already."""
        with self.news:
            self.silent |= set(clients)
            self.news.notify_all()

    def mend(self) -> None:
        """Everything works again."""
        with self.news:
            self.silent.clear()
            self.failing = 0
            self.news.notify_all()

    def environment(self, client: str) -> dict[str, str]:
        """Variables for a process that is to be `client`."""
        path = self.room / f"kubeconfig-{client}"
        server = {"server": f"http://127.0.0.1:{self.port}"}
        context = {"cluster": "c", "user": "u", "namespace": NAMESPACE}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "x",
            "clusters": [{"name": "c", "cluster": server}],
            "users": [{"name": "u", "user": {"token": client}}],
            "contexts": [{"name": "x", "context": context}],
        }
        path.write_text(yaml.safe_dump(config))
        return {"KUBECONFIG": str(path)}

    def holder(self, name: str) -> str:
        with self.news:
            return str((self.leases[name].get("spec") or {}).get("holderIdentity") or "")

    def takings(self, name: str) -> list[Write]:
        """The writes that began a term, in order."""
        found: dict[int, Write] = {}
        for write in self.writes:
            if write.name == name and write.holder:
                found.setdefault(write.term, write)
        return list(found.values())


class Refused(Exception):
    """An answer other than success."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.body = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    api: LeaseApi
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("get")

    def do_PUT(self) -> None:
        self._answer("update")

    def do_POST(self) -> None:
        self._answer("create")

    def do_DELETE(self) -> None:
        self._answer("delete")

    def do_PATCH(self) -> None:
        self._answer("patch")

    def _answer(self, verb: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        client = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.api.requests.append((client, self.command, self.path))
        try:
            self._hang(client)
            self._dispatch(verb, client, body)
        except Refused as refused:
            self._send(refused.code, refused.body)

    def _hang(self, client: str) -> None:
        """A client that is cut off: its request never arrives."""
        with self.api.news:
            if client in self.api.silent:
                self.close_connection = True
                self.api.news.wait_for(lambda: client not in self.api.silent or self.api.closing)
                raise Refused(503, "ServiceUnavailable", "the request was lost")

    def _dispatch(self, verb: str, client: str, body: bytes) -> None:
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        found = PATH.fullmatch(url.path)
        if self.api.failing:
            raise Refused(self.api.failing, "InternalError", "ordered")
        if not client or client in self.api.revoked:
            raise Refused(401, "Unauthorized", "Unauthorized")
        if not found:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        name = found["name"]
        if query.get("watch") == "true":
            field_, _, name = query.get("fieldSelector", "").partition("=")
            verb = "watch" if field_ == "metadata.name" else "watch of all"
        if verb not in ("get", "update", "watch") or not name:
            raise Refused(403, "Forbidden", f'leases "{name}" is forbidden: cannot {verb}')
        if verb == "watch":
            self._watch(client, name, query)
        else:
            self._send(
                200, self._read(name) if verb == "get" else self._write(name, client, json.loads(body))
            )

    def _read(self, name: str) -> dict[str, Any]:
        with self.api.news:
            if name not in self.api.leases:
                raise Refused(404, "NotFound", f'leases.coordination.k8s.io "{name}" not found')
            return self.api.leases[name]

    def _write(self, name: str, client: str, wanted: dict[str, Any]) -> dict[str, Any]:
        api, spec, metadata = self.api, wanted.get("spec") or {}, wanted["metadata"]
        for time_ in ("acquireTime", "renewTime"):
            if spec.get(time_) is not None and not MICRO_TIME.fullmatch(spec[time_]):
                raise Refused(
                    400, "BadRequest", f"parsing time {spec[time_]!r}: wants six digits behind the dot"
                )
        if spec.get("leaseDurationSeconds") is not None and not isinstance(spec["leaseDurationSeconds"], int):
            raise Refused(400, "BadRequest", "leaseDurationSeconds must be an integer")
        if (spec.get("leaseDurationSeconds") or 1) <= 0 or (spec.get("leaseTransitions") or 0) < 0:
            raise Refused(422, "Invalid", "spec: must be greater than 0")
        with api.news:
            if client in api.silent:
                raise Refused(503, "ServiceUnavailable", "the request was lost")
            there = self._read(name)["metadata"]
            if metadata.get("resourceVersion") not in (None, "", there["resourceVersion"]):
                raise Refused(
                    409, "Conflict", f'Operation cannot be fulfilled on leases "{name}": it has been modified'
                )
            if metadata.get("uid") not in (None, "", there["uid"]):
                raise Refused(409, "Conflict", "Precondition failed: UID in precondition")
            api.version += 1
            fixed = {key: there[key] for key in ("uid", "creationTimestamp")}
            lease = wanted | {"metadata": metadata | fixed | {"resourceVersion": str(api.version)}}
            api.leases[name] = lease
            api.events.append((api.version, "MODIFIED", lease))
            api.writes.append(Write(time.monotonic(), client, lease))
            api.news.notify_all()
            return lease

    def _watch(self, client: str, name: str, query: dict[str, str]) -> None:
        since, ends = (
            int(query.get("resourceVersion") or 0),
            time.monotonic() + float(query.get("timeoutSeconds", "60")),
        )
        gone = Refused(410, "Expired", "too old resource version") if since < self.api.forgotten else None
        if gone and not self.api.gone_by_event:
            raise gone
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with suppress(OSError):
            if gone:
                self._event("ERROR", gone.body)
            while not gone and (events := self._events(client, name, since, ends)) is not None:
                for version, kind, lease in events:
                    self._event(kind, lease)
                    since = version
            self.wfile.write(b"0\r\n\r\n")

    def _event(self, kind: str, body: dict[str, Any]) -> None:
        line = json.dumps({"type": kind, "object": body}).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))

    def _events(
        self, client: str, name: str, since: int, ends: float
    ) -> list[tuple[int, str, dict[str, Any]]] | None:
        api = self.api

        def news() -> list[tuple[int, str, dict[str, Any]]]:
            return [
                event for event in api.events if event[0] > since and event[2]["metadata"]["name"] == name
            ]

        with api.news:
            while not api.closing:
                left = ends - time.monotonic()
                if client in api.silent:
                    api.news.wait()  # cut off: not even the end of the watch arrives
                elif found := news():
                    return found
                elif left <= 0:
                    return None
                else:
                    api.news.wait(left)
            return None

    def _send(self, code: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        with suppress(OSError):
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Silence: the log of requests is in `LeaseApi`."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed leave broken connections."""


@contextmanager
def lease_api(room: Path, *names: str, tls: ssl.SSLContext | None = None) -> Iterator[LeaseApi]:
    """A server with these Leases; it ends with the block."""
    api = LeaseApi(room)
    server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"api": api}))
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    api.port = server.server_address[1]
    for name in names:
        api.create(name)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        with api.news:
            api.closing = True
            api.news.notify_all()
        server.shutdown()
        server.server_close()
        thread.join()
