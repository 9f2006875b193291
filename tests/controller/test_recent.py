"""What is asked for stays, whatever else there is; what is not goes."""

from __future__ import annotations

from aicore_sync.controller.recent import PERIOD, Recent


def test_all_that_a_round_looks_at_stays_and_the_rest_is_forgotten() -> None:
    now = [0.0]
    recent = Recent[int, str](lambda: now[0])
    for number in range(10_000):
        recent.put(number, str(number))
    for _ in range(5):
        now[0] += PERIOD * 0.6
        assert [recent.get(number) for number in range(1, 10_000)] == [str(n) for n in range(1, 10_000)]
    assert recent.get(0) is None
    assert len(recent) == 9_999
    recent.pop(1)
    assert recent.get(1) is None
