"""`python -m m1app corpus add|list|search|embed|recall|delete|overlap`: passages to search, from files."""

import argparse
import asyncio
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from m1app.benchmark.intervals import Proportion, wilson
from m1app.bootstrap import Services
from m1app.cli.question_import import overlaps_text, whole_number
from m1app.cli.terminal import add_json, given, say, write, write_json
from m1app.knowledge.errors import KnowledgeError
from m1app.knowledge.guard import AskedQuestion
from m1app.knowledge.packed_folder import packed
from m1app.knowledge.recall import RANKS, Recall, asked_of, read_needed
from m1app.knowledge.service import MAX_PASSAGES
from m1app.knowledge.vectors import Making
from m1app.question.library import load_library
from m1app.scratch_folder import UPLOAD, scratch_folder
from m1app.wording import counted
from models.errors import EngineError
from storage.corpora.records import Corpus, FoundPassage

LIBRARY = "library"


def add_command(commands: Any) -> None:
    """Add `corpus` and its subcommands to the commands of `m1app.cli.main`."""
    corpus = commands.add_parser("corpus", help="passages to search: add files, list, search, measure, compare, delete")
    below = corpus.add_subparsers(required=True, metavar="add|list|search|embed|recall|delete|overlap")
    _add_adding(below)
    listing = below.add_parser("list", help="list all corpora with their passage counts")
    listing.add_argument("--versions", action="store_true", help="earlier versions too")
    add_json(listing)
    listing.set_defaults(command=_list)
    _add_search(below)
    _add_embedding(below)
    _add_recall(below)
    delete = below.add_parser("delete", help="move a corpus with all its versions to the trash")
    delete.add_argument("name", metavar="NAME")
    delete.set_defaults(command=_delete)
    overlap = below.add_parser("overlap", help="find question sets whose questions are in a corpus")
    overlap.add_argument("name", metavar="NAME")
    add_json(overlap)
    overlap.set_defaults(command=_overlap)


def _add_adding(below: Any) -> None:
    add = below.add_parser("add", help="add a file; under the name of a corpus, as its next version")
    add.add_argument("file", metavar="FILE", help="text, Markdown, PDF, JSON lines or CSV, a .zip or a folder of these")
    add.add_argument("--licence", type=given, required=True, metavar="NOTE", help='licence of the file, or "unknown"')
    add.add_argument("--name", default="", metavar="NAME", help="name of the corpus (default: the file's name)")
    add_json(add)
    add.set_defaults(command=_add)


def _add_search(below: Any) -> None:
    search = below.add_parser("search", help="find passages that fit words, or a whole question")
    search.add_argument("text", metavar="TEXT", type=given, help="words or a question; - reads standard input")
    search.add_argument(
        "-k", type=whole_number(1, MAX_PASSAGES), default=5, metavar="N", help="number of passages (default: 5)"
    )
    search.add_argument(
        "--corpus",
        action="append",
        metavar="NAME",
        help='corpus to search; repeatable; "corrected facts" are those from annotations (default: all)',
    )
    search.add_argument(
        "--asked",
        action="store_true",
        help="the text is a question being asked: leave out corrected facts written on it",
    )
    add_json(search)
    search.set_defaults(command=_search)


def _add_embedding(below: Any) -> None:
    embed = below.add_parser("embed", help="make the missing vectors for search by meaning")
    embed.add_argument("name", metavar="NAME")
    embed.add_argument("--delete", action="store_true", help="delete the vectors instead")
    embed.set_defaults(command=_embed)


def _add_recall(below: Any) -> None:
    recall = below.add_parser("recall", help="measure how often a search finds the passage that a question needs")
    recall.add_argument("name", metavar="NAME")
    recall.add_argument(
        "--questions",
        default=LIBRARY,
        metavar="SET",
        help='name of a question set (default: "library", the app\'s own)',
    )
    needed = recall.add_mutually_exclusive_group(required=True)
    needed.add_argument("--needed", type=Path, metavar="FILE", help="TOML file that says what each question needs")
    needed.add_argument(
        "--facts", action="store_true", help="use annotators' corrected facts, each needed by its own question"
    )
    add_json(recall)
    recall.set_defaults(command=_recall)


