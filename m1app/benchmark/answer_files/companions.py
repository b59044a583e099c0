"""What lies beside a file of answers and says more of it; runs in the process that reads files.

Sources: lm-evaluation-harness 4e7e0d4, `evaluator.py` and `loggers/utils.py` (results_*.json); m1 c65dfc6,
`src/eval/inference_keep_think.py` (config.yaml, as OmegaConf writes it, and *.scored.json, which pandas writes as one
indented object after the other).
"""

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, BinaryIO

from m1app.benchmark.answer_files.given_answer import SHORT_CHARACTERS, FileFacts
from m1app.benchmark.answer_files.inspect_files import stated_texts
from m1app.question_sets.batches import BATCH_VALUES
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.row_table import check_row_count
from m1app.question_sets.row_values import storable
from m1app.question_sets.rows import MAX_DOCUMENT_BYTES

FACTS = "m1app.benchmark.answer_files.companions:fact_messages"
VERDICTS = "m1app.benchmark.answer_files.companions:verdict_messages"
"""The producers of these messages, see `m1app.question_sets.file_reading`."""
_MAX_FACT_BYTES = 16 * 2**20
_CONFIG_LINE = re.compile(r"([a-z_]{1,60}): (.{0,4000})")
_GENERATION = ("temperature", "top_p", "max_gen_toks", "do_sample", "max_tokens_thinking", "thinking_n_ignore")
_BLANKS = re.compile(r"[\s,\[\]]*")


def fact_messages(file: BinaryIO, file_name: str) -> Iterator[dict[str, Any]]:
    """Yield the facts of a results_*.json or a config.yaml, as `FileFacts` has them.

    Raises:
        InvalidQuestionSet: it is too large, or cannot be read.
    """
    text = _text(file, file_name, _MAX_FACT_BYTES)
    facts = _of_config(text) if file_name.endswith((".yaml", ".yml")) else _of_results(text, file_name)
    found = asdict(facts)
    yield (
        found
        | {"stated": {name: storable(value) for name, value in facts.stated.items()}}
        | {name: storable(found[name]) for name in ("model", "tool_version")}
    )


def verdict_messages(file: BinaryIO, file_name: str) -> Iterator[dict[str, Any]]:
    """Yield the verdicts of a *.scored.json in batches, in order, each with a digest of its question.

    Raises:
        InvalidQuestionSet: it is too large, or cannot be read.
    """
    batch: list[dict[str, Any]] = []
    for count, row in enumerate(_objects(_text(file, file_name, MAX_DOCUMENT_BYTES), file_name)):
        check_row_count(count + 1, file_name)
        is_correct = row.get("correct")
        batch.append(
            {
                "digest": question_digest(str(row.get("question", ""))),
                "is_correct": is_correct if isinstance(is_correct, bool) else None,
            }
        )
        if len(batch) == BATCH_VALUES:
            yield {"verdicts": batch}
            batch = []
    yield {"verdicts": batch}


def question_digest(question: str) -> str:
    """A short digest of a question's text, to tell whether two rows are of the same one."""
    return hashlib.sha256(storable(question).encode()).hexdigest()[:16]


def _text(file: BinaryIO, file_name: str, most: int) -> str:
    if (size := file.seek(0, io.SEEK_END)) > most:
        raise InvalidQuestionSet(
            f"{file_name}: found {size / 2**20:,.0f} MB, expected at most {most // 2**20} MB. Move the file elsewhere "
            "to import the answers without it."
        )
    file.seek(0)
    try:
        return file.read().decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise _unreadable(file_name, f"no UTF-8 at byte {exc.start:,}") from exc


def _of_results(text: str, file_name: str) -> FileFacts:
    found = _parsed(lambda: json.loads(text), file_name)
    if not isinstance(found, Mapping):
        raise _unreadable(file_name, "no object")
    config = found.get("config")
    generation = config.get("gen_kwargs") if isinstance(config, Mapping) else None
    generation = generation if isinstance(generation, Mapping) else {}
    version, model = found.get("lm_eval_version"), found.get("model_name")
    return FileFacts(
        tool_version=version[:SHORT_CHARACTERS] if isinstance(version, str) else "",
        model=model[:SHORT_CHARACTERS] if isinstance(model, str) else "",
        stated=stated_texts(
            {"model_source": found.get("model_source"), "git_hash": found.get("git_hash")}
            | {name: generation.get(name) for name in _GENERATION}
        ),
    )


def _of_config(text: str) -> FileFacts:
    """The lines of a flat YAML mapping; values over several lines are left out, and no alias is followed."""
    lines = (_CONFIG_LINE.fullmatch(line.rstrip()) for line in text.splitlines()[:1000])
    found = {line[1]: line[2].strip().strip("'\"") for line in lines if line}
    is_forced = found.get("force_think", "").lower() == "true"
    names = ("temperature", "max_new_tokens", "max_new_answer_tokens", "force_think", "exp_name", "eval_data_md5sum")
    return FileFacts(
        model=found.get("model_path", "")[:SHORT_CHARACTERS],
        budget_tokens=_whole(found.get("max_new_tokens", "")) if is_forced else None,
        force_rounds=_whole(found.get("keep_think_below_budget_times", "")),
        stated=stated_texts({name: found.get(name) for name in names}),
    )


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else None


def _objects(text: str, file_name: str) -> Iterator[Mapping[str, Any]]:
    """Objects one after the other, or in a list."""
    decoder, position = json.JSONDecoder(), 0
    while True:
        blanks = _BLANKS.match(text, position)
        position = blanks.end() if blanks else position
        if position == len(text):
            return
        at = position
        value, position = _parsed(lambda at=at: decoder.raw_decode(text, at), file_name)  # type: ignore[misc]
        if not isinstance(value, Mapping):
            raise _unreadable(file_name, "no object")
        yield value


def _parsed(parse: Callable[[], Any], file_name: str) -> Any:
    try:
        return parse()
    except (RecursionError, ValueError) as exc:
        raise _unreadable(file_name, str(exc)[:100]) from exc


def _unreadable(file_name: str, why: str) -> InvalidQuestionSet:
    return InvalidQuestionSet(
        f"{file_name}: this file beside the answers cannot be read ({why}). Copy it again, or move it elsewhere to "
        "import the answers without it."
    )
