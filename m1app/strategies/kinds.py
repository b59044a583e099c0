"""Every strategy by name: what it is called, where it comes from, what can be set, what it needs.

Add a strategy here and it is on the pages, on the command line and in benchmarks. `catalogue` reads choices of them.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from m1app.strategies.methods.atom_of_thoughts import atom_of_thoughts
from m1app.strategies.methods.auto import auto
from m1app.strategies.methods.budget_forcing import budget_forcing
from m1app.strategies.methods.debate import debate
from m1app.strategies.methods.deepconf import deepconf
from m1app.strategies.methods.early_exits import deer, dynasor
from m1app.strategies.methods.first_finish import first_finish
from m1app.strategies.methods.plan_and_budget import SCHEDULES, plan_and_budget
from m1app.strategies.methods.retrieval.passages_in_prompt import passages_in_prompt
from m1app.strategies.methods.retrieval.searching_chain import MOST_SEARCHES, search_while_thinking
from m1app.strategies.methods.retrieval.two_levels import MOST_STEPS, two_levels
from m1app.strategies.methods.retrieval.verified_chains import MOST_QUOTED, mirage
from m1app.strategies.methods.team import team
from m1app.strategies.methods.temperatures import passes_at_all_temperatures, temperatures
from m1app.strategies.methods.trimr import trimr
from m1app.strategies.methods.verifying.best_of_n import best_of_n, heimdall, j1
from m1app.strategies.methods.verifying.step_by_step import RULES, genprm
from m1app.strategies.methods.voting import CLEAR_RULES, adaptive_vote, most_confident, vote, weighted_vote
from m1app.strategies.protocol import Strategy


@dataclass(frozen=True, slots=True)
class Option:
    """What can be set of a strategy."""

    name: str
    label: str
    help: str
    default: int | float | str
    """Its type is the option's; text without `choices` is a name, see `names`."""
    low: float = 1
    high: float = math.inf
    choices: tuple[str, ...] = ()
    """All that a text may be; empty for names."""
    names: Literal["model", "policy", "corpus"] = "model"
    """Of a text without `choices`: a served model, empty for the run's own; a policy; a corpus, empty for all."""
    is_written_if_set: bool = False
    """Whether it is written only where it is not the default: what was stored before it came keeps its name."""

    @property
    def is_name(self) -> bool:
        """Whether it is a text without `choices`."""
        return isinstance(self.default, str) and not self.choices


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A strategy that can be chosen."""

    name: str
    title: str
    summary: str
    """One sentence: what it does."""
    source: str
    """Where it was published."""
    make: Callable[..., Strategy]
    """Takes the task and the options by name, `ROUNDS` aside."""
    options: tuple[Option, ...] = ()
    needs_options: bool = False
    """Whether it can be asked questions with options only."""
    needs_probabilities: bool = False
    """Whether the engine has to give the probabilities of tokens."""
    starts_others: bool = False
    """Whether it starts other strategies: it takes `start` too, which starts one as it is written."""
    from_pool: bool = False
    """Whether stored passes of a question are all that it needs."""
    is_beyond_runs: bool = False
    """Whether its passes need what those of a benchmark run lack: temperatures of their own, confidences."""
    passes: Callable[[Mapping[str, int | float | str]], int] = lambda options: int(
        options.get("k", options.get("n", 1))
    )
    """Most passes that share its budget, by its options; 1 if none of them says how many."""
    has_calls_only: bool = False
    """Whether those passes are calls with prompts of its own, and it asks for nothing besides."""
    passages: Callable[[Mapping[str, int | float | str]], int] = lambda options: 0
    """Most passages of corpora that it reads for a question, by its options; 0 if it does not search."""
    bounds_itself: bool = False
    """Whether each request has its own limit and the run none: what a kill wasted is then asked again in full."""
    picture: str = "votes"
    """Which picture shows it: see `m1app/ui/strategies/pictures.js`."""

    @property
    def can_force_rounds(self) -> bool:
        """Whether its passes can be made to think again where they want to stop."""
        return ROUNDS in self.options

    @property
    def chooses_sets(self) -> bool:
        """Whether it can answer questions with several right options from the passes of a run.

        It counts answers as they are, so a set of letters is an answer like any other; the probability of a letter says
        nothing about a set.
        """
        return self.from_run and not self.needs_probabilities

    @property
    def from_run(self) -> bool:
        """Whether the passes of a benchmark run are all that it needs."""
        return self.from_pool and not self.is_beyond_runs


BY_POLICY = "auto"
"""Name of the strategy that chooses another one by a policy."""


MOST_ROUNDS = 8
ROUNDS = Option(
    "rounds",
    "Forced rounds",
    "How often each pass is made to continue thinking when it wants to stop; 0 uses the run's number.",
    0,
    0,
    MOST_ROUNDS,
    is_written_if_set=True,
)
_K = Option("k", "Passes", "Independent passes of the question, each with its own seed.", 8, 1, 128)
_N = Option("n", "Passes", "Independent passes of the question, each verified.", 4, 2, 64)
_M = Option("m", "Verifications", "How often the judge verifies each pass.", 2, 1, 16)
_JUDGE_TOKENS = Option("tokens", "Judge's budget", "Thinking tokens of each verification.", 128, 1, 8192)
_PASSAGES = Option("k", "Passages", "Maximum passages per search.", 3, 1, 10)
_SEARCHES = Option("searches", "Searches", "Maximum searches per question.", MOST_SEARCHES, 1, MOST_SEARCHES)
_CORPUS = Option("corpus", "Corpus", "Name of the corpus to search; empty for all of them.", "", names="corpus")
_JUDGE = Option("judge", "Judge", "The served model that verifies; empty for the model that answers.", "")

KINDS: tuple[Kind, ...] = (
    Kind(
        name="budget-forcing",
        title="One chain",
        summary="One pass to the thinking budget, with forced rounds: what m1 does.",
        source="arXiv 2504.00869",
        make=budget_forcing,
        options=(ROUNDS,),
        from_pool=True,
        picture="chain",
    ),
    Kind(
        name="vote",
        title="Vote",
        summary="The answer that most of several independent passes give (self-consistency).",
        source="arXiv 2203.11171",
        make=vote,
        options=(_K, ROUNDS),
        from_pool=True,
    ),
    Kind(
        name="weighted-vote",
        title="Vote by probability",
        summary="The answer with the highest total probability at the ends of several passes.",
        source="arXiv 2203.11171, section 3.1",
        make=weighted_vote,
        options=(_K, ROUNDS),
        needs_options=True,
        needs_probabilities=True,
        from_pool=True,
    ),
    Kind(
        name="adaptive-vote",
        title="Vote until clear",
        summary="A vote of 2, 4, 8, ... passes that ends as soon as the leader is clear.",
        source="arXiv 2305.11860",
        make=adaptive_vote,
        options=(
            _K,
            Option(
                "share",
                "Clear from",
                "Only for the rule share: share of the passes that ends the vote.",
                0.75,
                0.5,
                1.0,
            ),
            Option(
                "rule",
                "Rule",
                "Ends by the leader's share after 2, 4, 8, ... passes, or by its Beta posterior after each pass.",
                "share",
                choices=CLEAR_RULES,
                is_written_if_set=True,
            ),
            Option(
                "confidence",
                "Sure from",
                "Only for the rule beta: required probability that the leader is ahead of the second.",
                0.95,
                0.5,
                1.0,
                is_written_if_set=True,
            ),
            ROUNDS,
        ),
        from_pool=True,
    ),
    Kind(
        name="most-confident",
        title="Most confident pass",
        summary="The answer of the pass that gives its own letter the highest probability.",
        source="best of k by score, arXiv 2406.06647",
        make=most_confident,
        options=(_K, ROUNDS),
        needs_options=True,
        needs_probabilities=True,
        from_pool=True,
    ),
    Kind(
        name="first-finish",
        title="First to finish",
        summary="Several passes race. The first to end its thinking naturally answers; the others are cancelled.",
        source="First Finish Search, arXiv 2505.18149",
        make=first_finish,
        options=(Option("n", "Passes", "Passes that race, each with its own seed.", 4, 1, 128),),
        from_pool=True,
        picture="race",
    ),
    Kind(
        name="deer",
        title="Exit when sure",
        summary="One pass that ends where the thinking hesitates and one option is probable enough.",
        source="DEER, arXiv 2504.15895",
        make=deer,
        options=(
            Option("threshold", "Sure from", "Probability among the options that ends the thinking.", 0.95, 0.3, 1.0),
            Option(
                "gap", "Tokens between looks", "Minimum thinking tokens between two looks at the options.", 16, 1, 4_096
            ),
        ),
        needs_options=True,
        needs_probabilities=True,
        from_pool=True,
        picture="exit",
    ),
    Kind(
        name="dynasor",
        title="Exit on agreement",
        summary="One pass that ends when the leading option is the same at several looks in a row.",
        source="Dynasor, arXiv 2412.20993",
        make=dynasor,
        options=(
            Option(
                "every",
                "Tokens between looks",
                "Thinking tokens from one look at the options to the next.",
                32,
                1,
                4_096,
            ),
            Option(
                "agree",
                "Looks that agree",
                "Looks in a row with the same leading option that end the thinking.",
                2,
                2,
                64,
            ),
        ),
        needs_options=True,
        needs_probabilities=True,
        from_pool=True,
        picture="exit",
    ),
    Kind(
        name="trimr",
        title="Trimmed by a verifier",
        summary="One pass that a verifier closes when it repeats conclusions, diverges or loops.",
        source="TrimR, arXiv 2505.17155",
        make=trimr,
        options=(
            Option(
                "judge", "Verifier", "A served model that follows the thinking; empty for the model that is asked.", ""
            ),
            Option("agree", "Repeated conclusions", "Repeated conclusions in a row that close the thinking.", 2, 1, 32),
            Option(
                "patience", "Segments before divergence", "Segments after which divergence is asked about.", 8, 2, 64
            ),
            Option("least", "Shortest segment", "Tokens of the shortest segment.", 24, 1, 4_096),
        ),
        needs_probabilities=True,
        picture="strip",
    ),
    Kind(
        name="temperatures",
        title="Vote at several temperatures",
        summary="Passes at temperatures from 0 to 1.2, until every temperature gives the same answer.",
        source="arXiv 2510.02611",
        make=temperatures,
        options=(
            Option("rounds", "Rounds", "Maximum passes at each temperature above 0.", 2, 1, 32),
            Option("share", "Clear from", "Share of the passes at each temperature that ends the vote.", 0.8, 0.5, 1.0),
        ),
        from_pool=True,
        is_beyond_runs=True,
        passes=lambda options: passes_at_all_temperatures(int(options["rounds"])),
        picture="heat",
    ),
    Kind(
        name="deepconf",
        title="Confident passes only",
        summary="Passes that fall below the confidence of the first ones are cancelled; the others vote by confidence.",
        source="DeepConf, arXiv 2508.15260",
        make=deepconf,
        options=(
            _K,
            Option("warmup", "Warm-up passes", "First passes, which run to the end and set the bar.", 4, 1, 64),
            Option("window", "Window", "Tokens over which confidence is averaged.", 128, 1, 4_096),
            Option(
                "percentile",
                "Bar",
                "Percentile of the warm-up passes' lowest confidence; below it, a pass is cancelled.",
                10.0,
                0.0,
                100.0,
            ),
        ),
        needs_probabilities=True,
        from_pool=True,
        is_beyond_runs=True,
        picture="confidence",
    ),
    Kind(
        name="debate",
        title="Debate",
        summary="Agents answer, read each other's answers and answer again; the majority decides.",
        source="arXiv 2505.22960",
        make=debate,
        options=(
            Option("agents", "Agents", "Each agent has its own seed.", 3, 2, 4),
            Option(
                "rounds",
                "Rounds",
                "How often each agent answers. In the first round, no agent reads the others.",
                2,
                1,
                4,
            ),
        ),
        passes=lambda options: int(options["agents"]) * int(options["rounds"]),
        has_calls_only=True,
        picture="transcript",
    ),
    Kind(
        name="team",
        title="Team",
        summary="A CEO recruits experts and sets their budgets; one solves, others criticize, an evaluator accepts.",
        source="arXiv 2504.09772, github.com/jincan333/MAS-TTS",
        make=team,
        options=(
            Option("experts", "Experts", "Maximum experts that the CEO can recruit, including the solver.", 3, 1, 3),
            Option("rounds", "Rounds", "Maximum rounds of critics per turn.", 3, 1, 3),
            Option("turns", "Turns", "Maximum times that the evaluator can send the team back.", 2, 1, 3),
        ),
        passes=lambda options: (int(options["experts"]) + 1) * int(options["turns"]),
        has_calls_only=True,
        picture="transcript",
    ),
    Kind(
        name="atom-of-thoughts",
        title="Atom of thoughts",
        summary="What is known becomes part of a simpler question; an ensemble of its answer and two others decides.",
        source="arXiv 2502.12018, github.com/qixucen/atom",
        make=atom_of_thoughts,
        options=(Option("depth", "Depth", "How often the question is contracted: 1 + 5 x depth calls.", 1, 1, 3),),
        passes=lambda options: 1 + 5 * int(options["depth"]),
        has_calls_only=True,
        picture="graph",
    ),
    Kind(
        name="plan-and-budget",
        title="Plan and budget",
        summary="Sub-questions, each with a share of the thinking by difficulty, and a final answer based on theirs.",
        source="arXiv 2505.16122, github.com/junhongmit/P-and-B",
        make=plan_and_budget,
        options=(
            Option(
                "schedule",
                "Schedule",
                "How shares decrease from the first sub-question to the last, in addition to difficulty.",
                "constant",
                choices=tuple(SCHEDULES),
            ),
        ),
        passes=lambda _: 2,  # What one pass thinks is divided; the plan and the answers have as much.
        has_calls_only=True,
        picture="plan",
    ),
    Kind(
        name="passages",
        title="Passages in the prompt",
        summary="One pass that reads the passages of a corpus that best match the question.",
        source="retrieval-augmented generation, arXiv 2005.11401",
        make=passages_in_prompt,
        options=(_PASSAGES, _CORPUS),
        passes=lambda _: 1,
        has_calls_only=True,
        passages=lambda options: int(options["k"]),
        picture="passages",
    ),
    Kind(
        name="searching",
        title="Search while thinking",
        summary="One pass that can look things up at any point of its thinking.",
        source="Search-o1, arXiv 2501.05366; MIRAGE, arXiv 2508.18260",
        make=search_while_thinking,
        options=(_PASSAGES, _SEARCHES, _CORPUS),
        passes=lambda _: 1,
        has_calls_only=True,
        passages=lambda options: int(options["k"]) * int(options["searches"]),
        picture="passages",
    ),
    Kind(
        name="mirage",
        title="Searching chains, checked",
        summary="A searching chain for each sub-question, then a check of their answers against each other.",
        source="MIRAGE, arXiv 2508.18260, github.com/Despacitobei/MIRAGE",
        make=mirage,
        options=(_PASSAGES, _SEARCHES, _CORPUS),
        passes=lambda _: 2,  # What one pass thinks is divided; the plan and the answers have as much.
        has_calls_only=True,
        passages=lambda options: int(options["k"]) * int(options["searches"]) + MOST_QUOTED,
        picture="passages",
    ),
    Kind(
        name="r2-llms",
        title="Solved questions and steps",
        summary="Takes its steps from similar solved questions, and looks up passages for each step.",
        source="R2-LLMs, arXiv 2507.05557",
        make=two_levels,
        options=(
            _PASSAGES,
            Option(
                "solved",
                "Solved questions",
                "Name of a corpus of solved questions; empty to use the corpus of the passages.",
                "",
                names="corpus",
            ),
            _CORPUS,
        ),
        passes=lambda _: 2,  # As above.
        has_calls_only=True,
        passages=lambda options: int(options["k"]) * (1 + MOST_STEPS),
        picture="passages",
    ),
    Kind(
        name="best-of-n",
        title="Best of n",
        summary="The pass that a judge most believes to be correct, on average over several verifications.",
        source="arXiv 2510.00492",
        make=best_of_n,
        options=(_N, _M, _JUDGE_TOKENS, _JUDGE),
        needs_probabilities=True,
        picture="matrix",
    ),
    Kind(
        name="genprm",
        title="Best paragraphs",
        summary="The pass whose paragraphs a judge believes to be correct, judged one by one.",
        source="arXiv 2504.00891",
        make=genprm,
        options=(
            _N,
            Option(
                "steps",
                "Paragraphs",
                "Maximum paragraphs per pass, including the answer; if there are more, some are joined.",
                6,
                1,
                32,
            ),
            Option(
                "tokens",
                "Judge's budget",
                "Thinking tokens for each paragraph; 0 reads the verdict immediately.",
                0,
                0,
                8192,
            ),
            Option(
                "rule",
                "Rule",
                "How a pass is scored: by its worst score, the product of its scores, or its last score.",
                "min",
                choices=RULES,
            ),
            _JUDGE,
        ),
        needs_probabilities=True,
        picture="matrix",
    ),
    Kind(
        name="heimdall",
        title="Pessimistic choice",
        summary="The answer that a judge most believes to be correct, with a penalty for few verifications.",
        source="arXiv 2504.10337",
        make=heimdall,
        options=(
            _N,
            _M,
            _JUDGE_TOKENS,
            Option("alpha", "Penalty", "Weight of the penalty for few verifications.", 0.1, 0.0, 10.0),
            _JUDGE,
        ),
        needs_probabilities=True,
        picture="matrix",
    ),
    Kind(
        name="j1",
        title="Best of n, judge forced on",
        summary="Best of n with a judge that is made to continue thinking when it wants to stop.",
        source="arXiv 2505.11875",
        make=j1,
        options=(
            _N,
            _M,
            _JUDGE_TOKENS,
            Option("rounds", "Judge's rounds", "Forced rounds of each verification.", 1, 1, 16),
            _JUDGE,
        ),
        needs_probabilities=True,
        picture="matrix",
    ),
    Kind(
        name=BY_POLICY,
        title="By policy",
        summary="A pilot pass, whose entropy decides the strategy and thinking budget, by a policy made from a run.",
        source="compute-optimal scaling, arXiv 2502.06703",
        make=auto,
        starts_others=True,
        options=(
            Option(
                "policy", "Policy", "Name of a policy: make one on the Benchmarks page, under Fits.", "", names="policy"
            ),
        ),
        needs_options=True,
        needs_probabilities=True,
        picture="policy",
    ),
)
