"""Logs of other tools in the forms that these write, with questions of our own."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from storage.database import Database
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from tests.m1app.benchmark.answer_file_cases import HARNESS, INSPECT, OPTIONS, json_lines

LETTERED = dict(zip("ABC", OPTIONS, strict=True))
STEMS = (
    "Which gland makes thyroxine?",
    "Which gland makes cortisol?",
    "Which gland makes insulin?",
)
TARGETS = ("B", "A", "C")
MOMENT = "2025-04-01T10-20-30.000001"
RESULTS = {
    "results": {"glands": {"exact_match,custom-extract": 0.5}},
    "configs": {"glands": {"task": "glands"}},
    "config": {"model": "vllm", "model_args": "pretrained=example/m1-7b", "gen_kwargs": {"temperature": 0.6}},
    "lm_eval_version": "0.4.9",
    "model_source": "vllm",
    "model_name": "example/m1-7b",
}
CONFIG = """\
model_path: example/m1-7b
tokenizer_path: null
max_new_tokens: {budget}
force_think: true
max_new_answer_tokens: 1024
think_str: '<|im_start|>think

  '
seed: 42
eval_data_path: misc/glands.json
eval_data_md5sum: fe50ce67a958cfa9bc958a51b2502e57
exp_name: thinking_budget_{budget}
temperature: 0.0
keep_think_below_budget_times: {rounds}
"""
HEADER: dict[str, Any] = {
    "version": 2,
    "status": "success",
    "eval": {
        "created": "2025-04-01T10:20:30+00:00",
        "task": "inspect_evals/glands",
        "model": "vllm/example-m1-7b",
        "dataset": {"name": "glands"},
        "config": {"epochs": 2},
        "packages": {"inspect_ai": "0.3.150"},
        "model_generate_config": {"temperature": 0.6, "reasoning_tokens": 2048},
    },
    "plan": {"name": "plan", "steps": [], "config": {"max_tokens": 4096}},
}


def harness_sample(number: int, answer: str, *, value: float = 1.0, **changes: Any) -> dict[str, Any]:
    """A sample of lm-evaluation-harness for one of the questions."""
    doc = {"question": STEMS[number], "options": OPTIONS, "category": "endocrinology"}
    return (
        HARNESS
        | {
            "doc_id": number,
            "doc": doc,
            "target": TARGETS[number],
            "resps": [[answer]],
            "filtered_resps": [answer[-1:]],
            "exact_match": value,
        }
        | changes
    )


def harness_folder(folder: Path, *samples: dict[str, Any], task: str = "glands") -> Path:
    """A folder as --output_path has it; returns the samples."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"results_{MOMENT}.json").write_text(json.dumps(RESULTS), encoding="utf-8")
    return json_lines(folder / f"samples_{task}_{MOMENT}.jsonl", *samples)


def inspect_sample(number: int, answer: str, *, epoch: int = 1, value: Any = "C", **changes: Any) -> dict[str, Any]:
    """A sample of Inspect for one of the questions."""
    content = [{"type": "reasoning", "reasoning": "Let me see."}, {"type": "text", "text": answer}]
    output = {
        "model": "example-m1-7b",
        "choices": [{"message": {"role": "assistant", "content": content}, "stop_reason": "stop"}],
        "usage": {"input_tokens": 50, "output_tokens": 30, "total_tokens": 80, "reasoning_tokens": 20},
        "completion": answer,
    }
    return (
        INSPECT
        | {
            "id": number,
            "epoch": epoch,
            "input": STEMS[number],
            "target": TARGETS[number],
            "output": output,
            "scores": {"choice": {"value": value, "answer": answer[-1:]}},
        }
        | changes
    )


def inspect_log(*samples: dict[str, Any], header: dict[str, Any] = HEADER) -> bytes:
    """A log in the format eval; a value that JSON does not have is written as Python and Inspect write it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in samples:
            archive.writestr(f"samples/{each['id']}_epoch_{each['epoch']}.json", json.dumps(each))
        archive.writestr("header.json", json.dumps(header))
    return made.getvalue()


def inspect_json(*samples: dict[str, Any], header: dict[str, Any] = HEADER) -> bytes:
    """A log in the format json."""
    return json.dumps(header | {"samples": list(samples)}, indent=2).encode()


def m1_row(number: int, answer: str, *, source: str = "Glands", **changes: Any) -> dict[str, Any]:
    """A row of m1's results, with forced thinking."""
    return {
        "question": STEMS[number],
        "options": LETTERED,
        "answer": LETTERED[TARGETS[number]],
        "answer_idx": TARGETS[number],
        "source": source,
        "option_str": "\n".join(f"{letter}. {text}" for letter, text in LETTERED.items()),
        "input_str": STEMS[number],
        "thinking_text": "It holds iodine.\n",
        "thinking_finish_reason": "stop",
        "response_text": f"<|im_start|>answer\n{answer}",
        "finish_reason": "stop",
        "extracted_answer": answer,
        "huatuo_extracted_answer": answer[-1:],
        "num_gen_tokens": 40,
        "num_keep_think_below_budget": 0,
    } | changes


def m1_folder(
    folder: Path, *rows: dict[str, Any], budget: int = 512, rounds: int = 0, correct: list[bool] | None = None
) -> Path:
    """A folder of m1's evaluation; returns its results."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "m1_eval_data.json"
    path.write_text(json.dumps(list(rows), indent=2), encoding="utf-8")
    (folder / "config.yaml").write_text(CONFIG.format(budget=budget, rounds=rounds), encoding="utf-8")
    (folder / "metrics.json").write_text('{"Glands": {"accuracy": 0.5}}', encoding="utf-8")
    if correct is not None:
        scored = [
            {"question": row["question"], "correct": right, "extracted_answer": row["extracted_answer"]}
            for row, right in zip(rows, correct, strict=True)
        ]
        # As pandas writes indented JSON lines: blank lines between objects.
        text = "\n\n".join(json.dumps(each, indent=2) for each in scored)
        (folder / "m1_eval_data.scored.json").write_text(f"\n  {text}\n\n", encoding="utf-8")
    return path


def keep_glands(database: Database, *, name: str = "Glands of the body", numbers: tuple[int, ...] = (0, 1, 2)) -> None:
    """Store the questions as a set, with other spaces and capitals than the logs have."""
    questions = [
        NewQuestion(
            stem=STEMS[number].replace("Which gland", "Which  GLAND"),
            options=LETTERED,
            target=TARGETS[number],
            source=name,
        )
        for number in numbers
    ]
    with database.session() as session:
        QuestionSetRepository(session).add(name, "glands.json", "m1", "", questions)
