"""Samples dealt out to learning and evaluation, rendered as the base wants it."""

from dataclasses import replace

import pytest

from m1app.training.base_model import BaseModel
from m1app.training.errors import NoChatTemplate
from m1app.training.recipe import TrainingRecipe
from m1app.training.samples import TrainingSample
from m1app.training.training_rows import choose_profile, row_of, split_rows, template_of
from models.errors import UnknownModel
from models.profiles import load_profiles
from models.weights.catalog import Catalog

PROFILES = load_profiles()
LLAMA_TEMPLATE = (
    "{% for message in messages %}\n<|start|>{{ message.role }}<|sep|>{{ message.content }}<|eot_id|>\n{% endfor %}\n"
    "{% if add_generation_prompt %}<|start|>assistant<|sep|>{% endif %}"
)
SAMPLES = [
    TrainingSample(f"What helps in case {number}?", {"A": "Rest", "B": "Work"}, "A", "It is tired.", "A. Rest")
    for number in range(20)
]


def base(template: str = "", model_id: str = "smollm2-135m") -> BaseModel:
    try:
        entry = Catalog.load().get(model_id)
    except UnknownModel:
        entry = None
    return BaseModel(model_id, "folder", f"/models/{model_id}", "", None, None, 8192, template, entry)


def recipe(**changes: object) -> TrainingRecipe:
    return TrainingRecipe.of_preset("cpu-trial", "smollm2-135m", "traces", **changes)


@pytest.mark.parametrize(
    ("model_id", "template", "asked", "profile"),
    [
        ("smollm2-135m", "", "", "m1"),
        ("smollm2-135m", "", "plain-chatml", "plain-chatml"),
        ("qwen3-0.6b", "", "", "think-qwen3"),
        ("somebodys-llama", LLAMA_TEMPLATE, "", "plain"),
        ("somebodys-model", "<|im_start|>", "", "m1"),
    ],
)
def test_the_new_model_marks_the_end_of_its_thinking_where_it_can(
    model_id: str, template: str, asked: str, profile: str
) -> None:
    assert choose_profile(recipe(profile=asked), base(template, model_id), PROFILES).id == profile


def test_the_same_samples_are_held_out_for_a_seed() -> None:
    def held_out(seed: int) -> set[str]:
        rows = split_rows(SAMPLES, recipe(seed=seed, evaluation_share=0.2), base(), PROFILES.get("m1"))
        assert len(rows.train) == 16
        assert not {each.prompt for each in rows.train} & {each.prompt for each in rows.evaluation}
        return {each.prompt for each in rows.evaluation}

    assert held_out(1) == held_out(1)
    assert len(held_out(1)) == 4
    assert any(held_out(1) != held_out(seed) for seed in (2, 3, 4))


def test_a_question_is_learned_or_held_out_with_all_of_its_samples() -> None:
    several = [replace(each, reasoning=f"{each.reasoning} Again, {again}.") for each in SAMPLES for again in range(4)]
    for seed in range(5):
        rows = split_rows(several, recipe(seed=seed, evaluation_share=0.1), base(), PROFILES.get("m1"))
        assert (len(rows.train), len(rows.evaluation)) == (72, 8)
        assert not {each.prompt for each in rows.train} & {each.prompt for each in rows.evaluation}
    one = split_rows(several[:4], recipe(evaluation_share=0.5), base(), PROFILES.get("m1"))
    assert (len(one.train), len(one.evaluation)) == (4, 0)


def test_nothing_is_held_out_when_the_share_is_nought() -> None:
    assert split_rows(SAMPLES, recipe(evaluation_share=0.0), base(), PROFILES.get("m1")).evaluation == ()


def test_a_row_keeps_the_parts_that_are_tokenized_one_by_one() -> None:
    row = row_of(split_rows(SAMPLES[:1], recipe(evaluation_share=0.0), base(), PROFILES.get("m1")).train[0])
    assert row["completion"] == "".join(text for _, text in row["parts"])
    assert row["completion"].startswith("<|im_start|>think")
    assert row["completion"].endswith("<|im_end|>")


def test_a_base_without_a_chat_template_is_refused_where_the_profile_needs_one() -> None:
    with pytest.raises(NoChatTemplate, match="no usable chat template"):
        split_rows(SAMPLES, recipe(), base(""), PROFILES.get("plain"))


def test_the_bases_own_template_and_end_of_turn_are_used_where_the_profile_has_none() -> None:
    rows = split_rows(SAMPLES, recipe(), base(LLAMA_TEMPLATE), PROFILES.get("plain"))
    sample = rows.train[0]
    assert sample.prompt.startswith("<|start|>system<|sep|>")
    assert sample.prompt.endswith("<|start|>assistant<|sep|>")
    assert sample.parts[-1] == ("end", "<|eot_id|>")


def test_a_template_that_refuses_or_is_broken_gives_its_reason() -> None:
    refusing = "{{ raise_exception('no system here') }}"
    for template, said in ((refusing, "no system here"), ("{% for %}", "Expected an expression")):
        with pytest.raises(ValueError, match=said):
            template_of(base(template))([{"role": "user", "content": "x"}])


def rendered_by(template: str, **special_tokens: str) -> str:
    made = template_of(replace(base(template), special_tokens=special_tokens))
    return made([{"role": "user", "content": "1 < 2 & é"}])


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{% for each in [1, 2, 3] %}{% if each == 2 %}{% break %}{% endif %}{{ each }}{% endfor %}", "1"),
        ("{{ messages[0].content | tojson }}", '"1 < 2 & é"'),
        ("{{ {'a': 1} | tojson(indent=1) }}", '{\n "a": 1\n}'),
        ("{{ strftime_now('%Y') | length }}", "4"),
        ("{{ bos_token }}x{{ eos_token }}", "<s>x</s>"),
        ("{% if tools is not none %}tools{% endif %}{% if documents %}documents{% endif %}", ""),
        ("{% generation %}{{ messages[0].role }}{% endgeneration %}", "user"),
    ],
)
def test_a_template_is_rendered_as_transformers_does(template: str, text: str) -> None:
    assert rendered_by(template, bos_token="<s>", eos_token="</s>") == text


def test_a_token_that_is_not_known_is_left_away() -> None:
    assert rendered_by("{{ bos_token + 'x' }}") == "x"


def test_the_end_of_turn_may_stand_in_the_template_by_name() -> None:
    named = replace(base("{{ messages[-1].content }}{{ eos_token }}"), special_tokens={"eos_token": "</s>"})
    assert split_rows(SAMPLES, recipe(), named, PROFILES.get("plain")).train[0].parts[-1] == ("end", "</s>")


def test_no_report_speaks_of_lengths_that_nobody_counted() -> None:
    rows = split_rows(SAMPLES, recipe(block_size=16), base(), PROFILES.get("m1"))
    assert [report.step for report in rows.reports] == ["delimiters"]


def test_a_template_that_is_not_here_yet_is_not_said_to_be_missing() -> None:
    unknown = replace(base(""), template_missing="the hub does not answer.")
    with pytest.raises(NoChatTemplate, match=r"not available yet: the hub does not answer\..*profile=m1") as refused:
        split_rows(SAMPLES, recipe(), unknown, PROFILES.get("plain"))
    assert "has none" not in str(refused.value)


def test_a_template_reaches_nothing_of_python() -> None:
    with pytest.raises(ValueError):
        template_of(base("{{ ''.__class__.__mro__[1].__subclasses__() }}"))([])
