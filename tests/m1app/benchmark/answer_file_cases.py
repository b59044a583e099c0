"""Files of answers as other tools write them, with questions of our own."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa

OPTIONS = ["Adrenal gland", "Thyroid gland", "Pancreas"]
HARNESS: dict[str, Any] = {
    "doc_id": 7,
    "doc": {"question": "Which gland makes thyroxine?", "options": OPTIONS, "category": "endocrinology"},
    "target": "B",
    "arguments": {"gen_args_0": {"arg_0": "Which gland makes thyroxine?", "arg_1": {"until": ["Question:"]}}},
    "resps": [["Thyroxine holds iodine. The answer is B."]],
    "filtered_resps": ["[invalid]"],
    "filter": "custom-extract",
    "metrics": ["exact_match"],
    "doc_hash": "0",
    "prompt_hash": "0",
    "target_hash": "0",
    "exact_match": 0.0,
}
"""A sample of lm-evaluation-harness, of a task of the type generate_until."""
INSPECT: dict[str, Any] = {
    "id": 3,
    "epoch": 1,
    "input": "Which gland makes thyroxine?",
    "choices": OPTIONS,
    "target": "B",
    "messages": [],
    "output": {
        "model": "mockllm/model",
        "choices": [
            {
                "message": {
                    "role": "assistant",
                    "content": [{"type": "reasoning", "reasoning": "Maybe A."}, {"type": "text", "text": "ANSWER: B"}],
                },
                "stop_reason": "stop",
            }
        ],
        "completion": "ANSWER: B",
    },
    "scores": {"choice": {"value": "C", "answer": "B"}},
    "metadata": {"specialty": "endocrinology"},
    "attachments": {},
}
"""A sample of Inspect, of the solver multiple_choice."""


def inspect_document(*samples: dict[str, Any]) -> bytes:
    """A log in the format json."""
    log = {"version": 2, "status": "success", "eval": {"task": "glands"}, "plan": {}, "samples": list(samples)}
    return json.dumps(log, indent=2).encode()


def inspect_archive(*samples: dict[str, Any]) -> bytes:
    """A log in the format eval, deflated, as Inspect wrote them at first."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_journal/start.json", "{}")
        for sample in samples:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
        archive.writestr("header.json", "{}")
    return buffer.getvalue()


def zstandard_archive(sample: dict[str, Any]) -> bytes:
    """A log in the format eval as Inspect writes them now: zipfile cannot, so the method is written afterwards."""
    content = json.dumps(sample).encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("samples/3_epoch_1.json", pa.compress(content, "zstd", asbytes=True))
    archive_bytes = bytearray(made.getvalue())
    central = archive_bytes.index(b"PK\x01\x02")
    for at in (8, central + 10):
        archive_bytes[at : at + 2] = (93).to_bytes(2, "little")
    for at in (22, central + 24):
        archive_bytes[at : at + 4] = len(content).to_bytes(4, "little")
    return bytes(archive_bytes)


def json_lines(path: Path, *rows: Any) -> Path:
    """A file of JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
