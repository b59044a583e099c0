"""Presets, contradictions, advice, and the command line that asks the same."""

import json
import shlex

import pytest

from m1app.training.errors import RecipeRefused
from m1app.training.estimate import most_checkpoints
from m1app.training.recipe import PRESETS, TrainingRecipe, parse_change


def recipe(preset: str = "cpu-trial", **changes: object) -> TrainingRecipe:
    return TrainingRecipe.of_preset(preset, "smollm2-135m", "traces:v1", **changes)


def test_the_m1_preset_is_the_papers_setting() -> None:
    m1 = recipe("m1")
    assert (m1.method, m1.learning_rate, m1.epochs, m1.batch_size) == ("full", 1e-5, 5, 16)
    assert (m1.warmup_ratio, m1.scheduler, m1.weight_decay, m1.block_size) == (0.05, "cosine", 1e-4, 32768)
    assert (m1.beta1, m1.beta2, m1.precision) == (0.9, 0.95, "bf16")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_recipe_comes_back_from_json_as_it_was(preset: str) -> None:
    before = recipe(preset, seed=7)
    assert TrainingRecipe.parse(json.loads(before.model_dump_json())) == before


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"learning_rat": 1e-4}, "learning_rat", "did you mean learning_rate"),
        ({"learning_rate": 3.0}, "learning_rate", "found 3.0"),
        ({"learning_rate": float("nan")}, "learning_rate", "found nan"),
        ({"batch_size": 4, "gradient_accumulation": 3}, "gradient_accumulation", "divisor"),
        ({"early_stop_patience": 2, "evaluation_share": 0.0}, "evaluation_share", "hold out"),
        ({"early_stop_patience": 2, "save_every_steps": 15}, "save_every_steps", "every 10 steps"),
        ({"best_by": "loss", "evaluation_share": 0.0}, "evaluation_share", 'best_by "loss" compares'),
        ({"best_by": "loss", "save_every_steps": 15}, "save_every_steps", "every 10 steps"),
        ({"best_by": "accuracy"}, "accuracy_set", "name a question set in accuracy_set"),
        ({"best_by": "luck", "accuracy_set": "exam"}, "best_by", "found 'luck'"),
        ({"accuracy_set": "exam", "accuracy_questions": 0}, "accuracy_questions", "found 0"),
        ({"lora_rank": None}, "lora_rank", 'Method "lora" needs lora_rank'),
        ({"precision": "int8"}, "precision", "found 'int8'"),
        ({"nodes": 2}, "gpus_per_node", "the number of GPUs on each"),
        ({"nodes": 2, "gpus_per_node": 8}, "gpus_per_node", 'method "full" and precision bf16'),
    ],
)
def test_a_wrong_field_is_named_with_advice(changes: dict[str, object], field: str, said: str) -> None:
    with pytest.raises(RecipeRefused) as refused:
        recipe(**changes)
    assert refused.value.field == field
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "is_by_loss"),
    [
        ({}, False),
        ({"early_stop_patience": 2}, True),
        ({"best_by": "loss"}, True),
        ({"early_stop_patience": 2, "best_by": "accuracy", "accuracy_set": "exam"}, False),
    ],
)
def test_early_stopping_takes_the_lowest_loss_unless_the_accuracy_decides(
    changes: dict[str, object], is_by_loss: bool
) -> None:
    assert recipe(**changes).is_best_by_loss is is_by_loss
    assert most_checkpoints(recipe(**changes)) == 3 + is_by_loss


def test_full_fine_tuning_refuses_what_only_an_adapter_has() -> None:
    with pytest.raises(RecipeRefused, match="has no adapter") as refused:
        recipe("m1", lora_rank=8)
    assert refused.value.field == "lora_rank"


