"""Layouts of open questions: a question, and the text of a right answer instead of options."""

from collections.abc import Callable

from m1app.question_sets.row_values import Row, RowProblem, SetQuestion, text_at, texts_of

MAX_REFERENCE_CHARACTERS = 2_000
"""Of a reference answer: a judge has to read it with every answer."""


def open_reader(question: str, references: tuple[str, ...], tags: tuple[str, ...] = ()) -> Callable[[Row], SetQuestion]:
    """A reader of rows with these columns.

    Args:
        question: the column of the question.
        references: columns of which the first that is there has the reference answer.
        tags: columns that become tags.
    """

    def read(row: Row) -> SetQuestion:
        column = next((name for name in references if row.get(name) not in (None, "")), references[0])
        reference = text_at(row, column).strip()
        if len(reference) > MAX_REFERENCE_CHARACTERS:
            raise RowProblem(
                f"column {column}: found a reference answer of {len(reference):,} characters, expected at most "
                f"{MAX_REFERENCE_CHARACTERS:,}"
            )
        return SetQuestion(text_at(row, question), {}, None, texts_of(row, tags), reference=reference)

    return read
