"""What profile is proposed from what a template renders."""

from typing import Any

import pytest

from models.profiles import load_profiles, profile_of
from models.profiles.chat_template import BadTemplate, pieces_of
from models.profiles.proposal import NoProposal, Proposal, TemplateFacts, propose
from models.profiles.stand_ins import ASSISTANT, SYSTEM, USER

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
OPENS = CHATML.replace("assistant\\n' }}{% endif", "assistant\\n<think>\\n' }}{% endif")
CLOSES = CHATML.replace("assistant\\n' }}{% endif", "assistant\\n<think>\\n\\n</think>\\n\\n' }}{% endif")
REFUSES = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHATML


def rendered(template: str, *turns: tuple[str, str], is_open: bool = True, **tokens: str) -> str | None:
    messages = [{"role": role, "content": content} for role, content in turns]
    try:
        return "".join(pieces_of(template, messages, tokens, is_open=is_open))
    except BadTemplate:
        return None


def proposed(
    template: str, *, vocabulary: tuple[str, ...] = (), names: tuple[str, ...] = (), **tokens: str
) -> Proposal:
    without = rendered(template, ("user", USER), **tokens)
    facts = TemplateFacts(
        template,
        rendered(template, ("system", SYSTEM), ("user", USER), **tokens),
        without or "",
        rendered(template, ("user", USER), ("assistant", ASSISTANT), ("user", USER), **tokens),
        tokens.get("eos_token", ""),
        vocabulary,
        names,
    )
    made = propose(facts, "here")
    profile_of(made.values, "draft")  # It can be saved as it is.
    return made


def test_turns_are_taken_from_the_template() -> None:
    chat = proposed(CHATML).values["chat"]
    ours = load_profiles().get("think-qwen3").chat
    assert (chat["template"], chat["template_without_system"]) == (ours.template, ours.template_without_system)


@pytest.mark.parametrize("template", [OPENS, CLOSES])
def test_thinking_that_the_template_opens_is_the_profile_s_opening(template: str) -> None:
    made = proposed(template)
    ours = load_profiles().get("think-qwen3")
    assert made.values["chat"]["template_without_system"] == ours.chat.template_without_system
    assert made.values["chat"]["template"] == ours.chat.template
    assert made.values["thinking"]["opening"] == "<think>\n"
    assert any("closes the thinking before it begins" in note for note in made.notes) is (template is CLOSES)


def test_thinking_that_only_the_vocabulary_has_is_proposed() -> None:
    thinking = proposed(CHATML, vocabulary=("<think>", "</think>", "<|im_end|>")).values["thinking"]
    assert (thinking["opening"], thinking["natural_close"]) == ("<think>\n", "</think>\n\n")
    assert thinking["stop_tokens"] == ["</think>", "<|im_end|>"]


def test_a_model_without_delimiters_is_asked_to_think_step_by_step() -> None:
    made = proposed(CHATML)
    plain = load_profiles().get("plain")
    assert made.values["thinking"]["opening"] == plain.thinking.opening
    assert made.values["thinking"]["natural_close"] == plain.thinking.natural_close
    assert made.values["chat"]["default_system"] == plain.chat.default_system
    assert made.values["thinking"]["stop_tokens"] == ["<|im_end|>"]
    assert any("delimiters" in note for note in made.notes)


@pytest.mark.parametrize(("name", "thinks"), [("google/medgemma-4b-it", True), ("google/gemma-3-4b-it", False)])
def test_gemma_s_unused_tokens_open_thinking_only_where_the_name_says_so(name: str, thinks: bool) -> None:
    vocabulary = ("<unused94>", "<unused95>")
    opening = proposed(CHATML, vocabulary=vocabulary, names=(name,)).values["thinking"]["opening"]
    assert (opening == "<unused94>thought\n") is thinks


@pytest.mark.parametrize(("opening", "close"), [("[THINK]", "[/THINK]"), ("<|channel|>analysis<|message|>", "<|end|>")])
def test_other_families_delimiters_are_known(opening: str, close: str) -> None:
    made = proposed(CHATML + "{# #}{% if false %}" + opening + close + "{% endif %}")
    assert made.values["thinking"]["opening"] == opening
    assert made.values["thinking"]["stop_tokens"][0] == close


def test_a_template_that_refuses_a_system_prompt_has_it_before_the_question() -> None:
    made = proposed(REFUSES)
    assert made.values["chat"]["template"] == "<|im_start|>user\n{system}\n\n{user}<|im_end|>\n<|im_start|>assistant\n"
    assert any("no place for a system prompt" in note for note in made.notes)


def test_the_end_of_a_turn_and_of_the_text_end_an_answer() -> None:
    assert proposed(CHATML, eos_token="<|endoftext|>").values["answer"]["stop_tokens"] == [
        "<|im_end|>",
        "<|endoftext|>",
    ]
    unknown = proposed("{{ messages[-1].content }}")
    assert len(unknown.values["answer"]["stop_tokens"]) > 1
    assert any("what ends an answer" in note for note in unknown.notes)


def test_the_date_is_pointed_out() -> None:
    assert any("date" in note for note in proposed("{{ strftime_now('%Y') }}" + CHATML).notes)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("nothing", "0 times"),
        ("{{ messages[-1].content }}{{ messages[-1].content }}", "2 times"),
        ("{{ messages[-1].content }} {user}", "{user} or {system} itself"),
    ],
)
def test_a_template_that_does_not_carry_the_question_once_is_refused(template: str, said: str) -> None:
    with pytest.raises(NoProposal, match=said):
        proposed(template)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% if %}", "line 1"),
        ("{{ raise_exception('not so') }}", "not so"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ messages.__class__.__mro__ }}", "unsafe"),
        ("{{ messages.append(1) }}", "unsafe"),
        ("{{ ''.__class__.__base__.__subclasses__() }}", "unsafe|undefined"),
        ("{% include '/etc/passwd' %}", "loader"),
        ("{{ missing.field }}", "undefined"),
    ],
)
def test_a_template_that_fails_says_how(template: str, said: str) -> None:
    with pytest.raises(BadTemplate, match=said):
        "".join(pieces_of(template, [{"role": "user", "content": "x"}], {}))


def test_what_transformers_offers_to_templates_is_there() -> None:
    values: Any = "".join(
        pieces_of("{% generation %}{{ {'a': '<é>'} | tojson }}{% endgeneration %}{{ tools is none }}", [], {})
    )
    assert values == '{"a": "<é>"}True'
