"""`python -m m1app corpus`: what it prints and how it ends. No engine is asked anything."""

import json
from pathlib import Path

from tests.m1app.cli.command_line import Done, run
from tests.m1app.knowledge.meanings import DOWN, serving_meanings

NO_ENGINE = {"M1_ENGINE_URL": "http://127.0.0.1:9"}
SHEETS = "# Hyperkalaemia\n\nCalcium gluconate protects the heart.\n\n# Digoxin\n\nFragments bind digoxin.\n"


def corpus(*arguments: str, home: Path, **settings: str) -> Done:
    return run("corpus", *arguments, home=home, **NO_ENGINE, **settings)


def test_a_corpus_is_added_listed_searched_and_deleted(tmp_path: Path) -> None:
    home, path = tmp_path / "home", tmp_path / "sheets.md"
    path.write_text(SHEETS)
    added = corpus("add", str(path), "--licence", "CC BY 4.0", home=home)
    assert (added.returncode, added.stdout, added.stderr) == (0, "sheets: version 1, 2 passages added\n", "")
    again = corpus("add", str(path), "--licence", "CC BY 4.0", home=home)
    assert (again.stdout, again.stderr) == ("", "sheets was already made from this file. Nothing was added.\n")
    listed = corpus("list", home=home).stdout
    assert listed.startswith("sheets: version 1, 2 passages, from sheets.md, added ")
    assert listed.endswith("licence: CC BY 4.0\ncorrected facts: 0 annotations\n")
    shown = corpus("search", "which antidote binds digoxin?", "-k", "1", "--asked", home=home).stdout
    assert "] sheets, sheets.md: Digoxin (score " in shown
    assert "\nFragments bind digoxin.\n" in shown
    found = json.loads(corpus("search", "the heart", "--corpus", "sheets", "--json", home=home).stdout)["passages"]
    assert [each["heading"] for each in found] == ["Hyperkalaemia"]
    assert corpus("search", "kangaroo", home=home).stdout == "No passage contains any of these words. Try others.\n"
    assert corpus("overlap", "sheets", home=home).stdout == "no question of a set is in the corpus\n"
    assert corpus("delete", "sheets", home=home).stdout == "sheets moved to the trash with all its versions\n"
    assert json.loads(corpus("list", "--json", home=home).stdout) == {"corpora": [], "corrected_facts": 0}


def test_what_goes_wrong_is_said(tmp_path: Path) -> None:
    home = tmp_path / "home"
    scan = tmp_path / "scan.docx"
    scan.write_text("x")
    refused = corpus("add", str(scan), "--licence", "unknown", home=home)
    assert (refused.returncode, refused.stderr) == (
        1,
        "error: scan.docx: found a name that ends with .docx, expected .txt, .md, .pdf, .jsonl or .csv, or "
        "several of these in a .zip. Convert the file, or correct its extension.\n",
    )
    assert corpus("add", str(scan), home=home).returncode == 2
    assert corpus("add", str(scan), "--licence", " ", home=home).returncode == 2
    missing = corpus("delete", "books", home=home)
    assert missing.stderr == "error: Corpus 'books' not found. Available: none yet.\n"


