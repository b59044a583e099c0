"""Adding and searching a corpus of 200,000 passages: `python -m benchmarks.corpus`.

The passages are made of 60,000 words that are as unevenly common as those of a text (Zipf), in JSON lines, and added as
a person would: through the reading process, in many transactions. Planted among them are facts, each with a question
that shares some of its words among many others; recall is the share of questions whose fact is among the first five.
With `--url`, it fills an empty PostgreSQL database instead of a SQLite file. Times are also given as processor time,
since the machine may have other work. With `--dimensions`, each passage also gets a vector by chance, and all of them
are compared with one: what a search by meaning adds, without the embedding server's own time.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy

from m1app.access.person import COMMAND_LINE, run_process_as
from m1app.knowledge.guard import AskedQuestion
from m1app.knowledge.service import CorpusService
from m1app.settings import Settings
from storage.corpora.records import Corpus
from storage.corpora.vectors import VectorRepository
from storage.database import Database

LEAST_RATE = 2000
MOST_SECONDS = {"10 terms": 0.05, "a whole question": 0.3}
_SYLLABLES = (
    "car",
    "ne",
    "pu",
    "he",
    "ga",
    "it",
    "os",
    "em",
    "pa",
    "my",
    "lo",
    "pri",
    "gl",
    "re",
    "cy",
    "de",
    "th",
    "o",
    "in",
    "al",
)
_VOCABULARY, _PASSAGE_WORDS, _FACTS = 60_000, 180, 500
_MIB = 2**20


class Words:
    """Words as unevenly common as those of a text."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        made = dict.fromkeys(
            "".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))) for _ in range(3 * _VOCABULARY)
        )
        self.all = list(made)[:_VOCABULARY]
        self._weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(self.all))))

    def some(self, count: int) -> list[str]:
        """Words as a text has them."""
        return self._chance.choices(self.all, cum_weights=self._weights, k=count)


def write_file(path: Path, passages: int, words: Words, chance: random.Random) -> list[tuple[str, str]]:
    """Write the passages; return the question and the key of each planted fact."""
    planted = {chance.randrange(passages): number for number in range(_FACTS)}
    asked = []
    with path.open("w") as file:
        for place in range(passages):
            said = words.some(_PASSAGE_WORDS)
            if place in planted:
                telling = chance.sample(words.all[2000:20_000], 6)
                said[20:26] = telling
                question = [*words.some(90), *telling[:4]]
                chance.shuffle(question)
            sentences = [" ".join(said[at : at + 15]).capitalize() + "." for at in range(0, _PASSAGE_WORDS, 15)]
            text = " ".join(sentences)
            if place in planted:
                asked.append((" ".join(question), str(place)))
            file.write(
                json.dumps({"text": text, "source": f"Book {place // 5000}", "page": place % 5000, "id": place}) + "\n"
            )
    return asked


def processor_seconds() -> float:
    """Of this process and the ended ones it started."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def memory_mib() -> float:
    """Resident memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / _MIB


async def watch_memory(corpora: CorpusService, passages: int, seen: dict[str, float]) -> None:
    """Note the memory at a tenth, and the largest from there on."""
    while True:
        await asyncio.sleep(0.2)
        stored = sum(each.passages for each in corpora.running())
        if stored >= passages // 10:
            seen.setdefault("a tenth", memory_mib())
            seen["most"] = max(seen.get("most", 0), memory_mib())


async def timed(corpora: CorpusService, queries: list[str]) -> tuple[float, float, list[list[str]]]:
    """95th percentile of wall and of processor time in seconds, and the keys that each query found."""
    wall, used, found = [], [], []
    for query in queries:
        began, began_used = time.perf_counter(), time.process_time()
        passages = (await corpora.search(query, 5, corpora=None, excluding_question=AskedQuestion(query))).passages
        wall.append(time.perf_counter() - began)
        used.append(time.process_time() - began_used)
        found.append([each.key for each in passages])
    return statistics.quantiles(wall, n=20)[-1], statistics.quantiles(used, n=20)[-1], found


