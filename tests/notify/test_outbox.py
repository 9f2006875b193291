"""Notes to a real receiver over HTTP, and to one that is not there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from structlog.testing import capture_logs

from aicore_sync.core.model import FlowKey
from aicore_sync.notify import AppriseSender, Message, Note, NoteKind, Outbox, OutboxOptions, unusable

KEY = FlowKey("train", "dev")
DEADLINE = 30.0


def note(title: str = "train/dev needs attention") -> Note:
    return Note(FlowKey(title.partition("/")[0], "dev"), NoteKind.ATTENTION, title, "it is broken")


class Receiver:
    """An HTTP server that keeps the JSON that it is sent; it refuses the first `refuse` requests."""

    def __init__(self, refuse: int = 0) -> None:
        self.refuse = refuse
        self.requests = 0
        self.bodies: list[dict[str, str]] = []
        self.news = asyncio.Event()
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.splitlines()
            if line.lower().startswith(b"content-length")
        )
        body = json.loads(await reader.readexactly(length))
        self.requests += 1
        well = self.requests > self.refuse
        if well:
            self.bodies.append(body)
        status = b"200 OK" if well else b"503 Service Unavailable"
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        self.news.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Receiver]:
        server = await asyncio.start_server(self.answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def has(self, count: int) -> None:
        async with asyncio.timeout(DEADLINE):
            while len(self.bodies) < count:
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def delivering(outbox: Outbox) -> AsyncIterator[None]:
    task = asyncio.create_task(outbox.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def sender(receiver: Receiver) -> AppriseSender:
    return AppriseSender(lambda: f"json://user:s3cret@127.0.0.1:{receiver.port}/hook")


async def test_notes_of_a_moment_arrive_as_one_message_with_links() -> None:
    async with Receiver().running() as receiver:
        options = OutboxOptions(group=0.2, link=lambda key: f"https://sync.test/flows/{key}")
        outbox = Outbox("chat", sender(receiver), options)
        async with delivering(outbox):
            outbox.put(note())
            outbox.put(note("score/dev needs attention"))
            await receiver.has(1)
        (body,) = receiver.bodies
    assert body["title"] == "2 need attention"
    assert "train/dev needs attention: it is broken https://sync.test/flows/train/dev" in body["message"]
    assert body["type"] == "warning"


async def test_a_receiver_that_is_down_gets_it_later_and_nothing_waits_for_it() -> None:
    results: list[tuple[str, str]] = []
    async with Receiver(refuse=2).running() as receiver:
        options = OutboxOptions(
            0, (0.01, 0.01, 0.01), sent=lambda route, result: results.append((route, result))
        )
        outbox = Outbox("chat", sender(receiver), options)
        async with delivering(outbox):
            outbox.put(note())
            await receiver.has(1)
            outbox.put(note("score/dev needs attention"))
            await receiver.has(2)
        assert receiver.requests == 4
    assert results[0] == ("chat", "ok")


async def test_what_comes_while_a_receiver_is_down_goes_along() -> None:
    tries: list[str] = []

    class Down:
        async def send(self, message: Message) -> str:
            tries.append(message.title)
            if len(tries) < 3:
                outbox.put(note(f"flow-{len(tries)}/dev needs attention"))
                return "503"
            arrived.set()
            return ""

    arrived = asyncio.Event()
    outbox = Outbox("chat", Down(), OutboxOptions(0, (0.0,) * 5))
    async with delivering(outbox):
        outbox.put(note())
        async with asyncio.timeout(DEADLINE):
            await arrived.wait()
        await asyncio.sleep(0.01)
    assert tries == ["train/dev needs attention", "2 need attention", "3 need attention"], "and each once"


def test_a_receiver_is_tried_for_an_hour() -> None:
    assert 3600 <= sum(OutboxOptions().retries) < 4000


async def test_what_cannot_be_delivered_is_logged_without_the_address() -> None:
    done = asyncio.Event()
    outcome: list[str] = []

    def sent(route: str, result: str) -> None:
        outcome.append(result)
        done.set()

    nobody = AppriseSender(lambda: "json://user:s3cret@127.0.0.1:9/hook")
    outbox = Outbox("chat", nobody, OutboxOptions(0, (), sent=sent))
    with capture_logs() as logs:
        async with delivering(outbox):
            outbox.put(note())
            async with asyncio.timeout(DEADLINE):
                await done.wait()
    assert outcome == ["failed"]
    assert [line["event"] for line in logs] == ["note_not_sent"]
    assert "s3cret" not in repr(logs)


async def test_what_waits_at_the_stop_is_sent_once_more() -> None:
    async with Receiver().running() as receiver:
        outbox = Outbox("chat", sender(receiver), OutboxOptions(group=3600))
        async with delivering(outbox):
            outbox.put(note())
            await asyncio.sleep(0)
        await outbox.drain(DEADLINE)
        await receiver.has(1)


async def test_a_flood_drops_the_oldest() -> None:
    messages: list[Message] = []

    class Kept:
        async def send(self, message: Message) -> str:
            messages.append(message)
            return ""

    outbox = Outbox("chat", Kept(), OutboxOptions(most=2))
    for name in ("a", "b", "c"):
        outbox.put(note(f"{name}/dev needs attention"))
    await outbox.drain(DEADLINE)
    assert "a/dev" not in messages[0].body
    assert messages[0].title == "2 need attention"


def test_addresses_are_judged_without_being_told() -> None:
    assert unusable("json://localhost") == ""
    for address in ("nonsense-s3cret", "carrier-pigeon://s3cret"):
        assert unusable(address)
        assert "s3cret" not in unusable(address)
