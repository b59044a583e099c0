"""Data and page code as classic scripts."""

import json
import subprocess
from pathlib import Path

import pytest

from m1app.publishing import scripts
from m1app.publishing.errors import PublishRefused
from m1app.publishing.scripts import as_json, data_script, page_script

NODE = Path(__file__).resolve().parents[3] / ".venv" / "bin" / "node"
HOSTILE = "</script><!-- \u2028 \u2029 <script> & 'quotes\""


def test_json_closes_no_script_and_is_read_back_as_it_was() -> None:
    text = as_json({"text": HOSTILE})
    assert not {"<", "\u2028", "\u2029"} & set(text)
    assert json.loads(text) == {"text": HOSTILE}


def test_numbers_that_json_does_not_know_are_refused() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        as_json(float("nan"))


def test_a_data_script_calls_the_page_with_a_name_and_a_value() -> None:
    assert data_script("list/0", [1]) == 'm1Data("list/0",[1]);\n'


def test_the_page_code_is_one_script_without_imports_and_exports() -> None:
    code = page_script()
    assert "\nimport " not in code and "\nexport " not in code
    assert "</script" not in code
    assert code.count("const ui_shell_elements = ") == 1
    # Each module is there before the one that needs it.
    assert code.index("const publishing_page_shards = ") < code.index("const publishing_page_site = ")


def test_the_page_code_runs_in_a_browser_that_knows_no_modules() -> None:
    done = subprocess.run([str(NODE), "--check", "-"], input=page_script(), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_form_of_import_that_cannot_be_joined_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "_ROOT", tmp_path)
    (tmp_path / "odd.js").write_text('import * as all from "./other.js";\n', encoding="utf-8")
    with pytest.raises(PublishRefused, match=r"odd\.js has an import"):
        scripts._add(tmp_path / "odd.js", {})
