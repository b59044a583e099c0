"""Studies' files: presets, and what is said about mistakes."""

import asyncio
from pathlib import Path

import pytest

from m1app.benchmark.paper_figures import paper_table
from m1app.studies.errors import InvalidStudyFile, StudyRefused
from m1app.studies.file_reading import parse_study
from m1app.studies.library import StudyLibrary
from m1app.studies.paper_numbers import accuracy_at, best_accuracy, number_of_claim
from m1app.studies.study_file import ClaimKind, Study
from tests.m1app.studies.study_cases import SMALL, study


def preset(name: str) -> Study:
    found = asyncio.run(StudyLibrary(Path("/nonexistent")).get(name)).study
    assert found is not None
    return found


def test_a_study_is_read_with_its_runs_claims_and_figures() -> None:
    found = study()
    assert (found.name, found.rule, found.price_per_million_tokens) == ("small", "strict", 2.0)
    assert [each.id for each in found.runs] == ["main", "forced"]
    assert found.claims[0].sides[1].model == "one"
    recipe = found.run("forced").recipe("x", {"five": "My five"}, {"one": "m1-7b"})
    assert (recipe.question_sets, recipe.models, recipe.force_rounds) == (("My five",), ("m1-7b",), (0, 1))
    assert {each.limit for each in found.limited(3).runs} == {3}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("budgets = [16, 32]", "tempature = 1", "run 'main', field tempature: unknown field"),
        ("budgets = [16, 32]\n", "", "run 'main', field budgets: missing; add it"),
        ("budgets = [16, 32]", 'budgets = ["16"]', "run 'main', field budgets, entry 1: found '16'"),
        ('kind = "gain"', 'kind = "win"', "claim 'helps', field kind: found 'win'"),
        ("second = { budget = 32 }", "second = { budget = 64 }", "field second: run 'main' has no budget of 64 tokens"),
        ("second = { budget = 32 }", "second = { budget = 32, force_rounds = 2 }", "does not force 2 rounds"),
        ("second = { budget = 32 }", 'second = { strategy = "vote:k=3" }', "run 'main' has no strategy 'vote:k=3'"),
        ("second = { budget = 32 }", "", "a claim of kind gain needs second; add it"),
        ("second = { budget = 32 }", "second = { budget = 32 }\nbeyond = { budget = 32 }", "does not use beyond"),
        ('question_sets = ["five"]', 'question_sets = ["six"]', "'six' is not a [[set]] of the study"),
        ('models = ["one"]', 'models = ["two"]', "'two' is not a [[model]] of the study"),
        ('runs = ["main"]', 'runs = ["none"]', "'none' is not a [[run]] of the study"),
        ('run = "main"', 'run = "none"', "field run: 'none' is not a [[run]] of the study"),
        ('id = "forced"', 'id = "main"', "run 'main' is defined more than once"),
        ('name = "small"', 'name = "Small Study"', "field name: found 'Small Study'"),
        ('rule = "strict"', 'protocol = "as published"', 'the published protocol scores by the rule "m1"'),
        ("budgets = [16, 32]", 'budgets = [16, 32]\nstrategies = ["nonsense"]', "run 'main', field temperature"),
        ('name = "small"', "name = ", "not valid TOML"),
        ("[[set]]", "[extension]\nquestions = 5\nwidth = 0.1\n[[set]]", "run 'main', field limit: a study with an"),
        ('name = "small"', 'name = "nul"', "field name: nul cannot be the name of a file on Windows"),
        ("size = 5", f"size = {'9' * 5000}", "not valid TOML"),
        ("size = 5", f"size = 0x{'f' * 6000}", "field size: found a number of thousands of digits"),
        ("= 2.0", "= 1e300", "field price_per_million_tokens: found 1e+300"),
        ("A small study", "A\\u0000study", "field title: it is shown in one line"),
        ('"five"', '"fi\\u202eve"', "field name: it is shown in one line"),
        ("No gain.", "No \\u001b[31mgain.", "field refuted_by: it has the control character U+001B at place 4"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_to_do(before: str, after: str, said: str) -> None:
    assert before in SMALL
    with pytest.raises(InvalidStudyFile) as caught:
        parse_study(SMALL.replace(before, after, 1), "mine.toml")
    assert said in str(caught.value)
    assert all(line.startswith("mine.toml") for line in str(caught.value).splitlines())


def test_a_strategy_that_does_not_exist_is_named() -> None:
    text = SMALL.replace("budgets = [16, 32]", 'budgets = [16, 32]\ntemperature = 0.6\nstrategies = ["nonsense"]', 1)
    with pytest.raises(InvalidStudyFile, match=r"run 'main', field strategies: .*nonsense"):
        parse_study(text, "mine.toml")


def test_a_file_that_is_too_long_or_too_deep_is_refused() -> None:
    with pytest.raises(InvalidStudyFile, match="expected at most 200,000"):
        parse_study("#" * 200_001, "mine.toml")
    with pytest.raises(InvalidStudyFile, match="not valid TOML"):
        parse_study("a = " + "[" * 50_000, "mine.toml")


def test_a_file_with_thousands_of_mistakes_is_refused_in_ten_short_lines() -> None:
    # Each mistake listed all sets, and all were collected before ten were kept: 20,000 of 40 kB for 180 kB of file.
    sets = "".join(f'[[set]]\nname = "{number:0200}"\n' for number in range(200))
    unknown = ", ".join(f'"{number}"' for number in range(200))
    run = f'question_sets = [{unknown}]\nmodels = ["one"]\nbudgets = [1]\n'
    runs = "".join(f'[[run]]\nid = "run-{number}"\n{run}' for number in range(100))
    with pytest.raises(InvalidStudyFile) as caught:
        parse_study(f'name = "many"\ntitle = "Many"\n{sets}[[model]]\nrole = "one"\n{runs}', "mine.toml")
    lines = str(caught.value).splitlines()
    assert len(lines) == 10
    assert all(len(line) < 5_000 for line in lines)


@pytest.mark.parametrize("part", ["a", '"a b"', "'a'", '"\\""', "a ", "a\t"])
def test_a_name_of_many_parts_which_takes_minutes_to_read_is_refused_at_once(part: str) -> None:
    for text in (".".join([part] * 20_000) + " = 1", "[" + ".".join([part] * 20_000) + "]"):
        with pytest.raises(InvalidStudyFile, match="line 3: a name of 16 parts or more"):
            parse_study(f"\n\n{text}", "mine.toml")
    assert parse_study(SMALL.replace("More thinking helps.", "a.b.c. d. e. f. g. h. i. j"), "mine.toml").claims


def test_a_study_of_too_many_parts_is_refused() -> None:
    sets = "".join(f'[[set]]\nname = "s{number}"\n' for number in range(72))
    asked = ", ".join(f'"s{number}"' for number in range(72))
    roles = "".join(f'[[model]]\nrole = "r{number}"\n' for number in range(70))
    played = ", ".join(f'"r{number}"' for number in range(70))
    run = f'[[run]]\nid = "main"\nquestion_sets = [{asked}]\nmodels = [{played}]\nbudgets = [16]\n'
    with pytest.raises(InvalidStudyFile, match=r"5,040 pairs of a set and a model, expected at most 5,000"):
        parse_study(f'name = "many"\ntitle = "Many"\n{sets}{roles}{run}', "mine.toml")


@pytest.mark.parametrize("name", ["m1-smoke", "m1-main", "m1-budget", "m1-force", "m1-data", "m1-knowledge"])
def test_every_preset_can_be_read(name: str) -> None:
    found = preset(name)
    assert found.name == name
    assert found.claims
    assert found.figures
    assert found.is_toy is (name == "m1-smoke")


def test_presets_cover_the_abstracts_claims() -> None:
    kinds = {
        claim.kind for name in ("m1-main", "m1-budget", "m1-force", "m1-knowledge") for claim in preset(name).claims
    }
    assert kinds == set(ClaimKind)
    forced = preset("m1-force").runs[0]
    assert (forced.budgets, forced.force_rounds) == ((8192,), (0, 1, 2, 4, 6, 8))


def test_the_papers_numbers_come_from_its_figure_and_table() -> None:
    found = preset("m1-main")
    row = next(each for each in paper_table() if each.model == "m1-7B-23K")
    assert best_accuracy(found, "7b-23k", ["MedQA"]) == row.accuracies["MedQA"] == 0.7581
    names = [each.name for each in found.question_sets]
    assert best_accuracy(found, "7b-23k", names) == pytest.approx(row.average, abs=0.0001)
    assert accuracy_at(found, "7b-23k", ["MedQA"], 512) == pytest.approx(0.696)
    assert accuracy_at(found, "7b-23k", ["MedQA"], 300) is None
    # 4,096 against 128 tokens on MedQA and NEJM: 75.81 - 64.65 and 62.52 - 57.21 points of 1,273 and 603 questions.
    claim = found.claims[0].model_copy(update={"question_sets": ("MedQA", "NEJM")})
    number = number_of_claim(found, claim)
    assert number is not None
    assert number.value == pytest.approx((0.1116 * 1273 + 0.0531 * 603) / 1876)
    assert "1,876 questions" in number.place
    assert number_of_claim(preset("m1-force"), preset("m1-force").claims[0]) is None


async def test_own_files_are_kept_checked_and_removed(tmp_path: Path) -> None:
    library = StudyLibrary(tmp_path / "studies")
    assert (await library.save(SMALL)).name == "small"
    assert (await library.get("small")).study == study()
    with pytest.raises(StudyRefused, match="There is already a study file named 'small'"):
        await library.save(SMALL)
    with pytest.raises(StudyRefused, match="the name of a preset"):
        await library.save(SMALL.replace('"small"', '"m1-main"'))
    (tmp_path / "studies" / "broken.toml").write_text("name = 1")
    (tmp_path / "studies" / "other.toml").write_text(SMALL)
    (tmp_path / "studies" / "m1-main.toml").write_text(SMALL)
    found = {each.name: each for each in await library.all()}
    assert "broken.toml, field name: found 1" in found["broken"].problem
    assert "give the file the name small.toml" in found["other"].problem
    assert "a preset has this name" in found["m1-main (own)"].problem
    assert found["m1-main"].is_preset
    with pytest.raises(InvalidStudyFile, match="field name: found 1"):
        await library.get("broken")
    await library.remove("small")
    with pytest.raises(StudyRefused, match=r"'small' not found. Available: m1-smoke, m1-main"):
        await library.get("small")
    with pytest.raises(StudyRefused, match="Presets cannot be removed"):
        await library.remove("m1-main")
