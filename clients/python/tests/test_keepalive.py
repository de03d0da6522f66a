"""When the keepalive acts, on a clock of its own."""

from __future__ import annotations

import asyncio

import pytest

from dswarm.keepalive import Keepalive
from dswarm.limits import Limits

from .virtual_time import VirtualTime

LIMITS = Limits()


class Actions:
    """A connection with a call under way, on which nothing moves but what a test says."""

    is_idle = False
    is_serving = False

    def __init__(self) -> None:
        self.write_progress: int | None = None
        self.stalled_at: float | None = None
        self.said: list[str] = []

    def probe(self) -> None:
        self.said.append("probe")

    def on_dead(self) -> None:
        self.said.append("dead")

    def use(self) -> None:
        self.said.append("use")

    def on_unused(self) -> None:
        self.said.append("unused")

    def on_stuck(self) -> None:
        self.said.append("stuck")

    def check_requests(self, now: float) -> None:
        pass


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    clock = VirtualTime()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: clock)
    return clock


@pytest.mark.parametrize("heard_after", [step * 1.37 for step in range(18)])
def test_a_frozen_peer_is_found_after_interval_and_timeout_whenever_it_was_heard_last(
    time: VirtualTime, heard_after: float
) -> None:
    actions = Actions()
    keepalive = Keepalive(LIMITS, actions)
    time.advance(heard_after)
    keepalive.heard()
    actions.said.clear()
    time.advance(LIMITS.keepalive_interval - 0.001)
    assert actions.said == []
    time.advance(LIMITS.keepalive_timeout)
    assert actions.said == ["probe"]
    time.advance(0.002)
    assert actions.said == ["probe", "dead"]


def test_any_sign_of_life_begins_the_silence_again(time: VirtualTime) -> None:
    actions = Actions()
    keepalive = Keepalive(LIMITS, actions)
    for _ in range(20):
        time.advance(LIMITS.keepalive_interval + LIMITS.keepalive_timeout - 0.001)
        keepalive.heard()
    assert actions.said == ["probe"] * 20


@pytest.mark.parametrize("stalled_after", [step * 0.7 for step in range(22)])
def test_what_does_not_move_is_found_within_a_third_of_its_time_more(time: VirtualTime, stalled_after: float) -> None:
    actions = Actions()
    keepalive = Keepalive(LIMITS, actions)
    time.advance(stalled_after)
    keepalive.heard()
    actions.write_progress = 1
    time.advance(LIMITS.write_timeout - 0.001)
    keepalive.heard()
    assert "stuck" not in actions.said
    time.advance(LIMITS.write_timeout / 3 + 0.002)
    assert "stuck" in actions.said


def test_what_is_added_while_nothing_is_taken_is_no_progress(time: VirtualTime) -> None:
    actions = Actions()
    keepalive = Keepalive(LIMITS, actions)
    for step in range(3):
        # Less than before, as more waits now.
        actions.write_progress = 1000 - step
        keepalive.heard()
        time.advance(LIMITS.write_timeout / 3 + 0.001)
    assert actions.said == []
    keepalive.heard()
    time.advance(LIMITS.write_timeout / 3)
    assert actions.said == ["stuck"]


def test_nothing_is_done_after_the_end(time: VirtualTime) -> None:
    actions = Actions()
    keepalive = Keepalive(LIMITS, actions)
    keepalive.stop()
    time.advance(1000)
    assert actions.said == []