@pytest.mark.parametrize(
    ("preset", "changes", "field", "said"),
    [
        ("cpu-trial", {"kl_beta": 0.1}, "kl_beta", 'Objective "sft" has no kl_beta; leave it out, or choose "dpo"'),
        ("dpo", {"kl_beta": None}, "kl_beta", 'Objective "dpo" needs kl_beta'),
        ("dpo", {"kl_beta": 0.0}, "kl_beta", "DPO needs a kl_beta above 0"),
        ("dpo", {"lora_dropout": 0.05}, "lora_dropout", "set lora_dropout to 0"),
        ("dpo", {"method": "full"}, "method", 'Choose method "lora"'),
        ("m1", {"objective": "dpo"}, "method", 'Choose method "lora"'),
        ("lora", {"objective": "rlhf"}, "objective", "found 'rlhf'"),
        (
            "dpo",
            {"generations": 4},
            "generations",
            'Objective "dpo" has no generations; leave it out, or choose "grpo"',
        ),
        ("grpo", {"temperature": None}, "temperature", 'Objective "grpo" needs temperature'),
        ("grpo", {"batch_size": 60, "gradient_accumulation": 30}, "batch_size", "groups of 8; choose a multiple"),
        ("grpo", {"completion_tokens": 4096}, "completion_tokens", "leave no room for a question"),
        ("grpo", {"method": "full"}, "method", 'Choose method "lora"'),
        ("grpo", {"early_stop_patience": 2}, "early_stop_patience", "watch the reward"),
        ("grpo-cpu-trial", {"generator": "vllm"}, "generator", "vLLM writes answers on a GPU only"),
        ("grpo", {"generator": "vllm", "quantization": "nf4"}, "generator", "would be rounded anew"),
    ],
)
def test_fields_of_another_objective_are_refused(
    preset: str, changes: dict[str, object], field: str, said: str
) -> None:
    with pytest.raises(RecipeRefused) as refused:
        recipe(preset, **changes)
    assert refused.value.field == field
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("preset", "changes", "field", "said"),
    [
        ("m1", {"quantization": "nf4"}, "quantization", 'Method "full" has no adapter'),
        ("m1", {"lora_targets": "q_proj"}, "lora_targets", 'Method "full" has no adapter'),
        ("m1", {"modules_to_save": "embed_tokens"}, "modules_to_save", 'Method "full" has no adapter'),
        ("lora", {"lora_targets": "q_proj, v_proj"}, "lora_targets", "found 'q_proj, v_proj'"),
        ("lora", {"lora_targets": "q_proj,lm_head"}, "lora_targets", "lm_head cannot be trained alongside a LoRA"),
        ("lora", {"modules_to_save": "lm_head"}, "modules_to_save", "lm_head cannot be trained alongside a LoRA"),
        ("lora", {"evaluation_data": "exam", "evaluation_share": 0.1}, "evaluation_share", "set evaluation_share to 0"),
        ("m1", {"packing": True}, "packing", "set gradient_accumulation below 16"),
        ("qlora", {"group_by_length": True}, "group_by_length", "A micro-batch of one sample has no padding"),
        ("lora", {"group_by_length": True, "gradient_accumulation": 1}, "group_by_length", "Choose packing instead"),
        ("lora", {"group_by_length": True, "packing": True}, "group_by_length", "Packed samples have no padding"),
        ("dpo", {"packing": True}, "packing", 'Objective "dpo" has no packing'),
        ("grpo", {"group_by_length": True}, "group_by_length", 'Objective "grpo" has no group_by_length'),
    ],
)
def test_choices_that_cannot_be_are_refused(preset: str, changes: dict[str, object], field: str, said: str) -> None:
    with pytest.raises(RecipeRefused) as refused:
        recipe(preset, **changes)
    assert refused.value.field == field
    assert said in str(refused.value)


def test_grpo_answers_each_question_of_a_step_several_times() -> None:
    assert (recipe("grpo").batch_size, recipe("grpo").samples_per_step) == (64, 8)
    assert recipe("dpo").samples_per_step == 16


def test_evaluation_data_takes_the_place_of_held_out_samples() -> None:
    own = recipe("lora", evaluation_data="exam:v2")
    assert (own.evaluation_share, own.evaluates) == (0.0, True)
    assert "--set evaluation_data=exam:v2" in own.command_line()
    assert recipe(evaluation_data="exam", early_stop_patience=2).early_stop_patience == 2


