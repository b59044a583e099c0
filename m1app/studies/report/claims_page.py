"""The claims of a study as a page of a published site: text and a table, without scripts."""

from markupsafe import Markup

from m1app.studies.records import ClaimOutcome, StudyOutcome
from m1app.studies.words import DEMO, VERDICTS, estimate_words, look_words, p_words, paper_words

_HEAD = ("Claim", "Verdict", "Ours", "Paper", "p, after Holm", "n", "Why", "What would refute it")
_NOT_WRAPPED = {"Verdict", "Ours"}


def claims_html(outcome: StudyOutcome) -> Markup:
    """Everything that is not markup is escaped."""
    about = Markup("<p>{}</p>").format(outcome.study.about.strip())
    demo = Markup('<p class="notice">{}</p>').format(DEMO) if outcome.is_demo else Markup("")
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(each) for each in _HEAD)
    rows = Markup("").join(_row(each) for each in outcome.claims)
    rule = Markup("<p>Scored by the rule {}{}.</p>").format(outcome.study.rule, look_words(outcome))
    table = Markup('<div class="wide"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>')
    return about + demo + rule + table.format(head, rows)


def _row(claim: ClaimOutcome) -> Markup:
    cells = (
        claim.claim.text, VERDICTS[claim.verdict], estimate_words(claim), paper_words(claim), p_words(claim),
        f"{claim.n:,}" if claim.n else "", claim.why, claim.claim.refuted_by,
    )  # fmt: skip
    made = (
        Markup('<td class="{}">{}</td>').format("whole" if name in _NOT_WRAPPED else "", cell)
        for name, cell in zip(_HEAD, cells, strict=True)
    )
    return Markup("<tr>{}</tr>").format(Markup("").join(made))