async def _add(services: Services, options: argparse.Namespace) -> int:
    async with scratch_folder(UPLOAD, services.settings.home) as scratch:
        path, notes = Path(options.file), list[str]()
        if await asyncio.to_thread(path.is_dir):
            path = await asyncio.to_thread(packed, path, scratch, notes.append)
        report = await services.corpora.add(path, licence=options.licence, name=options.name)
        if report.is_new and services.corpus_vectors.model:
            notes.append(await _embedded_if_possible(services, report.corpus))
    for note in (*notes, *report.notes):
        say(note)
    if options.json:
        write_json({"corpus": _corpus_json(report.corpus), "is_new": report.is_new, "notes": report.notes})
    elif report.is_new:
        write(f"{_corpus_text(report.corpus)} added\n")
    return 0


async def _list(services: Services, options: argparse.Namespace) -> int:
    corpora = await services.corpora.all(has_earlier=options.versions)
    facts = await services.corpora.fact_count()
    if options.json:
        write_json({"corpora": [_corpus_json(each) for each in corpora], "corrected_facts": facts})
        return 0
    for each in corpora:
        write(f"{_corpus_text(each)}, from {each.source}, added {each.created_at:%Y-%m-%d}, licence: {each.licence}\n")
    if not corpora:
        write("No corpus yet. Add a file: python -m m1app corpus add FILE --licence NOTE\n")
    write(f"corrected facts: {counted(facts, 'annotation')}\n")
    return 0


async def _search(services: Services, options: argparse.Namespace) -> int:
    text = sys.stdin.read() if options.text == "-" else options.text
    asked = AskedQuestion(text) if options.asked else None
    found = await services.corpora.search(text, options.k, corpora=options.corpus, excluding_question=asked)
    if options.json:
        write_json({"passages": [asdict(each) for each in found.passages], "note": found.note})
        return 0
    for each in found.passages:
        write(f"{_place(each)}\n{each.text}\n\n")
    if found.note:
        say(found.note)
    if not found.passages:
        write("No passage contains any of these words. Try others.\n")
    return 0


async def _embed(services: Services, options: argparse.Namespace) -> int:
    corpus = await _named(services, options.name)
    if options.delete:
        had_any = await services.corpus_vectors.forget(corpus)
        write(f"vectors of {corpus.name} deleted\n" if had_any else f"{corpus.name} has no vectors\n")
        return 0
    write(f"{await _embedded(services, corpus)}\n")
    return 0


async def _embedded_if_possible(services: Services, corpus: Corpus) -> str:
    try:
        return await _embedded(services, corpus)
    except EngineError as exc:
        return (
            f"The vectors of {corpus.name} could not be made: {exc} It is searched by words alone until "
            "`m1app corpus embed` has made them."
        )


async def _embedded(services: Services, corpus: Corpus) -> str:
    """Make the vectors of a corpus while saying how far; return what was done."""

    def tell(making: Making) -> None:
        say(f"{making.name}: {making.done:,} of {counted(making.passages, 'vector')}")

    made = await services.corpus_vectors.make(corpus, tell)
    return f"{corpus.name}: {counted(made.passage_count, 'vector')} of {made.dimensions} numbers by {made.model}"


