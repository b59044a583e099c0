"""Every page and tab of the app, one after the other in one browser."""

from collections.abc import Iterator
from dataclasses import dataclass

from playwright.sync_api import Page

from tests.e2e.full_home import PASSWORD

_ADMIN_TABS = {
    "New benchmark": "#admin-launch-command :is([data-part=hint], [data-part=command]):not(:empty)",
    "Fine-tune": "#admin-training-data tr[data-id], #admin-training-data [data-part=empty]:not(:empty)",
    "Samples": "#admin-samples tr[data-key], #admin-samples [data-part=empty]",
    "Jobs": "#admin-jobs tr[data-job], #admin-jobs [data-part=empty]:not(:empty)",
    "Question sets": "#admin-sets tr[data-set], #admin-sets [data-part=empty]:not(:empty)",
    "Corpus": "#admin-corpus tr[data-corpus], #admin-corpus [data-part=empty]:not(:empty)",
    "Traces to annotate": "#admin-cases form",
    "Models": "#admin-library [data-part=suggestions] tr, #admin-library [data-part=none]",
    "Profiles": "#admin-profiles [data-part=rows] tr, #admin-profiles [data-part=none]",
    "Engine and health": "#admin-engines [data-part=facts] dd",
    "People": "#admin-people [data-part=add-form]",
    "Trash and audit": "#admin-audit tr[data-entry], #admin-audit [data-part=empty]:not(:empty)",
}


_UNFOLD = """() => {
  for (const each of document.querySelectorAll('details')) each.open = !each.closest('header');
  for (const each of document.querySelectorAll('.label-wrap:not(.open)')) each.click();
}"""


@dataclass(frozen=True)
class Stop:
    """A page, or a tab of the page before."""

    name: str
    path: str = ""
    """Empty: the page that is open."""
    tab: str = ""
    """The tab to turn to."""
    ready: str = "main"
    """Visible as soon as the page shows what it has."""


def go(page: Page, origin: str, stop: Stop) -> None:
    """Turn to a stop; returns when it shows what it has."""
    if stop.path:
        page.goto(origin + stop.path)
    if stop.tab:
        page.get_by_role("tab", name=stop.tab, exact=True).click()
    page.locator(stop.ready).filter(visible=True).first.wait_for()
    # What Gradio shows for a component whose code is still being fetched.
    page.wait_for_function("() => !document.querySelector('p.loading')")
    page.evaluate(_UNFOLD)
    settle(page)


def settle(page: Page) -> None:
    """Let the page draw what it has."""
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


def log_in(page: Page, origin: str, name: str) -> None:
    """Log in; returns when the Probe page is there."""
    page.goto(f"{origin}/login")
    page.locator('form[action="/login"]').get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.locator("#run").wait_for()


def empty_stops() -> list[Stop]:
    """Of an app that has nothing yet."""
    return [
        Stop("probe-empty", "/", ready="#history [data-part=empty]:not(:empty)"),
        Stop("compare-empty", "/compare/", ready="#sweep-history [data-part=empty]:not(:empty)"),
        Stop("strategies-empty", "/strategies/", ready="#strategies-history [data-part=empty]:not(:empty)"),
        Stop("annotate-empty", "/annotate/", ready="#annotate-page .m1-empty"),
        Stop("facts-empty", "/facts/", ready="#facts-form [data-part=empty]"),
        Stop("thinking-empty", "/thinking/", ready="#thinking-editor [data-part=empty]"),
        Stop("benchmarks-empty", "/benchmarks/", ready="#benchmarks-page [data-part=empty]"),
        Stop("studies-empty", "/studies/", ready="#studies-page [data-part=none]"),
        *_admin_tabs("empty"),
    ]