def test_the_qlora_preset_is_the_lora_preset_in_four_bits() -> None:
    same = recipe("lora", quantization="nf4", gradient_accumulation=16)
    assert recipe("qlora") == same.model_copy(update={"preset": "qlora"})
    assert recipe("cpu-trial", quantization="nf4").precision == "fp32"


def test_an_objective_is_chosen_by_one_word() -> None:
    learns = recipe("lora", objective="dpo")
    assert (learns.kl_beta, learns.lora_dropout, learns.learning_rate) == (0.1, 0.0, 2e-4)
    assert "--set objective=dpo" in learns.command_line()
    back = recipe("dpo-cpu-trial", objective="sft")
    assert (back.objective, back.kl_beta) == ("sft", None)
    assert recipe("dpo").objective == "dpo"


@pytest.mark.parametrize("preset", PRESETS)
def test_the_command_line_of_a_preset_makes_the_same_recipe(preset: str) -> None:
    for changes in ({}, {"objective": "sft"}, {"method": "lora", "objective": "dpo"}, {"evaluation_data": "exam"}):
        wanted = recipe(preset, **changes)
        words = shlex.split(wanted.command_line())
        sets = dict(parse_change(words[place + 1]) for place, word in enumerate(words) if word == "--set")
        assert recipe(preset, **sets) == wanted


@pytest.mark.parametrize(
    ("line", "change"),
    [
        ("seed=3", ("seed", "3")),
        (" max-steps = None ", ("max_steps", None)),
        ("sample_question=What is a=b?", ("sample_question", "What is a=b?")),
    ],
)
def test_a_change_is_read_from_a_line(line: str, change: tuple[str, str | None]) -> None:
    assert parse_change(line) == change


def test_a_change_without_a_value_is_refused() -> None:
    with pytest.raises(RecipeRefused, match="Found 'seed' without ="):
        parse_change("seed")


def test_a_training_is_spread_over_nodes_that_share_its_batch() -> None:
    spread = recipe("m1", nodes=2, gpus_per_node=8)
    assert TrainingRecipe.parse(json.loads(spread.model_dump_json())) == spread
    assert "--set nodes=2 --set gpus_per_node=8" in spread.command_line()
    with pytest.raises(RecipeRefused, match="16 samples cannot be split evenly across 24 GPUs") as refused:
        recipe("m1", nodes=3, gpus_per_node=8)
    assert refused.value.field == "batch_size"


def test_a_change_of_method_brings_that_methods_fields() -> None:
    assert recipe("m1", method="lora").lora_rank == 16
    assert recipe("lora", method="full").lora_rank is None


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(RecipeRefused, match="m1, lora, qlora, cpu-trial"):
        recipe("huge")


def test_the_command_line_names_what_differs_from_the_preset() -> None:
    words = shlex.split(recipe(max_steps=6, seed=3, name="Try 1").command_line())
    assert words[:4] == ["python", "-m", "m1app", "finetune"]
    assert words[words.index("--max-steps") + 1] == "6"
    assert words[words.index("--name") + 1] == "Try 1"
    assert [words[index + 1] for index, word in enumerate(words) if word == "--set"] == ["seed=3"]


def test_the_command_line_makes_the_same_recipe_again() -> None:
    from m1app.cli.finetune import _recipe
    from m1app.cli.main import _parser

    asked = recipe("lora", max_steps=9, gradient_checkpointing=False, early_stop_patience=2, max_gradient_norm=0.5)
    options = _parser().parse_args(shlex.split(asked.command_line())[3:])
    assert _recipe(options) == asked


def test_a_limit_of_steps_can_be_lifted_from_the_command_line() -> None:
    from m1app.cli.finetune import _recipe
    from m1app.cli.main import _parser

    asked = recipe(max_steps=None)
    assert _recipe(_parser().parse_args(shlex.split(asked.command_line())[3:])) == asked
