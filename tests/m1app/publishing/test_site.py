"""Sites made from stored runs: complete, without what must not be published, and inert."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markupsafe import Markup

from m1app.access.discarding import discard
from m1app.bootstrap import Services, build_services
from m1app.publishing import question_files
from m1app.publishing.errors import PublishRefused, PublishStopped
from m1app.publishing.pages import ExtraPage
from m1app.publishing.site import PublishedSite, SiteReport, annotator_letters
from m1app.settings import IdentifierMode, Settings
from storage.errors import RecordNotFound
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.trash.records import TrashKind
from tests.m1app.publishing.site_reading import data, everything, questions, rows
from tests.m1app.publishing.site_samples import (
    ANNOTATORS,
    FREE,
    FREE_SET,
    HOSTILE,
    SECRET,
    SECRET_SET,
    Stored,
    annotate,
    store_site_run,
)
from tests.storage.samples import begin, finish, think

_ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures("no_settings")


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    services = build_services(Settings(home=tmp_path / "home", engine_url="http://127.0.0.1:9", model=""))
    yield services
    await services.aclose()


async def publish(services: Services, target: Path, *runs: Stored, **changes: object) -> SiteReport:
    site = PublishedSite("A site", [run.run_id for run in runs], **changes)  # type: ignore[arg-type]
    return await services.sites.publish(site, target)


def tags_of(page: Path) -> list[tuple[str, dict[str, str | None]]]:
    found: list[tuple[str, dict[str, str | None]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: found.append((tag, dict(attrs)))  # type: ignore[method-assign]
    parser.feed(page.read_text(encoding="utf-8"))
    return found


async def test_every_question_has_its_answers_side_by_side(services: Services, tmp_path: Path) -> None:
    run = store_site_run(services.database, models=("m1-7b", "m1-32b"), free=3, secret=0)
    report = await publish(services, tmp_path / "site", run)
    assert (report.questions, len(report.sets)) == (3, 2)
    first, second, _ = questions(tmp_path / "site")
    assert (first["stem"], first["target"], first["tags"]) == (HOSTILE, "A", ["Glands"])
    assert [(each["source"], each["pass"]) for each in second["passes"]] == [(0, 0), (1, 0)]
    own = second["passes"][0]
    assert [(each["budget"], each["verdict"], each["letter"]) for each in own["cells"]] == [
        (128, "w", "B"),
        (512, "r", "A"),
    ]
    assert [kind for kind, _, _ in own["segments"]] == ["think", "wait", "think"]
    wrong, right = (own["answers"][each["answer"]] for each in own["cells"])
    assert (wrong["text"][:16], right["text"], right["shares"]) == (
        "The answer is B.",
        "The answer is A.",
        [["B", 0.75], ["A", 0.25]],
    )
    (flip,) = own["flips"]
    assert (flip["kind"], flip["letters"]) == ("wrong to right", ["B", "A"])
    assert flip["sentence"] == "So the answer is A."
    strategy = second["strategies"][0]
    assert (strategy["choice"], strategy["verdict"], strategy["letter"], strategy["generated"]) == (
        "vote:k=8",
        "r",
        "A",
        900,
    )


async def test_list_verdicts_and_words_lead_to_the_questions(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question_files, "ROWS", 4)
    monkeypatch.setattr(question_files, "_MOST_IN_A_FILE", 3)
    run = store_site_run(services.database, free=9, secret=2, failed=1)
    site = tmp_path / "site"
    await publish(services, site, run)
    facts = data(site, "site")
    assert (facts["questions"], facts["rows"]) == (11, 4)
    assert [(each["name"], each["first"], each["end"]) for each in facts["sets"]] == [
        (FREE_SET, 0, 9),
        (SECRET_SET, 9, 11),
    ]
    assert len(list((site / "data" / "list").iterdir())) == 3
    for number, (_, _, _, file, _) in enumerate(rows(site)):
        assert number in dict(data(site, f"question/{file}"))
    assert [row[2] for row in rows(site)] == [*range(1, 10), 1, 2]
    assert data(site, "verdicts/0-128-0") == "f" + "w" * 10
    assert data(site, "verdicts/0-512-0") == "f" + "r" * 10
    words = {word: places for shard in facts["words"] for word, places in data(site, f"words/{shard}")}
    assert words["cortisol"] == [1] * 8
    assert words["naive"] == [1] * 8  # As somebody without the key types it.
    assert words[questions(site)[10]["id"]] == [10]


async def test_texts_of_a_set_of_unknown_licence_are_nowhere_and_its_verdicts_stay(
    services: Services, tmp_path: Path
) -> None:
    run = store_site_run(services.database, free=1, secret=2)
    annotate(services.database, run.item_ids[1])
    site = tmp_path / "site"
    report = await publish(services, site, run, annotators=ANNOTATORS)
    assert [(each.name, each.has_texts) for each in report.sets] == [(FREE_SET, True), (SECRET_SET, False)]
    text = everything(site)
    assert "Quarterstaff" not in text and "Ward 7" not in text
    hidden = questions(site)[1]
    assert set(hidden) == {"id", "set", "place", "passes", "strategies"}
    (own,) = hidden["passes"]
    assert [set(each) for each in own["cells"]] == [{"budget", "rounds", "verdict", "tokens", "answer"}] * 2
    assert [set(each) for each in own["answers"].values()] == [{"tokens", "ended", "is_failed"}] * 2
    assert [set(each) for each in own["flips"]] == [{"kind", "tokens"}]
    assert "segments" not in own
    assert all("quote" not in mark and "comment" not in mark for mark in own["marks"])
    assert [mark["labels"] for mark in own["marks"]] == [["Incorrect fact"]] * 2
    assert "letter" not in hidden["strategies"][0]
    assert rows(site)[1][:3] == ["", 1, 1]


async def test_texts_are_shown_where_whoever_publishes_them_says_so(services: Services, tmp_path: Path) -> None:
    run = store_site_run(services.database, free=1, secret=2)
    report = await publish(services, tmp_path / "site", run, include_texts=[SECRET_SET])
    assert questions(tmp_path / "site")[1]["stem"] == f"{SECRET}, day 0?"
    assert {name: dict(counts) for name, counts in report.findings.items()} == {SECRET_SET: {"name": 2}}
    with pytest.raises(PublishRefused, match=rf"'MedQA' is in none of these runs.*{FREE_SET}, {SECRET_SET}"):
        await publish(services, tmp_path / "other", run, include_texts=["MedQA"])


async def test_a_licence_is_not_that_of_what_was_asked_under_the_name_before(
    services: Services, tmp_path: Path
) -> None:
    run = store_site_run(services.database, free=1, secret=2)
    with services.database.session() as session:
        discard(session, TrashKind.QUESTION_SET, QuestionSetRepository(session).get(SECRET_SET).id)
        other = [NewQuestion(stem="Which gland?", options={"A": "a", "B": "b"}, target="A")]
        QuestionSetRepository(session).add(SECRET_SET, FREE, "m1", "", other)
    report = await publish(services, tmp_path / "site", run)
    assert [(each.name, each.has_texts) for each in report.sets] == [(FREE_SET, True), (SECRET_SET, False)]
    assert report.sets[1].reason == "its licence is unknown: the set is no longer stored here"
    assert "Quarterstaff" not in everything(tmp_path / "site")


async def test_identifiers_that_are_blocked_are_not_published(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", engine_url="http://127.0.0.1:9", identifiers=IdentifierMode.BLOCK)
    services = build_services(settings)
    try:
        run = store_site_run(services.database, free=1, secret=0)
        write_to = [
            NewQuestion(stem="Write to mr.quarterstaff@ward.example: why?", options={"A": "a", "B": "b"}, target="A")
        ]
        run = store_site_run(services.database, name="Blocked", free=1, secret=0, others=write_to)
        with pytest.raises(
            PublishRefused, match=f"Question 1 of {SECRET_SET} may identify a person, and M1_IDENTIFIERS"
        ):
            await publish(services, tmp_path / "site", run, include_texts=[SECRET_SET])
        open_question = NewQuestion(stem="Why does he cough?", options={}, target=None)
        run = store_site_run(services.database, name="Open", free=1, secret=0, others=[open_question])
        with services.database.session() as session:
            (question_id,) = QuestionRepository(session).upsert_all([open_question])
            QuestionRepository(session).set_reference(question_id, "He asks mr.quarterstaff@ward.example.")
        with pytest.raises(PublishRefused, match=f"Question 1 of {SECRET_SET} may identify a person"):
            await publish(services, tmp_path / "site", run, include_texts=[SECRET_SET])
        assert not (tmp_path / "site").exists()
    finally:
        await services.aclose()


async def test_annotators_are_letters_and_only_those_who_agreed_are_shown(services: Services, tmp_path: Path) -> None:
    run = store_site_run(services.database, free=2, secret=0)
    annotate(services.database, run.item_ids[1])
    first, second = tmp_path / "first", tmp_path / "second"
    assert (await publish(services, first, run)).marks == 0
    assert "Lovelace" not in everything(first) and "Said by" not in everything(first)
    report = await publish(services, second, run, annotators=[ANNOTATORS[1]])
    assert report.marks == 1
    text = everything(second)
    assert not [name for name in ANNOTATORS if name in text or name.split()[1] in text]
    (mark,) = questions(second)[1]["passes"][0]["marks"]
    assert (mark["who"], mark["quote"], mark["comment"]) == ("A", "thyroid", f"Said by {HOSTILE}")
    assert rows(second)[1][4] == 1
    with pytest.raises(PublishRefused, match=r"Nobody has annotated as 'Mallory'\. Annotators: Ada Lovelace, Eve"):
        await publish(services, second, run, annotators=["Mallory"])


def test_letters_go_on_after_z() -> None:
    letters = list(annotator_letters([str(number) for number in range(703)]).values())
    assert (letters[0], letters[25], letters[26], letters[27], letters[701], letters[702]) == (
        "A",
        "Z",
        "AA",
        "AB",
        "ZZ",
        "AAA",
    )


async def test_runs_stand_side_by_side_and_what_people_probed_is_in_none(services: Services, tmp_path: Path) -> None:
    trace = begin(services.database, NewQuestion(stem="A private question of mine?"))
    finish(services.database, trace, think("A private thought."))
    runs = [store_site_run(services.database, name=name, free=2, secret=1) for name in ("Base", "Tuned")]
    site = tmp_path / "site"
    assert (await publish(services, site, *runs)).questions == 3
    assert "private" not in everything(site)
    assert [each["name"] for each in data(site, "site")["sources"]] == ["m1-7b · Base", "m1-7b · Tuned"]
    assert [each["source"] for each in questions(site)[0]["passes"]] == [0, 1]
    assert "Report: Tuned" in (site / "index.html").read_text(encoding="utf-8")
    assert (site / "report-2.html").exists()


async def test_what_an_engine_said_of_itself_is_not_published(services: Services, tmp_path: Path) -> None:
    run = store_site_run(services.database, failed=1)
    await publish(services, tmp_path / "site", run)
    assert "engine.internal" not in everything(tmp_path / "site")


async def test_pages_say_what_more_thinking_changed_and_load_nothing_from_elsewhere(
    services: Services, tmp_path: Path
) -> None:
    run = store_site_run(services.database, name=HOSTILE, models=(HOSTILE,), free=3, secret=0)
    site = tmp_path / "site"
    extra = ExtraPage("claims", "Claims", Markup("<p>Thinking helps.</p>"), warning="These verdicts mean nothing.")
    await publish(services, site, run, extra_pages=[extra])
    overview = (site / "index.html").read_text(encoding="utf-8")
    assert (
        '<a href="questions.html#source=0&amp;before=128-0&amp;after=512-0&amp;verdict=wrong-right">3</a>' in overview
    )
    assert 'These verdicts mean nothing. <a href="claims.html">Claims</a>' in overview
    assert "<p>Thinking helps.</p>" in (site / "claims.html").read_text(encoding="utf-8")
    for page in site.glob("*.html"):
        tags = tags_of(page)
        (policy,) = [attributes["content"] for tag, attributes in tags if "http-equiv" in attributes]
        assert str(policy).startswith("default-src 'none'; script-src 'self';")
        assert {tag for tag, _ in tags} & {"img", "iframe", "object"} == set()
        assert [attributes["src"] for _, attributes in tags if "src" in attributes] == ["assets/site.js"]
        assert all(
            str(each.get("type")) == "application/json" for tag, each in tags if tag == "script" and "src" not in each
        )
        links = {str(each["href"]).partition("#")[0] for _, each in tags if "href" in each}
        assert all(not each or (site / each).is_file() for each in links)
        assert not {name for _, attributes in tags for name in attributes if name.startswith("on")}
    manifest = json.loads((site / "site.json").read_text(encoding="utf-8"))
    assert (manifest["made_by"], manifest["runs"], manifest["questions"]) == ("m1app publish", [run.run_id], 3)


async def test_a_run_whose_traces_were_removed_keeps_its_verdicts(services: Services, tmp_path: Path) -> None:
    run = store_site_run(services.database, free=1, secret=0)
    await services.erasure.erase_trace((await services.sweeps.get(run.item_ids[0])).passes[0].trace.id)
    await publish(services, tmp_path / "site", run)
    (own,) = questions(tmp_path / "site")[0]["passes"]
    assert [each["verdict"] for each in own["cells"]] == ["w", "r"]
    assert "segments" not in own


async def test_a_stopped_site_leaves_nothing(services: Services, tmp_path: Path) -> None:
    run, stopping = store_site_run(services.database, free=30), asyncio.Event()
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        if done:
            stopping.set()

    site = PublishedSite("A site", [run.run_id])
    with pytest.raises(PublishStopped, match="Stopped; nothing was written"):
        await services.sites.publish(site, tmp_path / "out" / "site", on_progress=stop, is_stopping=stopping)
    assert seen == [(0, 32), (20, 32)]
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"title": " "}, "needs a title"),
        ({"runs": []}, "Name at least one benchmark run"),
        ({"extra_pages": [ExtraPage("index", "x", Markup())]}, "'index' is not a valid page name"),
        ({"extra_pages": [ExtraPage("../x", "x", Markup())]}, "is not a valid page name"),
        (
            {"extra_pages": [ExtraPage("a", "x", Markup()), ExtraPage("a", "y", Markup())]},
            "'a' is not a valid page name",
        ),
    ],
)
def test_what_makes_no_site_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(PublishRefused, match=words):
        PublishedSite(**({"title": "A site", "runs": ["r"]} | changes)).check()  # type: ignore[arg-type]


async def test_an_unknown_run_is_refused_before_anything_is_made(services: Services, tmp_path: Path) -> None:
    with pytest.raises(RecordNotFound):
        await services.sites.publish(PublishedSite("A site", ["0" * 32]), tmp_path / "out" / "site")
    assert not (tmp_path / "out").exists()


def test_verdicts_have_the_colours_of_the_app() -> None:
    """Those of a site were green and red, which colour-blind readers confuse."""
    site, app = (
        (_ROOT / "m1app" / path).read_text(encoding="utf-8")
        for path in ("publishing/page/site.css", "ui/shell/theme.css")
    )
    for name in ("right", "right-soft", "wrong", "wrong-soft"):
        in_app = re.findall(rf"--m1-{name}: (#\w+);", app)
        assert len(in_app) == 2
        assert re.findall(rf" --{name}: (#\w+);", site)[:2] == in_app


async def test_the_beginning_of_a_long_question_says_that_it_goes_on(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question_files, "_BEGINNING", 12)
    run = store_site_run(services.database, free=2, secret=0)
    await publish(services, tmp_path / "site", run)
    assert rows(tmp_path / "site")[1][0] == "Case 1: whi\N{HORIZONTAL ELLIPSIS}"