def full_stops(ids: dict[str, str]) -> list[Stop]:
    """Of an app with something of everything, whose `fill_home` has said the ids."""
    page = "#benchmarks-page"
    return [
        Stop("probe", "/", ready="#history tr[data-trace]"),
        Stop("probe-left-batch", "/", ready="#batch [data-part=go-on]:text('Ask the remaining 3')"),
        Stop(
            "trace",
            f"/?trace={ids['trace']}",
            ready="#trace-pane [data-part=result]",
        ),
        Stop("open-answer", f"/?trace={ids['open']}", ready="#open-verdict [data-part=model-verdict]"),
        Stop("compare", "/compare/", ready="#sweep-history tr[data-sweep]"),
        Stop("sweep", f"/compare/?sweep={ids['sweep']}", ready="#sweep-columns article"),
        Stop("narrow-columns", f"/compare/?sweep={ids['grid']}", ready="#sweep-columns article"),
        Stop("strategies", "/strategies/", ready="#strategies-history tr[data-run]"),
        Stop("strategies-run", f"/strategies/?run={ids['strategies']}", ready="#strategies-view .m1-picture"),
        Stop("annotate", "/annotate/", ready="#annotate-page tr[data-case]"),
        Stop("annotate-summary", tab="Summary", ready="#annotate-numbers .m1-bar-chart"),
        Stop("annotate-agreement", tab="Agreement"),
        Stop("annotate-case", f"/annotate/?case={ids['awkward']}", ready="#annotate-page [data-part=case]"),
        Stop("annotate-marked", f"/annotate/?case={ids['long']}", ready="#annotate-page [data-part=case]"),
        Stop("facts-form", f"/facts/?case={ids['awkward']}&from=0&to=5", ready="#facts-form [data-part=form]"),
        Stop("facts-test", f"/facts/?fact={ids['fact']}", ready="#facts-view tr[data-arm]"),
        Stop("thinking", f"/thinking/?case={ids['branch']}&from=0&to=9", ready="#thinking-editor [data-part=chosen]"),
        Stop("branch", f"/?trace={ids['branch']}", ready="#branch-tree [data-node]"),
        Stop("branches-compared", f"/compare/?branches={ids['branch']}", ready="#branch-columns article"),
        Stop("studies", "/studies/", ready="#studies-page [data-part=cost]:not(:empty)"),
        Stop("study", f"/studies/?study={ids['study']}", ready="#studies-page tr[data-claim]"),
        Stop(
            "studies-compared",
            f"/studies/?study={ids['study']}&with={ids['second_study']}",
            ready="#studies-page tr[data-compared]",
        ),
        Stop("benchmarks", f"/benchmarks/?run={ids['base']}", ready=f"{page} .m1-plot .main-svg"),
        Stop("benchmarks-table", tab="Table", ready=f"{page} [data-part=readings] td"),
        Stop("benchmarks-tags", tab="By tag", ready=f"{page} [data-pane=tags] td"),
        Stop("benchmarks-transitions", tab="Transitions", ready=f"{page} tr[data-way]"),
        Stop("benchmarks-questions", tab="Questions", ready=f"{page} tr[data-item]"),
        Stop("benchmarks-no-open-answers", tab="Open answers", ready=f"{page} [data-part=no-answers]"),
        Stop("benchmarks-without-passes", tab="Strategies", ready=f"{page} [data-part=no-strategies]"),
        Stop(
            "benchmarks-strategies",
            f"/benchmarks/?run={ids['pool']}&tab=strategies",
            ready=f"{page} [data-part=strategies-plot] .main-svg",
        ),
        Stop("benchmarks-fits", tab="Fits", ready=f"{page} [data-curve] .main-svg"),
        Stop(
            "benchmarks-open-answers",
            f"/benchmarks/?run={ids['open-run']}&tab=answers",
            ready=f"{page} [data-answer]",
        ),
        Stop(
            "job-benchmark",
            f"/admin/?job={ids['benchmark']}",
            ready="#admin-jobs [data-part=job]",
        ),
        Stop(
            "job-training",
            f"/admin/?job={ids['fine-tuning']}",
            ready="#admin-jobs [data-part=training-chart] .main-svg",
        ),
        *_admin_tabs("full"),
        Stop("account", "/account"),
    ]


def open_stops() -> list[Stop]:
    """What somebody sees who has not logged in."""
    return [Stop("login", "/login"), Stop("login-refused", "/login?key=nothing")]


def refused_stops() -> list[Stop]:
    """What somebody sees who may not manage."""
    return [Stop("admin-refused", "/admin/")]


def _admin_tabs(state: str) -> Iterator[Stop]:
    path = "/admin/"
    for tab, ready in _ADMIN_TABS.items():
        yield Stop(f"admin-{tab.split()[0].lower()}-{state}", path, tab, ready)
        path = ""
