"""What a row of an answer file holds: samples of lm-evaluation-harness and of Inspect, m1's results, tables of answers.

Sources: lm-evaluation-harness 4e7e0d4, `evaluator.py` (the fields of a sample) and `loggers/evaluation_tracker.py`
(samples_*.jsonl); s1 (simplescaling), `eval/commands.sh` (its harness's settings of thinking); inspect_ai 499e615,
`log/_log.py` (`EvalSample`), `model/_model_output.py` (`ModelUsage`) and `log/_condense.py` (attachments); m1 c65dfc6,
`src/eval/inference_keep_think.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from m1app.benchmark.answer_files import fields
from m1app.benchmark.answer_files.fields import ChosenFields
from m1app.benchmark.answer_files.given_answer import SHORT_CHARACTERS, Details
from m1app.benchmark.answer_files.own_verdicts import metric_verdict, score_verdict, short, whole_number
from m1app.question_sets.row_values import Row, RowProblem, unexpected

LM_EVAL, INSPECT, M1 = "samples of lm-evaluation-harness", "samples of Inspect", "results of m1"
_ATTACHMENT = "attachment://"
_MOST_REPEATS = 1000
_NOTHING = Details()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a row holds; the target is as the file has it."""

    texts: Sequence[str]
    """The answers to its question, one for each repeat."""
    options: Mapping[str, str]
    target: object
    target_name: str
    """Where the target was found, for messages."""
    may_be_no_option: bool = False
    """Whether a target in words that are no option's leaves the answer without a target."""
    question: str
    question_key: str
    tags: tuple[str, ...]
    details: Details = _NOTHING
    """With one text, what the file says of it; with several, what it says of all."""


@dataclass(frozen=True, slots=True)
class AnswerLayout:
    """A kind of answer file."""

    label: str
    """Name shown to users."""
    takes: Callable[[Row], bool]
    """Whether a row is of this kind."""
    read: Callable[[Row, ChosenFields], Sample]
    """Reads a row; raises RowProblem."""


def layout_of(row: Row) -> AnswerLayout:
    """The layout of a row; a table, if it is no sample of a known tool."""
    return next(layout for layout in LAYOUTS if layout.takes(row))


def _is_lm_eval(row: Row) -> bool:
    return "resps" in row and isinstance(row.get("doc"), Mapping)


def _is_inspect(row: Row) -> bool:
    return isinstance(row.get("output"), Mapping) and "input" in row and "epoch" in row


def _is_m1(row: Row) -> bool:
    return "response_text" in row and "thinking_finish_reason" in row


def _read_lm_eval(row: Row, chosen: ChosenFields) -> Sample:
    doc = row["doc"]
    question, texts = fields.question_of(doc), _lm_eval_texts(row["resps"])
    options = fields.options_of(doc, chosen.options, question)
    return Sample(
        texts=texts,
        options=options or fields.options_in(_prompt(row)),
        target=doc.get(chosen.target) if chosen.target else row.get("target"),
        target_name=chosen.target or "target",
        question=question,
        question_key=fields.key_of(row),
        tags=fields.tags_of(doc),
        details=_lm_eval_details(row, len(texts) == 1, fields.stem_in(question if options else _prompt(row))),
    )


def _lm_eval_details(row: Row, is_single: bool, stem: str) -> Details:
    """The metrics of a sample with several texts are of all of them together."""
    is_correct, metric = metric_verdict(row) if is_single else (None, "")
    filtered = row.get("filtered_resps")
    settings = _argument(row, "arg_1")
    settings = settings if isinstance(settings, Mapping) else {}
    return Details(
        stem=stem,
        own_is_correct=is_correct,
        own_letter=short(filtered[0]) if is_single and isinstance(filtered, list) and filtered else None,
        own_rule=metric,
        budget_tokens=whole_number(settings.get("max_tokens_thinking")),
        force_rounds=whole_number(settings.get("thinking_n_ignore")),
    )


def _lm_eval_texts(requests: Any) -> Sequence[str]:
    """The answers as generated: the filtered ones are what the task's own pattern left of them."""
    if not isinstance(requests, list) or not requests or not isinstance(requests[0], list) or not requests[0]:
        raise unexpected("resps", requests, "a list with a list of generated texts")
    if any(isinstance(each, list) for each in requests[0]):
        raise RowProblem(
            "this sample has log-likelihoods of the options (a task of the type multiple_choice) and no generated "
            "text. Run a generative version of the task (generate_until), or take the task's own accuracy"
        )
    if len(requests) > 1 or not all(isinstance(each, str) for each in requests[0]):
        raise unexpected("resps", requests, "the generated texts of one request")
    return requests[0][:_MOST_REPEATS]


def _prompt(row: Row) -> str:
    """The text that the model was asked, of a generative task."""
    prompt = _argument(row, "arg_0")
    return prompt if isinstance(prompt, str) else ""


def _argument(row: Row, name: str) -> object:
    """An argument of the first request."""
    arguments = row.get("arguments")
    first = arguments.get("gen_args_0") if isinstance(arguments, Mapping) else None
    return first.get(name) if isinstance(first, Mapping) else None