def compare_vectors(database: Database, corpus: Corpus, dimensions: int) -> None:
    """Give each passage a vector, compare all with some, and print how long that took."""
    chance = numpy.random.default_rng(1)

    def some(count: int) -> bytes:
        made = chance.standard_normal((count, dimensions))
        packed: bytes = (made / numpy.linalg.norm(made, axis=1, keepdims=True)).astype("<f4").tobytes()
        return packed

    with database.session() as session:
        embedding = VectorRepository(session).begin(corpus.id, "chance", some(1))
    while embedding.passage_count < corpus.passage_count:
        with database.session() as session:
            block = some(min(256, corpus.passage_count - embedding.passage_count))
            embedding = VectorRepository(session).keep(embedding, block)
    wall, used, before = list[float](), list[float](), memory_mib()
    for _ in range(40):
        asked = some(1)
        began, began_used = time.perf_counter(), time.process_time()
        with database.session(is_read_only=True) as session:
            VectorRepository(session).nearest([corpus.id], asked, 100)
        wall.append(time.perf_counter() - began)
        used.append(time.process_time() - began_used)
    p95 = [1000 * statistics.quantiles(each, n=20)[-1] for each in (wall, used)]
    print(
        f"comparing {embedding.passage_count:,} vectors of {dimensions}: p95 {p95[0]:.0f} ms, processor {p95[1]:.0f} ms"
    )
    print(f"memory before {before:.0f} MiB, after {memory_mib():.0f} MiB")


async def measure(home: Path, url: str, passages: int, dimensions: int) -> bool:
    """Fill, search and print; return whether all targets were met."""
    chance = random.Random(1)
    words = Words(chance)
    asked = write_file(home / "passages.jsonl", passages, words, chance)
    database = Database(url or f"sqlite:///{home}/m1.sqlite3")
    database.migrate()
    corpora = CorpusService(database, Settings(home=home))
    seen: dict[str, float] = {}
    watching = asyncio.create_task(watch_memory(corpora, passages, seen))
    began, began_used = time.perf_counter(), processor_seconds()
    report = await corpora.add(home / "passages.jsonl", licence="unknown", name="benchmark")
    seconds, used = time.perf_counter() - began, processor_seconds() - began_used
    watching.cancel()
    rate = report.corpus.passage_count / seconds
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(
        f"{report.corpus.passage_count:,} passages added in {seconds:.0f} s: {rate:,.0f}/s; processor time of both "
        f"processes {used:.0f} s: {report.corpus.passage_count / used:,.0f}/s"
    )
    print(f"memory at a tenth {seen['a tenth']:.0f} MiB, at most {seen['most']:.0f} MiB from there on")
    is_met = rate >= LEAST_RATE
    queries = {
        "10 terms": [" ".join(words.some(20)[10:]) for _ in range(200)],
        "a whole question": [question for question, _ in asked[:200]],
    }
    for name, some in queries.items():
        await timed(corpora, some[:5])
        wall, used, found = await timed(corpora, some)
        is_met &= wall <= MOST_SECONDS[name]
        print(
            f"search of {name}: p95 {1000 * wall:.0f} ms, processor time {1000 * used:.0f} ms "
            f"(at most {1000 * MOST_SECONDS[name]:.0f} ms)"
        )
    facts = [key for _, key in asked[:200]]
    hits = sum(key in keys for key, keys in zip(facts, found, strict=True))
    print(f"recall of planted facts among the first five: {hits} of {len(facts)}")
    if dimensions:
        compare_vectors(database, report.corpus, dimensions)
    size = database.check().size_bytes
    print(f"database {size / _MIB:,.0f} MiB")
    database.dispose()
    return is_met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=200_000)
    parser.add_argument("--url", default="", help="an empty PostgreSQL database")
    parser.add_argument("--dimensions", type=int, default=0, help="numbers in a vector; 0 for no vectors")
    options = parser.parse_args()
    run_process_as(COMMAND_LINE)
    with tempfile.TemporaryDirectory(prefix="m1-corpus-") as folder:
        return 0 if asyncio.run(measure(Path(folder), options.url, options.passages, options.dimensions)) else 1


if __name__ == "__main__":
    sys.exit(main())
