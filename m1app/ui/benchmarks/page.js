// The Benchmarks page: tabs, the controls of each view, and polling of running benchmarks.
import { all, copyText, option } from "../shell/elements.js";
import { showPrompts } from "../shell/prompts.js";
import { number } from "../shell/words.js";
import { AnswersPane } from "./answers.js";
import { Curves, Plots } from "./charts.js";
import { ChosenRuns } from "./chosen.js";
import { Context } from "./context.js";
import { FitsPane, fitChoice, GAINS } from "./fits.js";
import { KnowledgeSection } from "./knowledge.js";
import { Policies } from "./policies.js";
import { QuestionsPane, questionChoice } from "./questions.js";
import { Runs } from "./runs.js";
import { StrategiesPane, strategyChoice } from "./strategies.js";
import { showReadings } from "./tables.js";
import { TagsPane, tagChoice } from "./tags.js";
import { TransitionsPane, transitionChoice } from "./transitions.js";
import {
  budgetsOf,
  budgetText,
  cellsOf,
  cellText,
  EACH,
  hasMacro,
  isViewName,
  known,
  MACRO,
  modelsOf,
  oneRun,
  roundsOf,
  setsOf,
} from "./view.js";

/** @typedef {import("./view.js").Choices} Choices */

const POLL_MS = 2000;
const TYPING_MS = 300;
/** Each control shows one value of the view; two may share one. @type {Record<string, string>} */
const VALUE_OF = { "one-model": "model", "one-set": "set", "m1-rule": "rule", "m1-chart": "chart" };

/**
 * Replaces the options of a select and chooses one; does nothing if nothing changed.
 * @param {HTMLSelectElement} box
 * @param {Choices} choices
 * @param {string} value
 */
function offer(box, choices, value) {
  const wanted = JSON.stringify(choices);
  if (box.dataset.offered !== wanted) {
    box.dataset.offered = wanted;
    box.replaceChildren(...choices.map(([id, text]) => option(id, text)));
  }
  if (box.value !== value) box.value = value;
}

/** @param {string[]} names @returns {Choices} */
const same = (names) => names.map((name) => [name, name]);

/**
 * @param {string} text
 * @param {string[]} values
 * @param {(value: string) => string} [words]
 * @returns {Choices}
 */
const any = (text, values, words = String) => [
  ["", text],
  ...values.map((value) => /** @type {[string, string]} */ ([value, words(value)])),
];

/** @param {string} budget */
const grouped = (budget) => (Number(budget) ? number(Number(budget)) : "not stated");

class BenchmarksPage {
  #context;
  #chosenRuns;
  #runs;
  #tabs;
  #knowledge;
  /** @type {Record<string, () => Promise<void>>} */
  #panes;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;

