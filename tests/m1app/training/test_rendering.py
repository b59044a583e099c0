"""Rendered samples against what the app sends when it asks the model: profile by profile."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from m1app.question.answers.scoring import lead_in, score
from m1app.question.wording import render_question
from m1app.training.errors import NoChatTemplate
from m1app.training.rendering import (
    Messages,
    RenderedSample,
    closes_thinking_itself,
    end_of_turn,
    holds_delimiter,
    render,
    render_all,
    stand_in_messages,
)
from m1app.training.samples import TrainingSample
from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.engine.protocol import ChatMessage
from models.profiles import Profile, load_profiles
from models.thinking.budget_forcing import Generate, Generated, Insert, SegmentKind, thinking_pass
from models.thinking.prompting import bind_markers, build_prompt
from tests.m1app.training.training_cases import SAMPLE, a_sample

PROFILES = list(load_profiles())
OPEN = a_sample(options={}, target=None, question="Why is bile green {options}?", answer="Biliverdin is.")
IDS = [profile.id for profile in PROFILES]


def chatml(messages: Messages) -> str:
    """A chat template as an instruct model has it."""
    turns = "".join(f"<|im_start|>{each['role']}\n{each['content']}<|im_end|>\n" for each in messages)
    return f"{turns}<|im_start|>assistant\n"


def rendered(profile: Profile, sample: TrainingSample = SAMPLE) -> RenderedSample:
    return render(sample, profile, "as-asked", chatml, end_of_turn(profile))


def profile_of(profile_id: str) -> Profile:
    return load_profiles().get(profile_id)


@pytest.fixture
async def engine(embedded_endpoint: Endpoint) -> AsyncIterator[OpenAIEngine]:
    async with aclosing(OpenAIEngine(lambda: embedded_endpoint)) as engine:
        yield engine


@pytest.mark.engine
@pytest.mark.parametrize("profile", PROFILES, ids=IDS)
@pytest.mark.parametrize("sample", [SAMPLE, OPEN], ids=["options", "open"])
async def test_tokens_are_those_that_the_app_sends(
    engine: OpenAIEngine, profile: Profile, sample: TrainingSample
) -> None:
    asked = stand_in_messages(profile)
    template = await engine.apply_chat_template([ChatMessage(each["role"], each["content"]) for each in asked])
    made = render(sample, profile, "as-asked", lambda _: template, end_of_turn(profile))
    user = render_question(profile.prompt, sample.question, sample.options)
    prompt = await build_prompt(engine, profile, profile.chat.default_system, user)
    markers = await bind_markers(engine, profile)
    parts = dict(made.parts)
    assert made.prompt == prompt.text
    assert (parts["open"], parts["close"]) == (markers.opening.text, markers.natural_close.text)

    # The pass of the app, answered with what the sample says, sends what the sample trains on.
    reasoning = await engine.tokenize(parts["reasoning"], parse_special=True)
    steps = thinking_pass(prompt.token_ids, markers, budget_tokens=4096, force_rounds=0, answer_cap_tokens=64)
    first = next(steps)
    assert isinstance(first, Generate)
    opened = await engine.tokenize(parts["open"], parse_special=True)
    assert first.prompt_ids == prompt.token_ids + opened
    closing = steps.send(Generated(parts["reasoning"], reasoning, is_natural_stop=True))
    assert isinstance(closing, Insert)
    assert (closing.kind, closing.marker.text) == (SegmentKind.CLOSE, parts["close"])
    last = steps.send(None)
    assert isinstance(last, Generate)
    pieces = [await engine.tokenize(text, parse_special=True) for kind, text in made.parts[:3]]
    assert last.prompt_ids == prompt.token_ids + sum(pieces, ())


@pytest.mark.engine
@pytest.mark.parametrize("profile_id", ["m1", "plain-chatml", "plain"])
async def test_no_token_spans_two_pieces_where_the_model_has_the_delimiters(
    engine: OpenAIEngine, profile_id: str
) -> None:
    made = rendered(profile_of(profile_id))
    texts = (made.prompt, *(text for _, text in made.parts))
    apart = sum([await engine.tokenize(text, parse_special=True) for text in texts], ())
    assert await engine.tokenize(made.prompt + made.completion, parse_special=True) == apart


@pytest.mark.parametrize("profile", PROFILES, ids=IDS)
def test_parts_are_the_completion_and_hold_the_whole_sample(profile: Profile) -> None:
    made = rendered(profile)
    assert "".join(text for _, text in made.parts) == made.completion
    assert [kind for kind, _ in made.parts] == ["open", "reasoning", "close", "answer", "end"]
    parts = dict(made.parts)
    assert parts["reasoning"].strip() == SAMPLE.reasoning
    assert SAMPLE.answer in parts["answer"]
    assert parts["end"] in profile.answer.stop_tokens
    assert SAMPLE.reasoning not in made.prompt


@pytest.mark.parametrize("profile", PROFILES, ids=IDS)
@pytest.mark.parametrize("answer", ["It is the cortex.", "The answer is A.", "\\boxed{A}"])
def test_answer_says_the_target_as_the_scorer_will_read_it(profile: Profile, answer: str) -> None:
    made = dict(rendered(profile, a_sample(answer=answer)).parts)["answer"]
    said = lead_in(profile.thinking.natural_close) + made
    assert score(said, SAMPLE.options, "A").is_correct
    assert answer in made


def test_answer_in_the_form_that_the_prompt_asks_for_is_left_alone() -> None:
    boxed = dict(rendered(profile_of("m1"), a_sample(answer="So \\boxed{A}")).parts)["answer"]
    stated = dict(rendered(profile_of("medgemma"), a_sample(answer="The answer is A.")).parts)["answer"]
    assert (boxed, stated) == ("\nSo \\boxed{A}", "The answer is A.")


def test_m1_is_rendered_as_it_is_asked() -> None:
    sample = a_sample(answer="\\boxed{A}", options={"A": "one", "B": "two"}, question="Which?", reasoning="\nHm.\n")
    made = rendered(profile_of("m1"), sample)
    assert made.prompt == (
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nWhich?\nA. one\nB. two\nReturn your final response within \\boxed{}.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert made.completion == "<|im_start|>think\nHm.\n<|im_start|>answer\n\\boxed{A}<|im_end|>"


@pytest.mark.parametrize(
    ("answer", "written"),
    [
        ("\\boxed{A} ", "Answer: \\boxed{A}"),
        ("So it is.\n\nAnswer: A", "So it is.\n\nAnswer: A"),
        ("Answer:A", "Answer:A"),
        ("The answer: A", "Answer: The answer: A"),
        ("It is the cortex.", "Answer: It is the cortex."),
    ],
)
def test_m1s_own_data_are_rendered_as_its_own_script_does(answer: str, written: str) -> None:
    sample = a_sample(answer=answer, options={"A": "one", "B": "two"}, question="Which?", reasoning="\nHm.\n")
    made = render(sample, profile_of("m1"), "own-data", chatml, "<|im_end|>")
    assert made.prompt == (
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nWhich?\nA. one\nB. two<|im_end|>\n<|im_start|>assistant\n"
    )
    assert made.completion == f"<|im_start|>think\nHm.\n<|im_start|>answer\n{written}<|im_end|>\n"


def test_a_profile_without_data_of_its_own_is_rendered_as_it_is_asked() -> None:
    profile = profile_of("think-qwen3")
    assert render(SAMPLE, profile, "own-data", chatml, "<|im_end|>") == rendered(profile)


@pytest.mark.parametrize(
    ("profile_id", "is_learned"), [("m1", True), ("think-qwen3", True), ("huatuo-o1", True), ("plain-chatml", False)]
)
def test_only_a_closing_that_begins_with_a_stop_is_learned_as_one(profile_id: str, is_learned: bool) -> None:
    assert closes_thinking_itself(profile_of(profile_id)) is is_learned


def test_base_model_without_a_chat_template_is_refused_with_advice() -> None:
    def none(_: Messages) -> str:
        raise ValueError("tokenizer.chat_template is not set")

    with pytest.raises(NoChatTemplate, match=r"The base model has no usable chat template .* such as m1"):
        render(SAMPLE, profile_of("plain"), "as-asked", none, "</s>")


@pytest.mark.parametrize("template", ["", "M1APPUSERSTANDIN M1APPUSERSTANDIN"])
def test_chat_template_that_drops_or_repeats_the_question_is_refused(template: str) -> None:
    with pytest.raises(NoChatTemplate, match="does not contain the question exactly once"):
        render(SAMPLE, profile_of("plain"), "as-asked", lambda _: template, "</s>")


def test_profile_with_a_template_asks_no_base_model() -> None:
    def never(_: Messages) -> str:
        raise AssertionError

    assert render(SAMPLE, profile_of("m1"), "as-asked", never, "<|im_end|>").prompt


@pytest.mark.parametrize("text", ["a <|im_end|> b", "<think> so", "x <｜User｜> y", "</s>", "<unused94>"])
@pytest.mark.parametrize("field", ["question", "reasoning", "answer"])
def test_spelled_special_token_is_seen(field: str, text: str) -> None:
    assert holds_delimiter(replace(SAMPLE, **{field: text}), profile_of("m1"))


def test_comparison_signs_are_no_special_token() -> None:
    assert not holds_delimiter(a_sample(reasoning="p < 0.05 and x <|> y, |a| > 3, <b>bold</b>"), profile_of("m1"))


def test_what_cannot_be_trained_on_whole_is_dropped_and_counted() -> None:
    profile = profile_of("m1")
    samples = [SAMPLE, a_sample(question="Spelled <|im_end|>?")]
    made = render_all(samples, profile, "as-asked", chatml, "<|im_end|>")
    assert made.samples == (rendered(profile),)
    # Nobody has counted tokens here: a report of lengths would be made up.
    assert [(each.step, each.before, each.kept) for each in made.reports] == [("delimiters", 2, 1)]
    assert made.reports[0].examples == ("Spelled <|im_end|>?",)


@pytest.mark.parametrize("profile", PROFILES, ids=IDS)
def test_several_right_options_are_asked_for_and_said_as_the_scorer_will_read_them(profile: Profile) -> None:
    sample = a_sample(target="A, C", answer="Both make hormones.")
    made = rendered(profile, sample)
    assert "all correct options" in made.prompt
    said = lead_in(profile.thinking.natural_close) + dict(made.parts)["answer"]
    assert score(said, sample.options, "A, C").is_correct
