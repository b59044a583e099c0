"""Every route and every event of the app, for nobody and for each role: a new one without a row here fails.

The tables say the least permission. A route is asked over HTTP; an event is sent as a page sends it, and its answer
tells whether the services refused it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from starlette.routing import Mount

from m1app.access.person import PERMISSIONS, Permission
from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.ui.annotate.page import AnnotatePage
from m1app.ui.benchmarks.page import BenchmarksPage
from m1app.ui.studies.page import StudiesPage
from m1app.ui.web import build_app
from storage.people.records import Role
from storage.questions.records import NewQuestion
from storage.traces.records import Segment, SegmentKind
from tests.m1app.ui.serving import serving
from tests.storage.samples import begin, finish

READ, ASK, ANNOTATE, REVIEW, MANAGE = Permission
PASSWORD = "correct horse battery"
ID = "0" * 32
OPEN = None
"""For everybody, also before logging in."""

ROUTES: dict[tuple[str, str], Permission | None] = {
    **{("GET", f"/healthz{part}"): OPEN for part in ("", "/live", "/ready")},
    ("GET", "/metrics"): OPEN,
    **{("GET", f"/login/{part}"): OPEN for part in ("provider", "confirmed")},
    ("GET", "/login"): OPEN,
    ("POST", "/login"): OPEN,
    ("POST", "/logout"): OPEN,
    **{
        ("GET", f"/{page}"): READ
        for page in (
            *("compare", "strategies", "annotate", "facts", "thinking", "benchmarks", "studies"),
            *("account", "plotly.min.js"),
        )
    },
    ("POST", "/account"): READ,
    ("GET", "/page-code/{version}/{room}/{file}"): READ,
    ("GET", "/traces/{trace_id}.json"): READ,
    ("GET", "/traces/{trace_id}.md"): READ,
    ("GET", "/traces/{trace_id}.html"): READ,
    ("GET", "/sweeps/{sweep_id}.json"): READ,
    ("GET", "/sweeps/{sweep_id}.csv"): READ,
    ("GET", "/sweeps/{sweep_id}.md"): READ,
    ("GET", "/sweeps/{sweep_id}.html"): READ,
    **{("GET", f"/strategy-runs/{{run_id}}.{kind}"): READ for kind in ("json", "csv", "md")},
    ("GET", "/strategy-runs/{run_id}/{place}/{position}"): READ,
    ("GET", "/strategy-docs/{name}"): READ,
    ("GET", "/passages/{passage_id}"): READ,
    **{("GET", f"/resamplings/{{run_id}}{part}"): READ for part in (".json", ".csv")},
    **{("GET", f"/fact-tests/{{run_id}}{part}"): READ for part in (".json", ".csv", "/{number}")},
    **{("GET", f"/annotations{name}"): READ for name in (".jsonl", ".csv", "-corrected.jsonl")},
    **{("GET", f"/benchmark-runs/{{run_id}}.{kind}"): READ for kind in ("csv", "parquet", "html")},
    **{("GET", f"/benchmark-runs/{{run_id}}/{name}.{{ending}}"): READ for name in ("tags", "fits")},
    **{("GET", f"/study-reports/{{study_id}}.{kind}"): READ for kind in ("html", "pdf", "zip", "json")},
    ("GET", "/benchmark-runs/{run_id}/policy.json"): READ,
    ("GET", "/benchmark-runs/{run_id}/strategies.csv"): READ,
    ("GET", "/admin"): MANAGE,
    **{
        ("POST", f"/admin/{upload}"): MANAGE
        for upload in (
            "question-sets",
            "question-columns",
            "overlaps",
            "training-data",
            "corpus",
            "cases",
            "cases-preview",
        )
    },
    ("GET", "/admin/jobs/{job_id}/artifacts/{name:path}"): MANAGE,
    ("GET", "/admin/jobs/{job_id}/log.txt"): MANAGE,
    ("GET", "/admin/training-runs.csv"): MANAGE,
    ("GET", "/admin/audit.jsonl"): MANAGE,
    **{
        ("MOUNT", page): READ
        for page in ("/compare", "/strategies", "/annotate", "/facts", "/thinking", "/benchmarks", "/studies", "")
    },
    ("MOUNT", "/admin"): MANAGE,
}


@dataclass(frozen=True)
class Event:
    """What a handler needs; with `data` it is also sent, so far that its service can refuse it."""

    needs: Permission = READ
    data: dict[str, Any] | None = None
    """Data of the event; None if it takes the values of components."""
    is_sent: bool = True
    """False for a handler that first reads what is shown, and so never comes to be refused here."""


HEADER = {
    "PageHeader.wire.<locals>.tick": Event(),
    "EngineButtons._restart_engine": Event(MANAGE),
    "EngineButtons._stop_engine": Event(MANAGE),
}
FORM = {
    name: Event()
    for name in (
        *("QuestionForm.fill_with_library", "QuestionForm.fill_with_example"),
        *("QuestionForm._on_change", "QuestionForm._on_formatted"),
        "AdvancedForm.offer_profiles.<locals>.offered",
    )
}
HISTORY = {
    **{f"RunHistory._on_{name}": Event() for name in ("search", "more", "refresh", "shown")},
    **{f"RunHistory._on_{name}": Event(ASK, {"id": ID}) for name in ("discard", "restore")},
}
NAMED_HISTORY = {
    **HISTORY,
    "NamedRunHistory._on_rename": Event(ASK, {"id": ID, "name": "x", "tags": "y"}),
}
RUNS = {
    **{f"RunPage._on_{name}": Event() for name in ("asked", "over", "open")},
    **{f"RunPage._on_{name}": Event(ASK) for name in ("run", "run_anyway", "resume", "stop")},
    "RunPage._on_again": Event(ASK, is_sent=False),
    "_one_more": Event(),
}
ENDING = {"RunPage._on_answer_now": Event(ASK)}
EVENTS: dict[str, dict[str, Event]] = {
    "": {
        **HEADER,
        **FORM,
        **NAMED_HISTORY,
        **RUNS,
        **ENDING,
        **{f"ProbePage._{name}": Event() for name in ("on_load", "follow", "on_estimate")},
        **{f"BatchPart._{name}": Event() for name in ("on_load", "follow")},
        "ProbePage._on_batch_over": Event(),
        "BatchPart._on_ask_set": Event(ASK, {"how": "ask", "name": "", "questions": [["Why?", "", ""]]}),
        **{f"BatchPart._on_{name}": Event(ASK, {"id": ID}) for name in ("stop", "go_on", "put_away")},
        "ProbePage._on_policies": Event(),
        "OpenVerdictPanel._on_judge": Event(ASK, {"id": ID, "reference": "Scurvy", "model": ""}),
        "OpenVerdictPanel._on_say": Event(ANNOTATE, {"id": ID, "reference": "Scurvy", "judgement": "right"}),
    },
    "/compare": {
        **HEADER,
        **FORM,
        **NAMED_HISTORY,
        **RUNS,
        **ENDING,
        **{f"ComparePage._{name}": Event() for name in ("on_load", "follow", "on_estimate")},
        "ComparePage._follow_branches": Event(),
    },
    "/strategies": {
        **HEADER,
        **FORM,
        **HISTORY,
        **RUNS,
        **{f"StrategiesPage._{name}": Event() for name in ("on_load", "follow", "on_estimate")},
    },
    "/annotate": {**HEADER, **{f"AnnotatePage._on_{name}": Event() for name in ("ask", "summary", "compute", "load")}},
    "/facts": {
        **HEADER,
        **{f"FactsPage._{name}": Event() for name in ("on_load", "follow", "on_over")},
        "FactsPage._on_start": Event(
            ASK, {"subject": {"case": ID, "start": 0, "end": 1}, "fact": "Scurvy", "seeds": "5"}
        ),
        "FactsPage._on_look": Event(),
        "FactsPage._on_resume": Event(ASK),
        "FactsPage._on_stop": Event(ASK),
        "FactsPage._on_launch": Event(MANAGE, {"seeds": "5"}),
    },
    "/thinking": {
        **HEADER,
        "ThinkingPage._on_load": Event(),
        "ThinkingPage._follow": Event(),
        "ThinkingPage._on_resample": Event(ASK, {"case": ID, "start": 0, "end": 1, "seeds": 5}),
        "ThinkingPage._on_resume": Event(ASK, {"id": ID}),
        "ThinkingPage._on_stop": Event(ASK, {"id": ID}),
        "ThinkingPage._on_start": Event(ASK, {"case": ID, "start": 0, "end": 1, "text": "Scurvy", "seed": ""}),
    },
    "/benchmarks": {**HEADER, "BenchmarksPage._on_ask": Event()},
    "/studies": {**HEADER, "StudiesPage._on_ask": Event()},
}
"""By page. The Admin page is not here: all its events need MANAGE."""

_OTHERS = {
    "annotation": ID,
    "case": ID,
    "group": f"q{ID}",
    "reason": "Why?",
    "is_upheld": True,
    "revision": 1,
    "key": "k",
}
_FORM = {"part": "whole", "labels": ["x"], "severity": "minor", "comment": "", "corrected_fact": "", "evidence": []}
ACTIONS: dict[str, dict[str, tuple[Permission, dict[str, Any]]]] = {
    "/annotate": {
        **{name: (READ, {"filter": {}, **_OTHERS}) for name in ("queue", "group", "open", "history")},
        "save": (ANNOTATE, {"case": ID, "values": _FORM}),
        "draft": (ANNOTATE, {"case": ID, "draft": {}, "seconds": 1}),
        **dict.fromkeys(("withdraw", "submit", "reopen", "reject", "agree", "dispute"), (ANNOTATE, _OTHERS)),
        "adjudicate": (REVIEW, _OTHERS),
    },
    "/benchmarks": {
        **{
            name: (READ, {"run": ID, "runs": [ID], "item": ID})
            for name in [
                "runs",
                "curves",
                "points",
                "prompts",
                "readings",
                "knowledge",
                "tags",
                "transitions",
                "along",
                "strategies",
                "fits",
                "policy",
                "questions",
                "outputs",
                "answers",
                "extent",
            ]
        },
        "keep_policy": (MANAGE, {"run": ID, "cell": "512-0", "budget": "900", "name": "x"}),
        "say": (ANNOTATE, {"answer": ID, "judgement": "right"}),
        "rename": (MANAGE, {"run": ID, "name": "x"}),
        "tag": (MANAGE, {"run": ID, "tags": "x"}),
        "archive": (MANAGE, {"run": ID, "is_archived": True}),
        "delete": (MANAGE, {"run": ID}),
        "restore": (ASK, {"deletion": ID}),
    },
    "/studies": {
        **{
            name: (READ, {"name": "m1-smoke", "study": ID})
            for name in ("list", "file", "estimate", "study", "outcome", "compare")
        },
        **{name: (MANAGE, {"name": "m1-smoke", "study": ID}) for name in ("import_sets", "start", "remove")},
        **{name: (MANAGE, {"study": ID}) for name in ("stop", "resume", "extend", "delete")},
        "add": (MANAGE, {"text": "name = 1"}),
        "restore": (ASK, {"deletion": ID}),
    },
}
"""By page, the actions of its event `ask`."""


@dataclass
class Served:
    """The app, with a client for each role and one for nobody."""

    url: str
    app: Any
    clients: dict[Role | None, httpx2.Client] = field(default_factory=dict)

    def blocks(self, page: str) -> Any:
        mounts = [route for route in self.app.routes if isinstance(route, Mount) and route.path == page]
        (mount,) = mounts
        gradio = mount.app
        while not hasattr(gradio, "get_blocks"):
            gradio = gradio._app  # type: ignore[attr-defined]
        return gradio.get_blocks()

    def send(self, role: Role, page: str, number: int, data: dict[str, Any] | None) -> str:
        """Send an event as a page does; return everything that comes of it."""
        client, session = self.clients[role], f"{role}-{number}"
        config = client.get(f"{page}/config").json()
        values = {each["id"]: _value_of(each) for each in config["components"]}
        function = next(each for each in config["dependencies"] if each["id"] == number)
        asked = {
            "data": [values.get(each) for each in function["inputs"]],
            "fn_index": number,
            "session_hash": session,
            "event_data": data,
            "trigger_id": None,
        }
        joined = client.post(f"{page}/gradio_api/queue/join", json=asked)
        if joined.status_code != 200:
            return joined.text
        text = ""
        with client.stream("GET", f"{page}/gradio_api/queue/data", params={"session_hash": session}) as stream:
            for line in stream.iter_lines():
                text += line
                if "process_completed" in line:
                    break
        return text


def _value_of(component: dict[str, Any]) -> Any:
    """What a page that was just loaded sends; an empty text box has no value in the configuration."""
    value = component["props"].get("value")
    return "" if value is None and component["type"] == "textbox" else value


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    home = tmp_path_factory.mktemp("home")
    return build_services(
        Settings(
            home=home,
            engine_url="http://127.0.0.1:9",
            admin_password=PASSWORD,  # type: ignore[arg-type]
            cpu_jobs=0,
            oidc_issuer="http://127.0.0.1:9",
            oidc_client_id="m1app",
        )
    )


@pytest.fixture(scope="module")
def case_id(services: Services) -> str:
    """A case that there is."""
    begun = begin(services.database, NewQuestion(stem="Which?", options={"A": "a", "B": "b"}, target="A"))
    finish(services.database, begun, Segment(kind=SegmentKind.THINK, text="a", token_ids=(1,), token_count=1))
    return begun.id


@pytest.fixture(scope="module")
def served(services: Services) -> Iterator[Served]:
    outermost = build_app(services)
    inner: Any = outermost
    while not hasattr(inner, "routes"):
        inner = getattr(inner, "_inner", None) or getattr(inner, "_app", None) or inner.app
    with serving(outermost) as url:
        made = Served(url, inner)
        for role in (None, *Role):
            made.clients[role] = httpx2.Client(base_url=url, timeout=60, trust_env=False)
            if role is not None:
                _log_in(made.clients[role], services, role)
        yield made


def _log_in(client: httpx2.Client, services: Services, role: Role) -> None:
    import asyncio

    if role is not Role.ADMIN:
        asyncio.run(services.access.accounts.add(role.value, role, PASSWORD))
    form = {"name": role.value, "password": PASSWORD}
    assert client.post("/login", data=form).status_code == 303


def _routes(app: Any) -> Iterator[tuple[str, str]]:
    for route in app.routes:
        if isinstance(route, Mount):
            yield "MOUNT", route.path
        elif hasattr(route, "path"):
            yield from ((method, route.path) for method in route.methods - {"HEAD"})
        else:  # Routers that were included.
            yield from ((method, each.path) for each in route.original_router.routes for method in each.methods)


def test_every_route_has_a_row(served: Served) -> None:
    assert set(_routes(served.app)) == set(ROUTES)


def test_every_event_has_a_row(served: Served) -> None:
    for page, rows in EVENTS.items():
        handlers = {each.fn.__qualname__ for each in served.blocks(page).fns.values() if each.fn}
        assert handlers == set(rows), page


def test_what_follows_a_form_asks_once_at_a_time(served: Served) -> None:
    """With a call for each field, the reply to an earlier change could come last, and stay."""
    for page in EVENTS:
        following = [
            each for each in served.blocks(page).fns.values() if each.fn and each.trigger_mode == "always_last"
        ]
        asked = [(each.fn.__qualname__, tuple(out._id for out in each.outputs)) for each in following]
        assert len(asked) == len(set(asked)), page
        for event in following:  # Nor does it come from another event, which could reply last as well.
            same = [each for each in served.blocks(page).fns.values() if each.fn == event.fn]
            assert same == [event], (page, event.fn.__qualname__)


def test_every_action_has_a_row(services: Services) -> None:
    for page, kind in (("/annotate", AnnotatePage), ("/benchmarks", BenchmarksPage), ("/studies", StudiesPage)):
        answers: Any = kind.__dict__["_answers"].fget(kind)
        assert set(answers) == set(ACTIONS[page])


@pytest.mark.parametrize(("method", "path"), [key for key in ROUTES if key[0] != "MOUNT"])
@pytest.mark.parametrize("role", [None, *Role])
def test_a_route_lets_in_whoever_has_its_permission(served: Served, role: Role | None, method: str, path: str) -> None:
    needs = ROUTES[method, path]
    may = needs is OPEN or (role is not None and needs in PERMISSIONS[role])
    if path == "/logout":
        return  # It would end the session of all the others.
    place = path.replace("{name:path}", "x")
    for name in ("trace_id", "sweep_id", "run_id", "job_id", "version", "room", "file", "name"):
        place = place.replace(f"{{{name}}}", ID)
    place = place.replace("{place}", "0").replace("{position}", "0")
    answer = served.clients[role].request(method, place, follow_redirects=False)
    is_login = answer.status_code == 303 and answer.headers["location"].startswith("/login")
    was_let_in = not is_login and answer.status_code != 401 and (answer.status_code != 403 or path.startswith("/login"))
    assert was_let_in is may, (answer.status_code, answer.text[:200])


@pytest.mark.parametrize("page", [*EVENTS, "/admin"])
def test_nobody_sends_an_event(served: Served, page: str) -> None:
    client = served.clients[None]
    for number in served.blocks(page).fns:
        asked = {"data": [], "fn_index": number, "session_hash": "x"}
        assert client.post(f"{page}/gradio_api/queue/join", json=asked).status_code == 401


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_an_admin_sends_an_event_to_the_admin_page(served: Served, role: Role) -> None:
    blocks = served.blocks("/admin")
    assert blocks.m1_needs is MANAGE
    for number in blocks.fns:
        asked = {"data": [], "fn_index": number, "session_hash": "x"}
        assert served.clients[role].post("/admin/gradio_api/queue/join", json=asked).status_code == 403


SENT = [
    (page, name) for page, rows in EVENTS.items() for name, row in rows.items() if row.needs != READ and row.is_sent
]


@pytest.mark.parametrize(("page", "name"), SENT)
def test_an_event_is_refused_to_whoever_lacks_its_permission(served: Served, page: str, name: str) -> None:
    row = EVENTS[page][name]
    number = next(each for each, fn in served.blocks(page).fns.items() if fn.fn and fn.fn.__qualname__ == name)
    if name.startswith("PageHeader"):
        # The engine of this app is elsewhere; what an admin sends does nothing.
        assert row.needs is MANAGE
    for role in Role:
        came = served.send(role, page, number, row.data)
        assert ("Your role" in came) is (row.needs not in PERMISSIONS[role]), (role, came[-400:])


@pytest.mark.parametrize(("page", "action"), [(page, action) for page, rows in ACTIONS.items() for action in rows])
def test_an_action_is_refused_to_whoever_lacks_its_permission(
    served: Served, case_id: str, page: str, action: str
) -> None:
    needs, values = ACTIONS[page][action]
    number = next(
        each for each, fn in served.blocks(page).fns.items() if fn.fn and fn.fn.__qualname__.endswith("._on_ask")
    )
    for role in Role:
        data = {"number": 1, "action": action, "annotator": "x", "values": {**values, "case": case_id}}
        came = served.send(role, page, number, data)
        assert ("Your role" in came) is (needs not in PERMISSIONS[role]), (role, came[-400:])
        assert json.dumps(PASSWORD) not in came
