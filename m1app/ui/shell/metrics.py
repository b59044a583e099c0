"""`/metrics`, in the Prometheus text format.

Labels are fixed words: pages, states and kinds, never names, ids or texts. The numbers are this process's own; jobs run
in processes of their own, and only their number is shown.
"""

import asyncio
import secrets
import time
from collections.abc import Iterator, Mapping
from itertools import accumulate

from fastapi import FastAPI, HTTPException, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from m1app.access.person import Permission, current_person
from m1app.bootstrap import Services
from m1app.engines.own_engine import EngineState
from m1app.runs.totals import FIRST_TOKEN_BOUNDS_SECONDS, RunTotals
from m1app.ui.shell.access_log import Answered
from m1app.ui.shell.connections import Connections
from m1app.ui.shell.health import Health
from m1app.ui.shell.shared_reading import SharedReading

_SIZE_MAX_AGE_SECONDS = 15.0
_LAG_INTERVAL_SECONDS = 0.5
_LAG_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0)
_PAGES = (
    "compare",
    "strategies",
    "annotate",
    "facts",
    "thinking",
    "benchmarks",
    "studies",
    "admin",
    "page-code",
    "healthz",
    "metrics",
)
_DOWNLOADS = (
    "traces",
    "sweeps",
    "strategy-runs",
    "strategy-docs",
    "benchmark-runs",
    "annotations.jsonl",
    "annotations.csv",
    "annotations-corrected.jsonl",
)
_OF_PROBE = ("", "config", "gradio_api", "assets", "static", "theme.css", "favicon.ico")
_REFUSALS = {400: "bad request", 401: "no login", 403: "forbidden", 408: "too slow", 413: "too large", 429: "too many"}


class Metrics:
    """What is counted as it happens, together with what is read when somebody asks."""

    def __init__(self, services: Services, health: Health, login: str, connections: Connections | None = None) -> None:
        """Args:
        services: the app's services.
        health: the app's readiness.
        login: path to which passwords are sent.
        connections: the server's; None if it does not limit them.
        """
        self._services = services
        self._health = health
        self._login = login
        self._sizes: SharedReading[int] = SharedReading(_SIZE_MAX_AGE_SECONDS)
        self._registry = registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter("m1_requests", "Answered requests.", ("page", "status"), registry=registry)
        self._refused = Counter("m1_requests_refused", "Requests not let in.", ("reason",), registry=registry)
        self._logins = Counter("m1_logins", "Attempts to log in.", ("result",), registry=registry)
        self._lag = Histogram(
            "m1_event_loop_lag_seconds",
            "How much later than planned the event loop continued.",
            buckets=_LAG_BUCKETS,
            registry=registry,
        )
        self._engine = Gauge("m1_engine_state", "1 for the engine's current state.", ("state",), registry=registry)
        self._ready = Gauge("m1_ready", "1 if the app can do its work.", registry=registry)
        self._database = Gauge("m1_database_bytes", "Size of the database.", registry=registry)
        registry.register(_Runs(services))
        if connections is not None:
            registry.register(_Connections(connections))

    def count(self, answered: Answered) -> None:
        """Count a request; called by the access log."""
        self._requests.labels(page_of(answered.path), f"{answered.status // 100}xx").inc()
        if answered.status in _REFUSALS:
            self._refused.labels(_REFUSALS[answered.status]).inc()
        if (answered.method, answered.path) == ("POST", self._login):
            self._logins.labels("accepted" if answered.status < 400 else "refused").inc()

    async def text(self) -> bytes:
        """All metrics in the text format."""
        readiness = await self._health.read()
        self._ready.set(not readiness.reasons)
        for state in EngineState:
            self._engine.labels(state.value).set(state is readiness.engine)
        self._database.set(await self._sizes.get("database", self._database_bytes))
        # On the event loop, since the collectors read what only the loop changes.
        return generate_latest(self._registry)

    async def _database_bytes(self) -> int:
        return (await asyncio.to_thread(self._services.database.check)).size_bytes

    async def watch_loop(self) -> None:
        """Measure until cancelled how punctual the event loop is."""
        while True:
            planned = time.perf_counter() + _LAG_INTERVAL_SECONDS
            await asyncio.sleep(_LAG_INTERVAL_SECONDS)
            self._lag.observe(max(0.0, time.perf_counter() - planned))


class _Runs:
    """Reads the runs' totals whenever metrics are asked for."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        """All metrics about runs and jobs."""
        services = self._services
        totals = {
            "probe": services.probe.totals,
            "sweep": services.sweeps.totals,
            "strategies": services.strategies.totals,
        }
        running = {kind: each.running for kind, each in totals.items()} | {"job": self._services.jobs.running}
        yield _gauge("m1_running", "Probes, sweeps, strategy runs and jobs in progress.", running)
        unsaved = {kind: each.unsaved for kind, each in totals.items()}
        yield _gauge("m1_unsaved_runs", "Runs that have ended and are not saved yet.", unsaved)
        tokens = CounterMetricFamily("m1_tokens_generated", "Tokens that engines generated.", labels=("kind",))
        for kind, each in totals.items():
            tokens.add_metric([kind], each.tokens_generated)
        yield tokens
        yield _first_tokens(totals)


class _Connections:
    """Reads the server's connections whenever metrics are asked for."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def collect(self) -> Iterator[Metric]:
        """All metrics about connections."""
        yield GaugeMetricFamily("m1_connections", "Open connections.", len(self._connections.open))
        refused = self._connections.refused
        yield CounterMetricFamily("m1_connections_refused", "Connections closed by the limits.", refused)


def _gauge(name: str, about: str, values: Mapping[str, int]) -> Metric:
    made = GaugeMetricFamily(name, about, labels=("kind",))
    for kind, value in values.items():
        made.add_metric([kind], value)
    return made


def _first_tokens(totals: Mapping[str, RunTotals]) -> Metric:
    about = "Time from asking an engine to its first token."
    made = HistogramMetricFamily("m1_time_to_first_token_seconds", about, labels=("kind",))
    bounds = [*map(str, FIRST_TOKEN_BOUNDS_SECONDS), "+Inf"]
    for kind, each in totals.items():
        buckets = list(zip(bounds, accumulate(each.first_tokens.counts), strict=True))
        made.add_metric([kind], buckets, each.first_tokens.seconds)
    return made


def page_of(path: str) -> str:
    """The page that a path belongs to: one of a few words, whatever the path."""
    first = path.split("/", 2)[1] if path.startswith("/") else path
    if first in _PAGES:
        return first
    if first in _DOWNLOADS:
        return "downloads"
    return "probe" if first in _OF_PROBE else "other"


def add_metrics(app: FastAPI, metrics: Metrics, token: str) -> None:
    """`/metrics`, for an admin, and for whoever sends the token as `Authorization: Bearer`.

    An empty token closes it to all but admins.
    """

    @app.get("/metrics")
    async def read(request: Request) -> Response:
        is_admin = current_person().may(Permission.MANAGE)
        if not token and not is_admin:
            raise HTTPException(404)
        if not is_admin and not secrets.compare_digest(
            request.headers.get("authorization", "").encode(), f"Bearer {token}".encode()
        ):
            raise HTTPException(401, "Send M1_METRICS_TOKEN as a bearer token.", {"WWW-Authenticate": "Bearer"})
        return Response(await metrics.text(), media_type=CONTENT_TYPE_LATEST)
