"""Seats over real HTTP: one holder at a time, taken over no earlier than allowed, through conflicts and outages."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lease_api import LeaseApi, Write, lease_api

from aicore_sync.app.share import boot_clock
from aicore_sync.core.errors import Stalled, Transient
from aicore_sync.core.seats import Sign
from aicore_sync.lease import Clocks, KubernetesLeases, SeatOptions, Seats, in_kubernetes, kubernetes

SHORT = SeatOptions(seats=("shard-0",), me="", duration=2.0, renew_deadline=1.5, retry=0.2)
LONG = replace(SHORT, duration=40.0, renew_deadline=30.0)
DEADLINE = 60.0


@dataclass(frozen=True)
class Skew:
    """How a machine's clocks are wrong: seconds of the running one, and the time of day."""

    rate: float = 1.0
    ahead: timedelta = timedelta(0)


RIGHT = Skew()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[LeaseApi]:
    with lease_api(tmp_path, "shard-0", "shard-1", "shard-2") as running:
        yield running


@asynccontextmanager
async def leases_of(
    api: LeaseApi, client: str, timeout: float = 0.5, ahead: timedelta = timedelta(0)
) -> AsyncIterator[KubernetesLeases]:
    """The API as that client sees it, whose wall clock is so much `ahead`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", api.environment(client)["KUBECONFIG"])
        opened = in_kubernetes(None, timeout, lambda: datetime.now(UTC) + ahead)
        async with opened:
            patch.undo()
            yield opened


@asynccontextmanager
async def replica(
    api: LeaseApi, client: str, options: SeatOptions = SHORT, clock: Skew = RIGHT
) -> AsyncIterator[Seats]:
    """Seats as one process has them; the block's end is a crash."""
    async with leases_of(api, client, ahead=clock.ahead) as leases:
        options = replace(options, me=client, address=f"http://{client}")
        seats = Seats(leases, options, Clocks(lambda: boot_clock() * clock.rate, random.Random(client)))
        running = asyncio.create_task(seats.run())
        try:
            yield seats
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running  # what killed it before is raised here


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not true():
            await asyncio.sleep(0.02)


def nobody_was_too_early(api: LeaseApi) -> None:
    """Who takes a Lease from another, or clears it, does so its whole duration after the other's last sign of life."""
    alive: Write | None = None
    for write in api.writes:
        if alive and write.holder != alive.holder and write.client != alive.client:
            assert write.at - alive.at >= SHORT.duration
        if write.holder in ("", write.client):
            alive = write if write.holder else None


async def test_one_holds_the_lease_and_gives_it_to_the_next(api: LeaseApi) -> None:
    async with replica(api, "one", LONG) as one:
        await until(lambda: one.mine)
        assert one.mine == "shard-0"
        assert 0 < one.left() <= 30
        async with replica(api, "two", LONG) as two:
            await until(two.holders)
            first = one.term
            assert (two.mine, two.term, two.left(), two.over(first)) == (None, "", 0.0, False)
            assert two.holders()["shard-0"].address == "http://one"
            await one.release()
            assert one.term == ""
            await until(lambda: two.mine)
            assert two.over(first)
            assert two.term != first
    lease = api.leases["shard-0"]
    assert lease["metadata"]["labels"] == {"app": "x"}, "what is not ours stays"
    assert {verb for _, verb, _ in api.requests} == {"GET", "PUT"}


async def test_who_is_cut_off_stops_before_the_next_one_begins(api: LeaseApi) -> None:
    async with replica(api, "one") as one, replica(api, "two") as two:
        await until(lambda: one.mine or two.mine)
        holder, other = (one, two) if one.mine else (two, one)
        name = "one" if holder is one else "two"
        api.cut_off(name)
        await until(lambda: other.mine)
        assert (holder.mine, holder.term, holder.left()) == (None, "", 0.0)
        api.mend()
        await until(lambda: holder.holders().get("shard-0"))
    nobody_was_too_early(api)


@pytest.mark.parametrize(
    "clock", [Skew(ahead=timedelta(hours=2)), Skew(ahead=timedelta(hours=-2)), Skew(rate=0.85)]
)
async def test_clocks_that_are_wrong_make_nobody_write_too_long(api: LeaseApi, clock: Skew) -> None:
    async with replica(api, "one", clock=clock) as one:
        await until(lambda: one.mine)
        async with replica(api, "two") as two:
            await until(two.holders)
            renewals = len(api.writes)
            await until(lambda: len(api.writes) > renewals + 2)
            api.cut_off("one")
            await until(lambda: two.mine)
            assert one.left() == 0.0
    nobody_was_too_early(api)


