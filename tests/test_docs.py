"""The documents against the code: settings, words, links, commands. What they say in prose is not checked."""

import re
import shlex
from enum import StrEnum
from pathlib import Path

import pytest
from pydantic import SecretStr

from m1app.access.person import PERMISSIONS, Permission
from m1app.cli.main import _parser
from m1app.settings import EngineChoice, Settings
from models.thinking.budget_forcing import ThinkingFinish
from storage.people.records import Role
from storage.traces.records import SegmentKind, ThinkingFinishReason, TraceState

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
DECISIONS = sorted((DOCS / "adr").glob("[0-9]*.md"))

_ROW = re.compile(r"^\| `(M1_[A-Z_]+)` \| (.+) \|$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def setting_names() -> set[str]:
    return {f"M1_{field.upper()}" for field in Settings.model_fields}


def settings_tables() -> tuple[dict[str, str], dict[str, str]]:
    """Rows of the app's settings and of the variables for scripts and tests: name to the rest of the row."""
    ours, _, others = text_of(DOCS / "settings.md").partition("\n## ")
    return dict(_ROW.findall(ours)), dict(_ROW.findall(others))


def default_as_documented(value: object) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, Path):
        return f"`{value.relative_to(ROOT)}` in the project folder"
    if isinstance(value, EngineChoice):
        value = value.value
    return f"`{value}`" if value != "" else "empty"


def shell_lines() -> list[tuple[str, str]]:
    """Every line of the documents' code blocks without a language: page and line."""
    blocks = [(name_of(page), body) for page in PAGES for kind, body in _FENCED.findall(text_of(page)) if not kind]
    return [(page, line.removeprefix("$ ")) for page, body in blocks for line in body.splitlines()]


def leads_somewhere(page: Path, link: str) -> bool:
    file, _, anchor = link.partition("#")
    target = page.parent / file if file else page
    if not target.exists():
        return False
    return not anchor or anchor in map(slug, re.findall(r"^#+ (.+)$", text_of(target), re.MULTILINE))


def slug(heading: str) -> str:
    """The anchor of a heading, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_every_setting_is_documented_and_no_other():
    assert set(settings_tables()[0]) == setting_names()


@pytest.mark.parametrize("field", Settings.model_fields)
def test_documented_default_is_the_default(field: str):
    row = settings_tables()[0][f"M1_{field.upper()}"]
    assert row.split(" | ")[0] == default_as_documented(
        Settings.model_fields[field].get_default(call_default_factory=True)
    )


def test_variables_documented_for_scripts_and_tests_are_read_there():
    readers = [*(ROOT / "scripts").glob("*.sh"), ROOT / ".ci" / "run", *(ROOT / "tests").rglob("*.py")]
    code = "\n".join(text_of(path) for path in readers if path != Path(__file__))
    assert [name for name in settings_tables()[1] if name not in code] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_page_names_no_unknown_variable(page: Path):
    known = setting_names() | set(settings_tables()[1])
    assert set(re.findall(r"\bM1_[A-Z_]*[A-Z]\b", text_of(page))) <= known


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_inside_the_project_lead_somewhere(page: Path):
    links = [link for link in _LINK.findall(text_of(page)) if not link.startswith(("http://", "https://"))]
    broken = [link for link in links if not leads_somewhere(page, link)]
    assert broken == []


def test_every_decision_is_listed_once():
    listed = re.findall(r"\]\((\d{4}-[^)]+\.md)\)", text_of(DOCS / "adr" / "README.md"))
    assert listed == [path.name for path in DECISIONS]


@pytest.mark.parametrize("page", DECISIONS, ids=name_of)
def test_decision_says_why_what_and_until_when(page: Path):
    assert text_of(page).startswith(f"# {page.name[:4]}: ")
    headings = re.findall(r"^## (.+)$", text_of(page), re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequences", "What would change our mind"]


def test_every_make_target_named_in_a_page_exists():
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    named = {target for page in PAGES for target in re.findall(r"`make ([a-z-]+)", text_of(page))}
    named |= {target for _, line in shell_lines() for target in re.findall(r"(?:^|[^ ] )make ([a-z-]+)", line)}
    assert named
    assert named <= targets


def test_every_command_line_shown_is_understood():
    commands = [line.partition("-m m1app ")[2] for _, line in shell_lines() if "-m m1app " in line]
    assert len(commands) >= 2
    for command in commands:
        options = _parser().parse_args(shlex.split(command))
        assert callable(options.run if "run" in options else options.command)


@pytest.mark.parametrize("word", [TraceState, SegmentKind, ThinkingFinishReason, ThinkingFinish])
def test_every_state_and_kind_is_in_the_glossary(word: type[StrEnum]):
    glossary = text_of(DOCS / "glossary.md")
    assert [member.value for member in word if f"`{member.value}`" not in glossary] == []


def test_the_table_of_roles_says_who_may_do_what():
    header, *rows = re.findall(r"^\| (Permission|`\w+`)[^|]* \|(.+)\|$", text_of(DOCS / "security.md"), re.MULTILINE)
    roles = [Role(cell.strip()) for cell in header[1].split("|")]
    said = {
        Permission(name.strip("`")): {role for role, cell in zip(roles, cells.split("|"), strict=True) if cell.strip()}
        for name, cells in rows
        if name.strip("`") in list(Permission)
    }
    assert said == {each: {role for role in Role if each in PERMISSIONS[role]} for each in Permission}


def test_every_test_named_as_evidence_exists():
    rows = re.findall(r"^\|.*\| (`[^|]+\.py`[^|]*) \|$", text_of(DOCS / "security.md"), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([\w/]+\.py)`", row)]
    assert len(named) > 20
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []


def test_documents_named_in_the_code_exist():
    code = [path for package in ("m1app", "models", "storage") for path in (ROOT / package).rglob("*.py")]
    named = {name for path in code for name in re.findall(r"(?<![\w/])docs/[\w/-]+\.md", text_of(path))}
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_number_of_library_questions_is_the_real_one():
    from m1app.question.library import load_library

    assert f"A library of {len(load_library())} questions" in text_of(ROOT / "CHANGELOG.md")


@pytest.mark.parametrize("image", sorted((DOCS / "images").glob("*")), ids=name_of)
def test_picture_is_small_enough_to_ship(image: Path):
    assert image.stat().st_size < 250_000
