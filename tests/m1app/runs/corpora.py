"""Corpora in the database, without a file."""

from storage.corpora.records import Corpus, Kept, NewPassage
from storage.corpora.repository import CorpusRepository
from storage.database import Database, Session


def add_corpus(database: Database, name: str, *passages: NewPassage) -> Corpus:
    """Store the passages as the next version of a corpus; their source is the corpus's file, NAME.md."""

    def add(session: Session) -> Corpus:
        corpora = CorpusRepository(session)
        begun = corpora.begin(name, f"{name}.md", "CC BY 4.0")
        corpora.keep(begun.id, passages, 0)
        return corpora.finish(begun.id, "0" * 64, Kept(len(passages), 0, 0))

    return database.write_now(add)