async def test_of_many_that_want_a_lease_each_term_has_one(api: LeaseApi) -> None:
    names = [f"replica-{number}" for number in range(6)]
    options = replace(SHORT, seats=("shard-0", "shard-1", "shard-2"))
    async with (
        replica(api, names[0], options) as a,
        replica(api, names[1], options) as b,
        replica(api, names[2], options) as c,
        replica(api, names[3], options) as d,
        replica(api, names[4], options) as e,
        replica(api, names[5], options) as f,
    ):
        everybody = (a, b, c, d, e, f)
        await until(
            lambda: sorted(filter(None, (r.mine for r in everybody))) == ["shard-0", "shard-1", "shard-2"]
        )
        await next(r for r in everybody if r.mine == "shard-1").release()
        await until(
            lambda: sorted(filter(None, (r.mine for r in everybody))) == ["shard-0", "shard-1", "shard-2"]
        )
    for seat in options.seats:
        holders: dict[int, set[str]] = {}
        for write in api.writes:
            if write.name == seat and write.holder:
                holders.setdefault(write.term, set()).add(write.holder)
        assert all(len(who) == 1 for who in holders.values()), holders


async def test_a_dead_seat_is_cleared_by_those_who_have_one(api: LeaseApi) -> None:
    options = replace(SHORT, seats=("shard-0", "shard-1"))
    async with replica(api, "one", options) as one:
        await until(lambda: one.mine)
        async with replica(api, "two", options) as two:
            await until(lambda: two.mine)
            mine, dead = one.mine, two.mine
            await until(lambda: set(one.holders()) == {mine, dead})
        assert dead
        await until(lambda: api.holder(dead or "") == "")
        await until(lambda: one.counted() == {mine})


async def test_an_outage_that_ends_in_time_costs_nothing_and_a_long_one_a_term(api: LeaseApi) -> None:
    async with replica(api, "one", replace(LONG, retry=0.1)) as one:
        await until(lambda: one.mine)
        term, asked = one.term, len(api.requests)
        api.failing = 503
        await until(lambda: len(api.requests) > asked + 3)
        api.mend()
        before = len(api.writes)
        await until(lambda: len(api.writes) > before)
        assert one.term == term
    async with replica(api, "one") as again:
        await until(lambda: again.mine)
        term = again.term
        api.failing = 500
        await until(lambda: not again.mine)
        assert again.term == ""
        api.mend()
        await until(lambda: again.mine)
        assert again.term != term
        assert again.over(term)


async def test_a_process_finds_its_own_name_again_and_need_not_wait(api: LeaseApi) -> None:
    long = replace(SHORT, duration=600.0, renew_deadline=500.0, retry=100.0)
    async with replica(api, "one", long) as before:
        await until(lambda: before.mine)
        term = before.term
    async with replica(api, "one", long) as after:
        await until(lambda: after.mine)
        assert after.over(term)


@pytest.mark.parametrize("by_event", [False, True])
async def test_watches_that_end_or_are_too_old_are_begun_anew(
    api: LeaseApi, monkeypatch: pytest.MonkeyPatch, by_event: bool
) -> None:
    monkeypatch.setattr(kubernetes, "WATCH", 1)
    api.gone_by_event = by_event
    async with replica(api, "one") as one, replica(api, "two", replace(SHORT, duration=600.0)) as two:
        await until(lambda: one.mine or two.mine)
        watches = len([path for _, _, path in api.requests if "watch=true" in path])
        await until(lambda: len([path for _, _, path in api.requests if "watch=true" in path]) > watches + 4)
        api.forgotten = api.version + 10
        holder, other = (one, two) if one.mine else (two, one)
        await holder.release()
        await until(lambda: other.mine)


async def test_a_missing_lease_is_waited_for(api: LeaseApi) -> None:
    async with replica(api, "one", replace(SHORT, seats=("shard-7",))) as one:
        await until(lambda: any("shard-7" in path for _, _, path in api.requests))
        assert one.mine is None
        api.create("shard-7")
        await until(lambda: one.mine)
        term = one.term
        api.delete("shard-7")
        await until(lambda: not one.mine)
        api.create("shard-7")
        await until(lambda: one.mine)
        assert one.term != term
        await until(lambda: one.over(term))


