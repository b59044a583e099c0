import pytest

from m1app.strategies.catalogue import choose, parse
from m1app.strategies.errors import StrategyRefused
from m1app.strategies.kinds import KINDS
from m1app.strategies.prompts import fill
from tests.m1app.strategies.scripted import a_task
from tests.m1app.strategies.test_policy import a_policy


def test_choices_are_read_as_they_are_written():
    found = parse(" vote:k=4, adaptive-vote:k=8:share=0.8 ,vote:k=4")
    assert [each.text for each in found] == ["vote:k=4", "adaptive-vote:k=8:share=0.8"]
    assert parse(found[1].text) == found[1:]
    assert found[0].title == "Vote (passes 4)"
    assert choose("trimr").title.startswith("Trimmed by a verifier (repeated conclusions 2"), "no judge is named"


def test_options_that_came_later_are_written_only_where_they_are_set():
    found = parse("vote:k=4:rounds=1,vote:k=4:rounds=0,adaptive-vote:rule=beta")
    assert [each.text for each in found] == ["vote:k=4:rounds=1", "vote:k=4", "adaptive-vote:k=8:share=0.75:rule=beta"]
    assert [each.title for each in found[:2]] == ["Vote (passes 4, forced rounds 1)", "Vote (passes 4)"]
    assert parse(",".join(each.text for each in found)) == found


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("adaptive-vote:k=8:share=0.6666669", "adaptive-vote:k=8:share=0.6666669"),
        ("adaptive-vote:k=8:share=0.8000004", "adaptive-vote:k=8:share=0.8000004"),
        # As it always was: what is stored keeps its name.
        ("adaptive-vote:k=8:share=1.0", "adaptive-vote:k=8:share=1"),
        ("deepconf:percentile=12.5", "deepconf:k=8:warmup=4:window=128:percentile=12.5"),
        ("heimdall:alpha=0.12345678", "heimdall:n=4:m=2:tokens=128:alpha=0.12345678:judge="),
        ("heimdall:alpha=1e-7", "heimdall:n=4:m=2:tokens=128:alpha=1e-07:judge="),
    ],
)
def test_a_number_is_written_so_that_it_is_read_back_as_it_was(written, kept):
    (choice,) = parse(written)
    assert choice.text == kept
    assert parse(choice.text) == (choice,)


def test_two_numbers_that_differ_little_are_two_strategies():
    assert len(parse("heimdall:alpha=1.0000001,heimdall:alpha=1")) == 2


@pytest.mark.parametrize(("written", "forced"), [("vote:k=1", 3), ("vote:k=1:rounds=2", 2), ("budget-forcing", 3)])
def test_a_choice_forces_its_own_rounds_or_those_of_the_run(written, forced):
    (choice,) = parse(written)
    (start,) = next(choice.start(a_task(force_rounds=3)))
    assert start.request.force_rounds == forced


def test_a_models_name_may_have_what_separates_choices():
    chosen = choose("best-of-n", {"judge": "me/judge:Q4_K_M, 50%3A"})
    assert chosen.text.endswith(":judge=me/judge%3AQ4_K_M%2C 50%253A")
    assert parse(f"vote,{chosen.text}")[1] == chosen
    assert "judge me/judge:Q4_K_M, 50%3A" in chosen.title
    assert parse("best-of-n:judge=a%b")[0].options["judge"] == "a%b", "other signs are taken as they are"


@pytest.mark.parametrize("judge", ["m1-7B @ 127.0.0.1:8001", "m1-7B @ [::1]:8001", "llama3:8b"])
def test_a_model_with_colons_in_its_name_can_be_chosen(judge):
    (found,) = parse(f"best-of-n:judge={judge}:n=2")
    assert (found.options["judge"], found.options["n"]) == (judge, 2)
    assert parse(found.text) == (found,)
    assert choose("best-of-n", {"judge": judge, "n": 2}).text == found.text


@pytest.mark.parametrize(
    "text", ["x" * 10_000, "vote:" + "x" * 10_000, f"vote:{'x' * 10_000}=1", "trimr:judge=" + "x" * 401]
)
def test_a_refusal_quotes_little(text):
    with pytest.raises(StrategyRefused) as refused:
        parse(text)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "No strategy is named"),
        ("lottery", "There is no strategy named 'lottery'. Choose one of budget-forcing, vote"),
        ("vote:8", "write it as name=value"),
        ("vote:k=8:9", "'9' in 'vote:k=8:9' is not an option"),
        ("trimr:judge=a\ud800b", "all of them printable"),
        ("trimr:judge=a\0b", "all of them printable"),
        ("vote:n=8", "Vote has no option named 'n'. Its options are k, rounds."),
        ("vote:rounds=9", "Forced rounds of Vote is 9; enter a whole number from 0 to 8."),
        ("first-finish:rounds=1", "First to finish has no option named 'rounds'."),
        ("adaptive-vote:rule=luck", "Rule of Vote until clear is luck; choose one of share, beta."),
        ("vote:k=0", "Passes of Vote is 0; enter a whole number from 1 to 128."),
        ("vote:k=2.5", "Passes of Vote is 2.5; enter a whole number"),
        ("vote:k=many", "Passes of Vote is many"),
        ("plan-and-budget:schedule=steep", "Schedule of Plan and budget is steep; choose one of constant, linear,"),
        ("adaptive-vote:share=nan", "Clear from of Vote until clear is nan"),
    ],
)
def test_what_cannot_be_chosen_is_named(text, said):
    with pytest.raises(StrategyRefused) as refused:
        parse(text)
    assert said in str(refused.value)


def test_an_open_question_is_refused_where_options_are_compared():
    with pytest.raises(StrategyRefused, match="this question has none"):
        choose("weighted-vote").start(a_task(options={}))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_strategy_starts_with_its_defaults(kind):
    strategy = choose(kind.name).start(a_task(budget_tokens=50_000, policies={"": a_policy()}))
    assert next(strategy)
    strategy.close()
    assert kind.summary.endswith(".")
    assert kind.source


def test_a_prompt_is_filled_once(tmp_path, monkeypatch):
    (tmp_path / "some.toml").write_text('source = "x"\nask = "Q: {question} {\\"json\\": 1}"', encoding="utf-8")
    monkeypatch.setattr("m1app.strategies.prompts.files", lambda _: tmp_path)
    assert fill("some", "ask", question="{answer}?") == 'Q: {answer}? {"json": 1}'
    with pytest.raises(KeyError):
        fill("some", "ask")
