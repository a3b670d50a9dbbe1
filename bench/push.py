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
DEAD = 49
"""With the healthy one as many webhooks as an account may have."""
P50_SECONDS, P99_SECONDS = 0.05, 0.25
TIMES_BARE = 4
"""A mail is checked, stored, and told on three channels; the bare server does nothing of that but one post."""
TIMES_ALONE = 3
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
        idle = asyncio.run(run.measure(max(5, count // 10), pause=IDLE_PAUSE_SECONDS, dead=0))
        steady = asyncio.run(run.measure(count, pause=1 / PER_SECOND, dead=0))
        crowded = asyncio.run(run.measure(count, pause=1 / PER_SECOND, dead=DEAD))
    bare = asyncio.run(bare_run(folder, inbox, signer, count, pause=1 / PER_SECOND))
    delays = [figure for channel in CHANNELS for figure in _delays(channel, idle, steady, bare)]
    ours, baseline = (max(told.processor_seconds, 1e-5) * 1000 for told in (steady, bare))
    cost = Figure("processor time of a mail, told on all three", "ms", ours, baseline, bound=TIMES_BARE)
    name = f"webhook beside {DEAD} that hang or refuse, p99"
    beside = Figure(name, "s", _p99(crowded, "webhook"), _p99(steady, "webhook"), bound=TIMES_ALONE)
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
