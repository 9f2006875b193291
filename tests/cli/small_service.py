"""What may listen where a service is expected: answers by path, and what it was asked with."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answers = dict[str, Callable[[BaseHTTPRequestHandler], None]]
OWNER = "team"


class SmallService:
    """`answers` by path without query; everything else is 404. `asked`: path with query, and its headers."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.url = ""

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    @property
    def tokens(self) -> list[str]:
        """What came as authorization, in turn; "" where nothing did."""
        return [headers.get("Authorization", "") for _, headers in self.asked]


def json_answer(body: Any, code: int = 200) -> Callable[[BaseHTTPRequestHandler], None]:
    return answer(json.dumps(body).encode(), "application/json", code)


def answer(
    body: bytes, kind: str, code: int = 200, **headers: str
) -> Callable[[BaseHTTPRequestHandler], None]:
    def send(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    return send


def broken_stream(body: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """A text that ends before its end, as when the service stops."""

    def send(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "text/plain")
        request.send_header("Content-Length", str(len(body) + 1))
        request.end_headers()
        request.wfile.write(body)
        request.close_connection = True

    return send


def in_turn(*answers: Callable[[BaseHTTPRequestHandler], None]) -> Callable[[BaseHTTPRequestHandler], None]:
    """One after the other; the last stays."""
    left = list(answers)

    def send(request: BaseHTTPRequestHandler) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(request)

    return send


@contextmanager
def small_service(answers: Answers) -> Iterator[SmallService]:
    """Listens while the block lasts; says that it is OWNER's unless `answers` say otherwise."""
    made = SmallService({"/api/v1/info": json_answer({"owner": OWNER, "version": "0"})} | answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append((self.path, dict(self.headers)))
            send = made.answers.get(self.path.partition("?")[0])
            (send or json_answer({}, 404))(self)

        do_POST = do_GET  # noqa: N815  the name that http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the base calls it
            """stderr is the command's."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
