"""What a thinking pass needs before its first token: engine, profile, prompt, delimiters, settings."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass

from m1app.access.person import current_person
from m1app.engines.service import EngineService
from m1app.question.wording import render_question
from m1app.runs.owners import this_process
from m1app.runs.probe_request import MAX_SEED, ProbeRequest, check_fits, largest_budget, pass_settings, sampling_of
from m1app.strategies.drivers.served_models import ServedModel
from models.engine.piecewise import PiecewiseEngine
from models.engine.pinned import PinnedEngine
from models.engine.protocol import Engine, EngineInfo
from models.profiles import ProfileMatch, Profiles
from models.thinking.budget_forcing import Markers
from models.thinking.prompting import Prompt, bind_markers, build_prompt
from models.thinking.thinking_pass import PassSettings
from storage.questions.records import NewQuestion, Question
from storage.traces.records import NewTrace

MOST_TOKENS_OF_A_PIECE = 256
"""The most that is lost when the process is killed; at 50 tokens/s about five seconds."""


@dataclass(frozen=True, slots=True)
class PassPlan:
    """Everything a pass needs."""

    request: ProbeRequest
    engine: Engine
    info: EngineInfo
    match: ProfileMatch
    system: str
    prompt: Prompt
    markers: Markers
    settings: PassSettings
    engine_name: str
    model: str
    """The app's name for the model."""
    is_watched: bool = True
    """Whether every token is wanted at once; see `PassPlanner`."""

    @property
    def served(self) -> ServedModel:
        """The model as a strategy asks it."""
        return ServedModel(self.model, self.engine, self.info, self.match.profile, self.markers, self.system)

    @property
    def most_thinking_tokens(self) -> int:
        """The largest thinking budget that fits the model's context."""
        return largest_budget(self.request, self.prompt, self.markers, self.info)

    def in_pieces(self, base_tokens: int = 0, lengths: Collection[int] = ()) -> Engine:
        """The engine for a pass or an answer that nobody watches, or the engine itself if somebody may.

        Args:
            base_tokens: tokens of the prompt before the thinking.
            lengths: tokens of thinking at which a piece ends.
        """
        if self.is_watched:
            return self.engine
        return PiecewiseEngine(self.engine, base_tokens, lengths, most_tokens=MOST_TOKENS_OF_A_PIECE, is_whole=True)

    def new_trace(
        self,
        question: Question,
        *,
        sweep_id: str | None = None,
        strategy_run_id: str | None = None,
        pass_number: int = 0,
    ) -> NewTrace:
        """Create the trace that stores the pass."""
        return NewTrace(
            question_id=question.id,
            thinking_budget_tokens=self.settings.budget_tokens,
            force_rounds=self.settings.force_rounds,
            **sampling_of(self.settings),
            system_prompt=self.system,
            model=self.model,
            profile=self.match.profile.id,
            profile_is_guess=self.match.is_guess,
            engine_kind=self.info.kind.value,
            engine_version=self.info.version,
            engine_name=self.engine_name,
            prompt_text=self.prompt.text,
            prompt_token_ids=self.prompt.token_ids,
            owner=this_process(),
            asked_by=current_person().account_id,
            sweep_id=sweep_id,
            strategy_run_id=strategy_run_id,
            pass_number=pass_number,
        )


class PassPlanner:
    """Creates plans with the app's engines and profiles."""

    def __init__(self, engines: EngineService, profiles: Profiles, *, is_watched: bool = True) -> None:
        """Args:
        engines: the app's engines.
        profiles: the families.
        is_watched: whether people wait for every token. If not, servers that can be cancelled without a stream are
            asked for pieces of up to `MOST_TOKENS_OF_A_PIECE`, which cost the app far less.
        """
        self._engines = engines
        self._profiles = profiles
        self._is_watched = is_watched

    async def plan(self, request: ProbeRequest) -> PassPlan:
        """Create the plan for a validated request.

        Raises:
            ProbeRefused: the budget does not fit into the model's context.
            ModelsError: the engine cannot be reached or does not serve the model.
        """
        await self._engines.prepare(request.model)
        engine = await self._engines.for_question(request.model)
        info = await engine.describe()
        match = self._match(self._engines.named(request.model).profile or request.profile, info)
        chat = match.profile.chat
        system = chat.default_system if request.system_prompt is None else request.system_prompt
        wording = match.profile.prompt
        user = render_question(wording, request.stem, dict(request.options), request.target)
        prompt = await build_prompt(engine, match.profile, system, user)
        markers = await bind_markers(engine, match.profile)
        check_fits(request, prompt, markers, info)
        seed = request.seed
        if seed is None and request.temperature > 0:
            seed = secrets.randbelow(MAX_SEED)
        return PassPlan(
            request=request,
            engine=PinnedEngine(engine, info),
            info=info,
            match=match,
            system=system,
            prompt=prompt,
            markers=markers,
            settings=pass_settings(request, seed),
            engine_name=self._engines.choice_of(request.model).value,
            model=self._engines.name_of(request.model, info),
            is_watched=self._is_watched,
        )

    async def served(self, model: str, profile: str = "") -> ServedModel:
        """A model as a strategy asks it, with its profile's own system prompt; raises ModelsError."""
        await self._engines.prepare(model)
        engine = await self._engines.for_question(model)
        info = await engine.describe()
        match = self._match(self._engines.named(model).profile or profile, info)
        return ServedModel(
            self._engines.name_of(model, info),
            PinnedEngine(engine, info),
            info,
            match.profile,
            await bind_markers(engine, match.profile),
            match.profile.chat.default_system,
        )

    def served_by(self, model: str) -> tuple[str, str]:
        """The name of the model that is asked as `model`, empty if only its server knows it, and its engine's name."""
        return model or self._engines.default_model, self._engines.choice_of(model).value

    def _match(self, profile: str, info: EngineInfo) -> ProfileMatch:
        if profile:
            return ProfileMatch(self._profiles.get(profile), is_guess=False)
        return self._engines.match_profile(info.model, info)


def new_question(request: ProbeRequest) -> NewQuestion:
    """Return a request's question, ready to be stored."""
    return NewQuestion(
        stem=request.stem,
        options=dict(request.options),
        target=request.target,
        source=request.source,
        title=request.title,
    )