async def _recall(services: Services, options: argparse.Namespace) -> int:
    corpus = await _named(services, options.name)
    found = await _recalled(services, options, corpus, is_by_words=False)
    has_meaning = bool(services.corpus_vectors.model)
    by_words = await _recalled(services, options, corpus, is_by_words=True) if has_meaning else None
    if options.json:
        shown = _recall_json(found) | {"corpus": _corpus_json(corpus), "notes": found.notes}
        write_json(shown | ({"by_words": _recall_json(by_words)} if by_words else {}))
        return 0
    of = "corrected fact" if options.facts else "question"
    write(f"{_corpus_text(corpus)}; {counted(len(found.ranks), of)}\n")
    if by_words:
        write(f"By words alone:\n{_shares_text(by_words)}With vectors: {' '.join(found.notes)}\n")
    write(_shares_text(found))
    for each in found.missed_at(1):
        where = f"ranked number {each.rank}" if each.rank else f"not among the first {max(RANKS)}"
        write(f"{each.question}: {each.needed} {where}\n" if each.needed else f"{each.question}: no passage fits\n")
    return 0


async def _recalled(services: Services, options: argparse.Namespace, corpus: Corpus, *, is_by_words: bool) -> Recall:
    if options.facts:
        return await services.corpora.recall_of_facts(corpus.name, is_by_words=is_by_words)
    needed = await asyncio.to_thread(read_needed, options.needed)
    asked = asked_of(needed, await _stems(services, options.questions))
    return await services.corpora.recall(corpus.name, asked, is_by_words=is_by_words)


def _shares(found: Recall) -> dict[int, Proportion]:
    return {most: wilson(found.found_at(most), len(found.ranks)) for most in RANKS}


def _shares_text(found: Recall) -> str:
    return "".join(
        f"found among the first {most}: {found.found_at(most):,} of {len(found.ranks):,} "
        f"({share.value:.0%}, 95 % interval {share.low:.0%} to {share.high:.0%})\n"
        for most, share in _shares(found).items()
    )


def _recall_json(found: Recall) -> dict[str, Any]:
    return {
        "questions": len(found.ranks),
        "found_at": {
            str(most): {"found": found.found_at(most), "low": share.low, "high": share.high}
            for most, share in _shares(found).items()
        },
        "ranks": [{"question": each.question, "rank": each.rank} for each in found.ranks],
    }


async def _stems(services: Services, questions: str) -> dict[str, str]:
    """The stems of the library by id, or of a set by title."""
    if questions == LIBRARY:
        return {each.id: each.question for each in load_library()}
    sets = await services.question_sets.all()
    chosen = next((each for each in sets if each.name == questions), None)
    if chosen is None:
        there = ", ".join([LIBRARY, *(each.name for each in sets)])
        raise KnowledgeError(f"Question set {questions[:80]!r} not found. Available: {there}.")
    asked = await services.question_sets.preview(chosen.id, limit=chosen.question_count)
    return {name: each.stem for each in asked for name in (each.id, each.title)}


async def _delete(services: Services, options: argparse.Namespace) -> int:
    chosen = await _named(services, options.name)
    await services.corpora.delete(chosen.id)
    write(f"{chosen.name} moved to the trash with all its versions\n")
    return 0


async def _overlap(services: Services, options: argparse.Namespace) -> int:
    found = await services.corpora.overlaps((await _named(services, options.name)).id)
    if options.json:
        write_json({"overlaps": [asdict(each) for each in found]})
    else:
        write(overlaps_text(found) or "no question of a set is in the corpus\n")
    return 0


async def _named(services: Services, name: str) -> Corpus:
    corpora = await services.corpora.all()
    found = next((each for each in corpora if each.name == name), None)
    if found is None:
        there = ", ".join(each.name for each in corpora) or "none yet"
        raise KnowledgeError(f"Corpus {name[:80]!r} not found. Available: {there}.")
    return found


def _corpus_text(corpus: Corpus) -> str:
    return f"{corpus.name}: version {corpus.version}, {counted(corpus.passage_count, 'passage')}"


def _corpus_json(corpus: Corpus) -> dict[str, Any]:
    return asdict(corpus) | {"created_at": corpus.created_at.isoformat()}


def _place(found: FoundPassage) -> str:
    page = f", page {found.page}" if found.page else ""
    heading = f": {found.heading}" if found.heading else ""
    return f"[{found.id}] {found.corpus}, {found.source}{page}{heading} (score {found.score:.2f})"