def _read_inspect(row: Row, chosen: ChosenFields) -> Sample:
    kept, metadata = _object_at(row, "attachments"), _object_at(row, "metadata")
    question = _message_text(row["input"], kept)
    target = metadata.get(chosen.target) if chosen.target else row.get("target")
    return Sample(
        texts=[_inspect_text(row["output"], kept)],
        options=fields.options_of(row, chosen.options, question),
        target=target,
        target_name=chosen.target or "target",
        question=question,
        question_key=fields.key_of(row),
        tags=fields.tags_of(metadata),
        details=_inspect_details(row, kept, fields.stem_in(question)),
    )


def _inspect_details(row: Row, attachments: Mapping[str, Any], stem: str) -> Details:
    is_correct, letter, scorer = score_verdict(row)
    usage = row["output"].get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    epoch = whole_number(row.get("epoch"))
    return Details(
        stem=stem,
        thinking=_reasoning(row["output"], attachments),
        pass_number=max(0, epoch - 1) if epoch is not None else 0,
        own_is_correct=is_correct,
        own_letter=letter,
        own_rule=scorer,
        generated_tokens=whole_number(usage.get("output_tokens")),
        thinking_tokens=whole_number(usage.get("reasoning_tokens")),
    )


def _reasoning(output: Mapping[str, Any], attachments: Mapping[str, Any]) -> str | None:
    """The parts of the first choice's message that are reasoning; None without any."""
    choices = output.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, Mapping) else None
    content = message.get("content") if isinstance(message, Mapping) else None
    parts = content if isinstance(content, list) else []
    texts = [
        each.get("summary") if each.get("redacted") is True else each.get("reasoning")
        for each in parts
        if isinstance(each, Mapping) and each.get("type") == "reasoning"
    ]
    return "\n".join(_resolved(text, attachments) for text in texts if isinstance(text, str)) or None


def _object_at(row: Row, name: str) -> Mapping[str, Any]:
    value = row.get(name)
    return value if isinstance(value, Mapping) else {}


def _inspect_text(output: Mapping[str, Any], attachments: Mapping[str, Any]) -> str:
    """The completion; else the first choice's message. A sample that failed has neither and is unanswered."""
    completion = output.get("completion")
    if isinstance(completion, str) and completion:
        return _resolved(completion, attachments)
    choices = output.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return _message_text([first.get("message")], attachments) if isinstance(first, Mapping) else ""


def _message_text(given: object, attachments: Mapping[str, Any]) -> str:
    """The text of a string, or of the last of several messages; parts that are reasoning or media are left out."""
    if isinstance(given, str):
        return _resolved(given, attachments)
    if not isinstance(given, list) or not given:
        return ""
    content = given[-1].get("content") if isinstance(given[-1], Mapping) else None
    if isinstance(content, str):
        return _resolved(content, attachments)
    parts = content if isinstance(content, list) else []
    texts = [each.get("text") for each in parts if isinstance(each, Mapping) and each.get("type") == "text"]
    return "\n".join(_resolved(text, attachments) for text in texts if isinstance(text, str))


def _resolved(text: str, attachments: Mapping[str, Any]) -> str:
    kept = attachments.get(text.removeprefix(_ATTACHMENT)) if text.startswith(_ATTACHMENT) else None
    return kept if isinstance(kept, str) else text


def _read_m1(row: Row, chosen: ChosenFields) -> Sample:
    question = fields.question_of(row)
    thinking, source = row.get("thinking_text"), row.get("source")
    return Sample(
        texts=[fields.answer_text(row["response_text"], "response_text")],
        options=fields.options_of(row, chosen.options, question),
        target=row.get(chosen.target or "answer_idx"),
        target_name=chosen.target or "answer_idx",
        question=question,
        question_key=fields.key_of(row),
        tags=fields.tags_of(row),
        details=Details(
            source=source[:SHORT_CHARACTERS] if isinstance(source, str) else "",
            stem=fields.stem_in(question),
            thinking=thinking if isinstance(thinking, str) else None,
            own_letter=short(row.get("huatuo_extracted_answer")),
            generated_tokens=whole_number(row.get("num_gen_tokens")),
        ),
    )


def _read_table(row: Row, chosen: ChosenFields) -> Sample:
    name = fields.text_field(row, chosen.text)
    question = fields.question_of(row)
    column = fields.named(row, chosen.target, [each for each in fields.TARGET_FIELDS if each != name])
    return Sample(
        texts=[fields.answer_text(row[name], name)],
        options=fields.options_of(row, chosen.options, question),
        target=row[column] if column else None,
        target_name=column or "target",
        # The right answer in words may be none of the options, word for word.
        may_be_no_option=column == "answer",
        question=question,
        question_key=fields.key_of(row),
        tags=fields.tags_of(row),
    )


LAYOUTS = (
    AnswerLayout(LM_EVAL, _is_lm_eval, _read_lm_eval),
    AnswerLayout(INSPECT, _is_inspect, _read_inspect),
    AnswerLayout(M1, _is_m1, _read_m1),
    AnswerLayout("a table of answers", lambda _: True, _read_table),
)
