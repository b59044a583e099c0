"""Corrected cases as samples: facts in place, and nothing that rests on an error."""

from m1app.training.corrections import FACTS, CorrectedSpan, correct, fact_alone
from m1app.training.verification import Verdict, verify
from tests.m1app.training.training_cases import OPTIONS

THINKING = "Cortisol is a peptide. So it is made in the pancreas. The answer is C."


def span(exact: str, fact: str, text: str = THINKING, *, is_thinking: bool = True) -> CorrectedSpan:
    start = text.index(exact)
    return CorrectedSpan(is_thinking, start, start + len(exact), exact, fact)


def test_right_answer_keeps_all_of_its_thinking() -> None:
    spans = [span("is a peptide", "is a steroid"), span("the pancreas", "the adrenal cortex")]
    reasoning, answer = correct(THINKING, "The answer is A.", OPTIONS, "A", spans, [])
    assert reasoning == "Cortisol is a steroid. So it is made in the adrenal cortex. The answer is C."
    assert answer == "The answer is A."


def test_wrong_answer_is_cut_after_the_last_correction_and_closed_with_the_target() -> None:
    spans = [span("is a peptide.", "is a steroid of the adrenal cortex.")]
    reasoning, answer = correct(THINKING, "The answer is C.", OPTIONS, "A", spans, [])
    assert reasoning == "Cortisol is a steroid of the adrenal cortex.\n\nSo the answer is A. Adrenal gland"
    assert answer == "The answer is A. Adrenal gland"


def test_wrong_answer_without_a_corrected_stretch_is_reasoned_from_the_facts() -> None:
    facts = ["Cortisol is a steroid.", "The adrenal cortex makes it."]
    reasoning, _ = correct(THINKING, "C", OPTIONS, "A", [], facts)
    assert reasoning == "Cortisol is a steroid. The adrenal cortex makes it.\n\nSo the answer is A. Adrenal gland"


def test_right_answer_to_what_is_the_exception_is_kept() -> None:
    options, asked = {"A": "Hay fever", "B": "Smoking"}, "Each of these raises the risk of a stroke, except:"
    answer = "Hay fever does not raise the risk of a stroke."
    assert correct("Pollen.", answer, options, "A", [], [], asked) == ("Pollen.", answer)


def test_correction_of_the_answer_can_make_it_right() -> None:
    text = "The answer is C."
    spans = [span("C", "A", text, is_thinking=False)]
    assert correct(THINKING, text, OPTIONS, "A", spans, []) == (THINKING, "The answer is A.")


def test_what_was_missing_is_put_where_it_was_missed() -> None:
    at = THINKING.index(" So")
    missing = CorrectedSpan(True, at, at, "", "ACTH drives it.")
    reasoning, _ = correct(THINKING, "The answer is A.", OPTIONS, "A", [missing], [])
    assert reasoning.startswith("Cortisol is a peptide. ACTH drives it. So it is made")


def test_stretch_whose_words_moved_and_one_that_overlaps_are_left_out() -> None:
    moved = CorrectedSpan(True, 1, 5, "orts", "x")
    overlapping = [span("is a peptide", "is a steroid"), span("a peptide", "a wonder")]
    reasoning, _ = correct(THINKING, "The answer is A.", OPTIONS, "A", [moved, *overlapping], [])
    assert reasoning == THINKING.replace("is a peptide", "is a steroid")


def test_open_question_keeps_its_answer() -> None:
    assert correct(THINKING, "Cortex.", {}, None, [], []) == (THINKING, "Cortex.")


def test_several_right_options_are_stated_by_their_letters() -> None:
    reasoning, answer = correct(THINKING, "The answer is C.", OPTIONS, "A, C", [], ["Both make hormones."])
    assert (reasoning, answer) == ("Both make hormones.\n\nSo the answer is A, C", "The answer is A, C")


def test_a_fact_alone_is_learned_without_the_question() -> None:
    facts = [("is a peptide", "is a steroid"), ("the pancreas", "the adrenal cortex"), ("C", "A")]
    made = [fact_alone([span(exact, fact)], "Endocrinology") for exact, fact in facts]
    for sample, (exact, fact) in zip(made, facts, strict=True):
        assert sample.target is not None
        assert sample.options[sample.target] == fact and exact in sample.options.values()
        assert verify(sample.answer, sample.options, sample.target) is Verdict.AGREES
        assert (sample.source, sample.domain) == (FACTS, "Endocrinology")
    assert {sample.target for sample in made} == {"A", "B"}
    assert fact_alone([], "").answer == ""
