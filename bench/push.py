"""Time from the 250 of a message to its event on each channel, what it costs, and what dead endpoints cost others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from statistics import median, quantiles

from tests.support.dns import DnsServer

from bench.homes import account_key, make_home, serve
from bench.mail import Signer
from bench.push_run import CHANNELS, PushRun, Told, bare_run
from bench.report import Figure

__all__ = ["push"]

PER_SECOND = 50
IDLE_PAUSE_SECONDS = 0.3
OTHERS = 49
"""With the one that is timed as many webhooks as an account may have."""
BESIDE_OTHERS_PER_SECOND = 1
"""So that a process can post to all of them as mail comes, and only what fails is left to slow the one."""
P50_SECONDS, P99_SECONDS = 0.05, 0.25
TIMES_BARE = 4
"""A mail is checked, stored, and told on three channels; the bare server does nothing of that but one post."""
TIMES_BESIDE_LIVE = 2
FASTEST_SECONDS = 0.0001
"""What arrives before its 250 is read counts as this."""


def push(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures a served home idle, at a steady rate, and beside endpoints that hang or refuse."""
    count = 10 if quick else 300
    home = folder / "push"
    inbox = make_home(home)
    key = account_key(home)
    signer = Signer()
    settings = {"E2A_PUSH_ALLOW_LOOPBACK": "true"}
    with DnsServer(signer.zones) as dns, serve(home, {**settings, "E2A_DNS_SERVER": dns.address}) as relay:
        run = PushRun(relay, inbox, key, signer)
        idle = asyncio.run(run.measure(max(5, count // 10), pause=IDLE_PAUSE_SECONDS))
        steady = asyncio.run(run.measure(count, pause=1 / PER_SECOND))
        few, pause = max(5, count // 10), 1 / BESIDE_OTHERS_PER_SECOND
        beside_live = asyncio.run(run.measure(few, pause=pause, live=OTHERS))
        beside_dead = asyncio.run(run.measure(few, pause=pause, dead=OTHERS))
    bare = asyncio.run(bare_run(folder, inbox, signer, count, pause=1 / PER_SECOND))
    delays = [figure for channel in CHANNELS for figure in _delays(channel, idle, steady, bare)]
    ours, baseline = (max(told.processor_seconds, 1e-5) * 1000 for told in (steady, bare))
    cost = Figure("processor time of a mail, told on all three", "ms", ours, baseline, bound=TIMES_BARE)
    name = f"webhook beside {OTHERS} that hang or refuse, against as many that answer, p99"
    slowed = _p99(beside_dead, "webhook"), _p99(beside_live, "webhook")
    beside = Figure(name, "s", *slowed, bound=TIMES_BESIDE_LIVE)
    return [*delays, cost, beside]


def _delays(channel: str, idle: Told, steady: Told, bare: Told) -> list[Figure]:
    name = f"from 250 to {channel}"
    loaded = f"{name}, {PER_SECOND} mails/s"
    posted = f"a bare server's post: p50 {_p50(bare, 'webhook'):.3f} s, p99 {_p99(bare, 'webhook'):.3f} s"
    return [
        Figure(f"{name}, idle, p50", "s", _p50(idle, channel), bound=P50_SECONDS),
        Figure(f"{loaded}, p50", "s", _p50(steady, channel), bound=P50_SECONDS, note=posted),
        Figure(f"{loaded}, p99", "s", _p99(steady, channel), bound=P99_SECONDS),
    ]


def _p50(told: Told, channel: str) -> float:
    return max(FASTEST_SECONDS, median(told.delays[channel]))


def _p99(told: Told, channel: str) -> float:
    return max(FASTEST_SECONDS, quantiles(told.delays[channel], n=100)[98])