async def test_a_lease_that_somebody_emptied_is_taken_anew(api: LeaseApi) -> None:
    api.leases["shard-0"]["spec"] = {"leaseTransitions": 7}
    async with replica(api, "one") as one, replica(api, "two") as two:
        await until(lambda: one.mine or two.mine)
        await until(lambda: one.holders() and two.holders())
        term = one.term or two.term
        api.empty("shard-0")
        await until(lambda: bool(one.mine) != bool(two.mine) and term not in (one.term, two.term))
        assert not one.over(term), "a lock in git that names it is left alone until it expires"


async def test_a_nudge_reaches_the_holder_and_keeps_nobody_alive(api: LeaseApi) -> None:
    told: list[str] = []
    async with replica(api, "one", LONG) as one:
        one.nudged = lambda: told.append("one")
        await until(lambda: one.mine)
        async with replica(api, "two", LONG) as two:
            two.nudged = lambda: told.append("two")
            await until(two.holders)
            await two.nudge()
            await until(lambda: told)
            term = one.term
            written = len(api.writes)
            await until(lambda: len(api.writes) > written + 1)  # the holder goes on renewing
            assert one.term == term
            last = [write for write in api.writes if write.client == "two"][-1].lease["spec"]
            before = [
                write for write in api.writes if write.lease["spec"].get("renewTime") == last["renewTime"]
            ]
            assert before[0].client == "one", "the time of the last renewal stays"
    assert set(told) == {"one"}


@pytest.mark.parametrize(
    ("break_it", "kind", "reason", "words"),
    [
        (lambda api: api.delete("shard-0"), Stalled, "LeaseMissing", "create it"),
        (lambda api: setattr(api, "failing", 403), Stalled, "LeaseForbidden", "Role"),
        (lambda api: setattr(api, "failing", 500), Transient, "LeaseUnavailable", "500"),
        (lambda api: api.cut_off("one"), Transient, "LeaseUnavailable", "no answer"),
    ],
)
async def test_what_goes_wrong_is_said_in_words(
    api: LeaseApi, break_it: Callable[[LeaseApi], None], kind: type[Exception], reason: str, words: str
) -> None:
    async with leases_of(api, "one") as leases:
        break_it(api)
        with pytest.raises(kind, match=words) as caught:
            await leases.get("shard-0")
        assert caught.value.reason == reason  # type: ignore[attr-defined]
        assert "shard-0" in str(caught.value)


async def test_times_that_others_wrote_are_written_so_that_the_server_reads_them(api: LeaseApi) -> None:
    whole = {"holderIdentity": "x", "acquireTime": "2026-01-01T00:00:00.000000Z"}
    api.leases["shard-0"]["spec"] = whole | {"renewTime": "2026-01-01T00:00:00.000000Z"}
    async with leases_of(api, "one") as leases:
        written = await leases.replace(await leases.get("shard-0"), Sign.NONE)
        await leases.replace(written, Sign.RENEWED)


@pytest.mark.parametrize("version", ["1.28", "1.36"])
async def test_what_is_written_fits_the_schema_of_kubernetes(api: LeaseApi, version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="pip install '.[ship]' brings the schemas")
    async with replica(api, "one", LONG) as one, replica(api, "two", LONG) as two:
        await until(lambda: one.mine or two.mine)
        await until(lambda: len(api.writes) > 2)
        holder, other = (one, two) if one.mine else (two, one)
        await until(other.holders)
        await other.nudge()
        await holder.release()
        await until(lambda: other.mine)
    assert {write.holder for write in api.writes} == {"one", "two", ""}
    for write in api.writes:
        validate.validate(write.lease, version, strict=True)


async def test_of_two_writes_on_one_version_the_second_is_refused(api: LeaseApi) -> None:
    async with leases_of(api, "one") as leases:
        read = await leases.get("shard-0")
        await leases.replace(replace(read, holder="one", duration=2.5, term=1), Sign.TAKEN)
        with pytest.raises(Transient) as caught:
            await leases.replace(replace(read, holder="two"), Sign.TAKEN)
        assert caught.value.reason == "LeaseChanged"
        assert (await leases.get("shard-0")).duration == 3.0, "whole seconds, never fewer than meant"


def test_without_a_cluster_the_error_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))

    async def opened() -> None:
        async with in_kubernetes(None, 1.0, lambda: datetime.now(UTC)):
            pass

    with pytest.raises(Stalled, match="KUBECONFIG"):
        asyncio.run(opened())
