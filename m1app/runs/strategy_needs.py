"""What the strategies of a run need besides the model that is asked: other models, policies, corpora."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from m1app.access.person import Person
from m1app.knowledge.guard import may_read_facts
from m1app.knowledge.service import CorpusService
from m1app.runs.corpora import QuestionCorpora, check_corpora, corpora_for
from m1app.runs.errors import ProbeRefused
from m1app.runs.pass_plan import PassPlan, PassPlanner
from m1app.runs.policies import PolicyLibrary, check_model
from m1app.runs.probe_request import MAX_TOKENS
from m1app.runs.strategy_request import StrategyRunRequest, check_strategy_settings
from m1app.strategies.catalogue import Choice
from m1app.strategies.choosing.policy import Policy
from m1app.strategies.drivers.served_models import ServedModel
from m1app.strategies.errors import PolicyRefused, StrategyRefused
from m1app.strategies.starting import refusals
from models.errors import ModelNotServed, UnknownModel
from storage.database import Database
from storage.people.accounts import AccountRepository
from storage.questions.records import Question
from storage.strategies.records import StrategyRun


class AskedModels:
    """Finds the models that a run's strategies ask."""

    def __init__(self, planner: PassPlanner, plan: PassPlan) -> None:
        self._planner = planner
        self._plan = plan

    async def served(self, model: str) -> ServedModel:
        """See `Models.served`."""
        if model in ("", self._plan.model, self._plan.request.model):
            return self._plan.served
        return await self._planner.served(model)


class StrategyNeeds:
    """Finds what strategies need, and says what is missing."""

    def __init__(
        self, database: Database, planner: PassPlanner, policies: PolicyLibrary | None, corpora: CorpusService | None
    ) -> None:
        """Args:
        database: where the accounts are.
        planner: finds models.
        policies: None where there are none.
        corpora: None where there are none.
        """
        self._database = database
        self._planner = planner
        self._policies = policies
        self._corpora = corpora

    async def check_corpora(self, choices: Sequence[Choice], *, has_facts: bool) -> None:
        """Raise ProbeRefused where strategies would search corpora that are not there, or facts that are not theirs."""
        try:
            await check_corpora(self._corpora, choices, has_facts=has_facts)
        except StrategyRefused as exc:
            raise ProbeRefused("strategies", str(exc)) from exc

    def corpora_for(self, question: Question, *, has_facts: bool) -> QuestionCorpora | None:
        """What finds passages for a question; None where there are no corpora."""
        return corpora_for(self._corpora, question, has_facts=has_facts)

    async def may_search_facts(self, run: StrategyRun) -> bool:
        """Whether whoever resumes a run, and whoever started it, may search corrected facts now.

        True of commands and where there are no accounts.
        """
        if not may_read_facts():
            return False
        if not run.asked_by:
            return True
        account = await self._database.read(lambda s: AccountRepository(s).by_id(run.asked_by))
        return account is not None and may_read_facts(Person(account.id, account.role, account.name))

    async def check_models(self, choices: Sequence[Choice], plan: PassPlan) -> None:
        """Raise ProbeRefused where strategies name a model that is not served, before anything is asked or stored."""
        models = AskedModels(self._planner, plan)
        for choice in choices:
            for option in choice.kind.options:
                name = str(choice.options[option.name]) if option.is_name and option.names == "model" else ""
                try:
                    if name:
                        await models.served(name)
                except (ModelNotServed, UnknownModel) as exc:
                    raise ProbeRefused(
                        "strategies", f"{choice.kind.title}: the {option.label.lower()} is not served. {exc}"
                    ) from exc

    async def policies_of(self, choices: Sequence[Choice], model: str) -> Mapping[str, Policy]:
        """The policies by which strategies of a run choose; raises ProbeRefused."""
        if self._policies is None:
            return {}
        try:
            found = await self._policies.of_choices(choices)
            for name, policy in found.items():
                check_model(name, policy, model)
        except PolicyRefused as exc:
            raise ProbeRefused("strategies", str(exc)) from exc
        return found

    async def missing(self, request: StrategyRunRequest) -> Mapping[str, str]:
        """Why strategies of a request cannot be asked: choice as it is written -> reason. No engine is asked.

        Of a request without a question only the settings are checked, as for one with options. Raises ProbeRefused for
        invalid settings.
        """
        asked = request if request.stem.strip() else replace(request, options=dict.fromkeys("AB", ""))
        found: dict[str, str] = {}
        for each in check_strategy_settings(request):
            try:
                await self.check_corpora([each], has_facts=may_read_facts())
                policies = await self._policies.of_choices([each]) if self._policies else {}
                task = replace(asked.task("", 0, MAX_TOKENS), policies=policies)
                found |= refusals([each], task)
            except (ProbeRefused, PolicyRefused) as exc:
                found[each.text] = str(exc)
        return found


def require_some(choices: Sequence[Choice], refused: Mapping[str, str]) -> None:
    """Raise ProbeRefused if none of the strategies can be asked."""
    if len(refused) < len(choices):
        return
    reasons = {each.title: refused[each.text] for each in choices}
    if len(set(reasons.values())) == 1:
        raise ProbeRefused("strategies", next(iter(reasons.values())))
    raise ProbeRefused("strategies", " ".join(f"{title}: {reason}" for title, reason in reasons.items()))
