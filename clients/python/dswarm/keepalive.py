"""Finds peers that are gone, peers that do not read, and connections that nobody uses: one timer a connection."""

from __future__ import annotations

import asyncio
from typing import Protocol

from .limits import Limits

_LEAST_SECONDS = 0.001
"""Between two looks: what is due in less by the rounding of the clock is looked at once."""


class KeepaliveActions(Protocol):
    """What the keepalive does to its connection."""

    @property
    def is_idle(self) -> bool:
        """No call is under way."""

    def probe(self) -> None:
        """Asks the peer for a sign of life."""

    def on_dead(self) -> None:
        """The peer gave none."""

    @property
    def is_serving(self) -> bool:
        """The peer may call this end, which nobody can dial: the connection is to stay."""

    def use(self) -> None:
        """Makes a call, so that the connection counts as used at both ends."""

    def on_unused(self) -> None:
        """There was no call for ``idle_timeout``, and nothing is served."""

    @property
    def write_progress(self) -> int | None:
        """A number that grows when the network takes bytes; None when none wait."""

    @property
    def stalled_at(self) -> float | None:
        """When messages began to wait for credit of the connection; None while none do."""

    def on_stuck(self) -> None:
        """The peer has taken nothing of what waits for ``write_timeout``, whatever came meanwhile."""

    def check_requests(self, now: float) -> None:
        """Ends the peer's calls whose request stays incomplete."""


class Keepalive:
    """Looks at a connection every now and then."""

    def __init__(self, limits: Limits, actions: KeepaliveActions) -> None:
        self._limits = limits
        self._actions = actions
        self._loop = asyncio.get_running_loop()
        # So often a connection on which this end serves is used: the peer's idle time may be as long as ours.
        self._use_seconds = limits.idle_timeout / 3
        idle = self._use_seconds or limits.keepalive_interval
        # The timer finds a stall within a third of its timeout.
        stall = min(limits.request_timeout, limits.write_timeout) / 3
        self._tick_seconds = min(limits.keepalive_interval, limits.keepalive_timeout, idle, stall)
        self.used = True
        """A call has ended since the last look."""
        self._heard_at = self._used_at = self._loop.time()
        self._probed_at: float | None = None
        self._progress: int | None = None
        self._progress_at = self._heard_at
        self._timer = self._loop.call_later(self._tick_seconds, self._look)

    def heard(self) -> None:
        """Something has come from the peer."""
        self._heard_at, self._probed_at = self._loop.time(), None

    def stop(self) -> None:
        """Looks no more."""
        self._timer.cancel()

    def _look(self) -> None:
        now, limits = self._loop.time(), self._limits
        is_silent = self._probed_at is None and now - self._heard_at >= limits.keepalive_interval
        is_dead = self._probed_at is not None and now - self._probed_at >= limits.keepalive_timeout
        if is_silent:
            self._probed_at = now
        if self.used:
            self.used, self._used_at = False, now
        progress = self._actions.write_progress
        # Bytes that this end adds meanwhile, for example pongs, are no progress.
        if progress is None or self._progress is None or progress > self._progress:
            self._progress_at = now
        self._progress = progress
        stalled_at = self._actions.stalled_at
        since = self._progress_at if stalled_at is None else min(self._progress_at, stalled_at)
        # Planned before the actions, which may stop it.
        self._timer = self._loop.call_later(self._seconds_to_next_look(now), self._look)
        self._actions.check_requests(now)
        if now - since >= limits.write_timeout:
            self._timer.cancel()
            self._actions.on_stuck()
        elif is_dead:
            self._timer.cancel()
            self._actions.on_dead()
        elif limits.idle_timeout > 0 and now - self._used_at >= self._use_seconds and self._actions.is_idle:
            if self._actions.is_serving:
                self._actions.use()
            elif now - self._used_at >= limits.idle_timeout:
                self._timer.cancel()
                self._actions.on_unused()
        if is_silent and not self._timer.cancelled():
            self._actions.probe()

    def _seconds_to_next_look(self, now: float) -> float:
        """A dead peer is found after the sum of interval and timeout, and not up to two ticks later."""
        if self._probed_at is None:
            due_at = self._heard_at + self._limits.keepalive_interval
        else:
            due_at = self._probed_at + self._limits.keepalive_timeout
        return min(self._tick_seconds, max(due_at - now, _LEAST_SECONDS))