def test_a_folder_becomes_a_corpus_whose_recall_is_measured(tmp_path: Path) -> None:
    home, folder, needed = tmp_path / "home", tmp_path / "sheets", tmp_path / "needed.toml"
    folder.mkdir()
    (folder / "README.md").write_text("Sheets about vitamins and toes.")
    (folder / "af.md").write_text(
        "# Accessory pathway\n\nAn irregular tachycardia after a short PR interval is given procainamide."
    )
    (folder / "toes.md").write_text("# Gout\n\nGout makes toes swell.")
    added = corpus("add", str(folder), "--licence", "CC BY 4.0", home=home)
    assert added.stdout == "sheets: version 1, 2 passages added\n"
    assert "sheets: 1 file left out: of another kind, or named README." in added.stderr
    assert "already" in corpus("add", str(folder), "--licence", "CC BY 4.0", home=home).stderr
    needed.write_text('[[needed]]\nquestion = "cardiology-preexcited-af"\nsheets = ["af.md"]\n')
    said = corpus("recall", "sheets", "--needed", str(needed), home=home).stdout
    assert said.startswith("sheets: version 1, 2 passages; 1 question\nfound among the first 1: 1 of 1 (100%, ")
    found = json.loads(corpus("recall", "sheets", "--needed", str(needed), "--json", home=home).stdout)
    assert (found["found_at"]["1"]["found"], found["ranks"]) == (
        1,
        [{"question": "cardiology-preexcited-af", "rank": 1}],
    )
    missing = corpus("recall", "sheets", "--needed", str(needed), "--questions", "books", home=home)
    assert missing.stderr == "error: Question set 'books' not found. Available: library.\n"


def test_vectors_are_made_with_the_corpus_or_later_used_measured_and_deleted(tmp_path: Path) -> None:
    home, path, needed = tmp_path / "home", tmp_path / "sheets.md", tmp_path / "needed.toml"
    path.write_text("# Cardiology\n\nAn irregular tachycardia after a short PR interval.\n\n# Gums\n\nBleeding gums.\n")
    needed.write_text('[[needed]]\nquestion = "cardiology-preexcited-af"\nsheets = ["sheets.md"]\n')
    with serving_meanings() as server:
        own = {"M1_EMBEDDING_URL": server.url, "M1_EMBEDDING_MODEL": "meanings"}
        works, server.embeddings = server.embeddings, DOWN
        added = corpus("add", str(path), "--licence", "CC BY 4.0", home=home, **own)
        assert (added.returncode, added.stdout) == (0, "sheets: version 1, 2 passages added\n")
        assert added.stderr == (
            "The vectors of sheets could not be made: The embedding server failed (HTTP 503): Loading model It is "
            "searched by words alone until `m1app corpus embed` has made them.\n"
        )
        failed = corpus("embed", "sheets", home=home, **own)
        assert (failed.returncode, failed.stderr) == (
            1,
            "error: The embedding server failed (HTTP 503): Loading model\n",
        )
        server.embeddings = works
        made = corpus("embed", "sheets", home=home, **own)
        assert made.stdout == "sheets: 2 vectors of 4 numbers by meanings\n"
        assert made.stderr == "sheets: 0 of 2 vectors\nsheets: 2 of 2 vectors\n"
        found = corpus("search", "scurvy", home=home, **own)
        assert found.stdout.splitlines()[1] == "Bleeding gums."
        assert found.stderr == "Found by words and meaning (meanings).\n"
        shown = json.loads(corpus("search", "scurvy", "--json", home=home, **own).stdout)
        assert (len(shown["passages"]), shown["note"]) == (2, "Found by words and meaning (meanings).")
        said = corpus("recall", "sheets", "--needed", str(needed), home=home, **own).stdout.splitlines()
        assert said[1] == "By words alone:"
        assert said[5] == "With vectors: Found by words and meaning (meanings)."
        assert [line[:25] for line in said[2:5]] == [line[:25] for line in said[6:9]]
        both = json.loads(corpus("recall", "sheets", "--needed", str(needed), "--json", home=home, **own).stdout)
        assert (both["by_words"]["questions"], both["questions"]) == (1, 1)
        assert corpus("embed", "sheets", "--delete", home=home, **own).stdout == "vectors of sheets deleted\n"
        assert corpus("embed", "sheets", "--delete", home=home, **own).stdout == "sheets has no vectors\n"
        path.write_text("# Gums\n\nBleeding gums.\n")
        added = corpus("add", str(path), "--licence", "CC BY 4.0", home=home, **own)
        assert "sheets: 1 of 1 vector\nsheets: 1 vector of 4 numbers by meanings\n" in added.stderr
    refused = corpus("embed", "sheets", home=home)
    assert refused.stderr.startswith("error: No embedding model is set.")