  /** @param {import("../shell/elements.js").Host} host */
  constructor(host) {
    const context = new Context(host);
    this.#context = context;
    this.#chosenRuns = new ChosenRuns(context);
    this.#runs = new Runs(context, () => this.#chosenRuns.show());
    this.#tabs = all(context.element, "[data-tab]", HTMLElement);
    const plots = new Plots(context);
    const [curves, transitions] = [new Curves(context, plots), new TransitionsPane(context, plots)];
    const [tags, strategies] = [new TagsPane(context), new StrategiesPane(context, plots)];
    const [fits, policies] = [new FitsPane(context, plots), new Policies(context)];
    const [questions, answers] = [new QuestionsPane(context), new AnswersPane(context)];
    this.#knowledge = new KnowledgeSection(context, plots);
    this.#panes = {
      curves: () => curves.show(),
      table: () => showReadings(context),
      tags: () => tags.show(),
      transitions: () => transitions.show(),
      strategies: () => strategies.show(),
      fits: () => {
        policies.show();
        return fits.show();
      },
      questions: () => questions.show(),
      answers: () => answers.show(),
    };
    context.showPane = () => this.#showPane();
    context.refresh = () => this.#refresh();
    this.#wire();
  }

  #wire() {
    const { element, part } = this.#context;
    element.addEventListener("input", ({ target }) => {
      if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) this.#onInput(target);
    });
    this.#tabs.forEach((tab, place) => {
      tab.addEventListener("click", () => {
        Object.assign(this.#context.view, { tab: tab.dataset.tab ?? "curves", part: "" });
        this.#context.showAddress(true);
        this.#showPane();
      });
      tab.addEventListener("keydown", (event) => {
        const step = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
        if (!step) return;
        const next = this.#tabs[(place + step + this.#tabs.length) % this.#tabs.length];
        next.focus();
        next.click();
      });
    });
    part("copy").addEventListener("click", () => {
      const context = this.#context;
      if (!context.view.runs.length) context.view.runs = context.chosenIds;
      context.showAddress(false);
      copyText(part("copy"), window.location.href);
    });
  }

  /** @param {HTMLInputElement | HTMLSelectElement} target */
  #onInput(target) {
    const { view } = this.#context;
    const said = target.dataset.view ?? (target.name in VALUE_OF ? target.name : "");
    const name = VALUE_OF[said] ?? said;
    if (!isViewName(name)) return;
    const isBox = target instanceof HTMLInputElement && target.type === "checkbox";
    view[name] = isBox ? (target.checked ? "1" : "") : target.value;
    view.part = "";
    const isTyped = target.type === "search";
    clearTimeout(this.#typing);
    const act = () => {
      this.#context.showAddress(!isTyped);
      this.#context.notice("");
      this.#showPane();
    };
    this.#typing = setTimeout(act, isTyped ? TYPING_MS : 0);
  }

  /**
   * @param {string} name
   * @param {Choices} choices
   * @param {string} value
   */
  #put(name, choices, value) {
    for (const box of all(this.#context.element, `select[data-view="${name}"]`, HTMLSelectElement)) {
      offer(box, choices, value);
    }
  }

  #offerAll() {
    const { view, chosen, part, element } = this.#context;
    const sets = setsOf(chosen);
    /** @type {Choices} */
    const whole = hasMacro(chosen)
      ? [
          ["", MACRO],
          [EACH, "Each set"],
        ]
      : sets.length > 1
        ? [["", "All"]]
        : [];
    const setChoices = [...whole, ...same(sets)];
    this.#put(
      "set",
      setChoices,
      known(
        view.set,
        setChoices.map(([id]) => id),
        setChoices[0][0],
      ),
    );
    const models = modelsOf(chosen);
    this.#put("model", any("All", models), known(view.model, models, ""));
    const rounds = roundsOf(chosen).map(String);
    this.#put("rounds", any("All", rounds), known(view.rounds, rounds, ""));
    const budgets = budgetsOf(chosen).map(String);
    this.#put("budget", any("All", budgets, grouped), known(view.budget, budgets, ""));
    /** @type {Choices} */
    const ats = budgets.map((budget) => [budget, budgetText(Number(budget))]);
    this.#put("at", ats, known(view.at, budgets, budgets[budgets.length - 1]));
    this.#offerOfOneRun();
    for (const box of all(element, "input[data-view]", HTMLInputElement)) {
      const value = isViewName(box.dataset.view ?? "") ? view[/** @type {"text"} */ (box.dataset.view)] : "";
      if (box.type === "checkbox") box.checked = value === "1";
      if (box.type === "search" && document.activeElement !== box) box.value = value;
    }
    for (const name of /** @type {const} */ (["rule", "chart"])) {
      for (const each of part(name).querySelectorAll("input")) each.checked = each.value === view[name];
    }
    part("rounds-box").hidden = view.chart === "rounds";
    part("budget-box").hidden = view.chart !== "rounds";
    part("paper-box").hidden = view.chart !== "budget";
  }

  #offerOfOneRun() {
    const { view, chosen, part, element } = this.#context;
    const run = oneRun(view, chosen);
    /** @type {Choices} */
    const cells = cellsOf(run).map((cell) => [cell, cellText(cell)]);
    const flow = transitionChoice(view, chosen);
    const questions = questionChoice(view, chosen);
    this.#put(
      "of",
      chosen.map((each) => [each.id, each.name]),
      run.id,
    );
    for (const box of all(element, '[data-box="of"]', HTMLElement)) box.hidden = chosen.length < 2;
    this.#put("one-model", same(run.models), flow.model);
    const hasSets = run.sets.length > 1;
    this.#put("one-set", hasSets ? any("All sets", run.sets) : same(run.sets), hasSets ? flow.set : run.sets[0]);
    this.#put("forced", same(run.rounds.map(String)), tagChoice(view, chosen).rounds);
    const others = run.models.filter((name) => name !== flow.model);
    this.#put("other", any("the same model", others), flow.other);
    part("other-box").hidden = run.models.length < 2;
    this.#put("before", cells, flow.before);
    this.#put("after", cells, flow.after);
    this.#put("drawn", cells, strategyChoice(view, chosen).cell);
    /** @type {Choices} */
    const gains = GAINS.map((gain) => [gain, `${gain} ${gain === "1" ? "point" : "points"}`]);
    this.#put("gain", gains, fitChoice(view, chosen).gain);
    this.#put("cell", cells, questions.cell);
    this.#put("from", [["", "nothing"], ...cells], questions.from);
    this.#put("than", any("the same model", run.models), questions.than);
    part("than-box").hidden = run.models.length < 2 || !questions.from;
    this.#put("verdict", questions.verdicts, questions.verdict);
  }

  async #showPane() {
    const { view, chosen, element } = this.#context;
    for (const tab of this.#tabs) {
      const isChosen = tab.dataset.tab === view.tab;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
    }
    for (const pane of all(element, "[data-pane]", HTMLElement)) pane.hidden = pane.dataset.pane !== view.tab;
    if (!chosen.length) return;
    this.#offerAll();
    await this.#panes[view.tab]();
    await this.#showPrompts();
  }

  /** Asked once for each choice of runs, and again as long as a model has not answered. */
  async #showPrompts() {
    const { chosen, part, server } = this.#context;
    const wanted = JSON.stringify(chosen.map((run) => [run.id, run.is_live && run.progress]));
    const place = part("prompts");
    if (place.dataset.runs === wanted) return;
    place.dataset.runs = wanted;
    const reply = await server.askLatest("prompts", "prompts", { runs: chosen.map((run) => run.id) });
    if (!reply) place.dataset.runs = "";
    else if (reply.error) this.#context.notice(reply.error);
    else showPrompts(place, reply.prompts);
  }

  /** Requesting the runs also repaints what is below them: the reply may include a choice made meanwhile. */
  async #refresh() {
    const before = JSON.stringify(this.#context.chosen);
    if ((await this.#runs.load()) && JSON.stringify(this.#context.chosen) !== before) await this.#showPane();
  }

  async start() {
    await this.#runs.load();
    await this.#showPane();
    await this.#knowledge.show();
    // Every two seconds, check for changes to runs, and repaint only then.
    const looking = setInterval(() => {
      const isFree = !document.hidden && !this.#context.server.isBusy && !this.#chosenRuns.isEdited;
      if (isFree) this.#refresh();
    }, POLL_MS);
    this.#context.signal.addEventListener("abort", () => clearInterval(looking));
  }

  /**
   * @param {number} count
   * @param {import("../shell/server.js").Reply} reply
   */
  settle(count, reply) {
    this.#context.server.settle(count, reply);
  }
}

/** @param {import("../shell/elements.js").Host} host */
export function mount(host) {
  const page = new BenchmarksPage(host);
  page.start();
  return (/** @type {{ number?: number, reply?: string }} */ { number: count, reply }) => {
    if (count && reply) page.settle(count, JSON.parse(reply));
  };
}
