// The view, the address that stores it, and what the chosen runs have in common. Values are strings, as in the address;
// empty means the default.
import { number, plural } from "../shell/words.js";

/**
 * @typedef {object} Run
 * @property {string} id
 * @property {string} name
 * @property {string} own_name Without the mark of an imported run.
 * @property {string} state
 * @property {string} state_label
 * @property {boolean} is_live
 * @property {boolean} is_archived
 * @property {string} progress
 * @property {number} share
 * @property {number} failed
 * @property {string} error
 * @property {string} facts
 * @property {string} created
 * @property {string[]} sets
 * @property {string[]} models
 * @property {number[]} budgets
 * @property {number[]} rounds
 * @property {string[]} tags
 */

/** @typedef {keyof typeof DEFAULTS} ViewName */
/** @typedef {Record<ViewName, string> & { runs: string[] }} View */
/** @typedef {[id: string, text: string][]} Choices */

const DEFAULTS = {
  tab: "curves",
  rule: "strict",
  chart: "budget",
  set: "",
  model: "",
  rounds: "",
  budget: "",
  at: "",
  paper: "",
  of: "",
  forced: "",
  among: "",
  before: "",
  after: "",
  other: "",
  cell: "",
  from: "",
  drawn: "",
  gain: "",
  than: "",
  verdict: "",
  text: "",
  left: "",
  part: "",
  find: "",
  tag: "",
  archived: "",
};
// No "page", "view" or "deep_link": Gradio reads those itself.
const NAMES = /** @type {ViewName[]} */ (Object.keys(DEFAULTS));
const TABS = ["curves", "table", "tags", "transitions", "strategies", "fits", "questions", "answers"];
export const MACRO = "Macro average";
export const EACH = "*";

/** @type {Record<string, string>} */
export const NOTES = {
  budget:
    "Bands, or bars where there is one budget, are 95% intervals (Wilson; for averages and several passes, a bootstrap over questions, widened where few were asked). Unanswered and failed questions count as wrong.",
  rounds: "Bars are 95% intervals. A force round replaces the model's attempt to stop with “Wait”.",
  cost: "Mean tokens per question, as a separate run of each cell would generate. Bars are 95% intervals.",
  thinking: "Mean thinking tokens used, against the budget.",
  answered: "Share of questions where the scoring rule found an option in the answer.",
};

/**
 * @param {string} name
 * @returns {name is ViewName}
 */
export const isViewName = (name) => name in DEFAULTS;

/**
 * @param {URLSearchParams} address
 * @returns {View}
 */
export function viewOf(address) {
  const view = { ...DEFAULTS, runs: (address.get("run") || "").split(",").filter(Boolean) };
  for (const name of NAMES) view[name] = address.get(name) || DEFAULTS[name];
  if (!(view.chart in NOTES)) view.chart = DEFAULTS.chart;
  if (!TABS.includes(view.tab)) view.tab = DEFAULTS.tab;
  return view;
}

/**
 * The query of the view's address.
 * @param {View} view
 */
export function queryOf(view) {
  const kept = NAMES.filter((name) => view[name] !== DEFAULTS[name]);
  const values = kept.map((name) => `${name}=${encodeURIComponent(view[name])}`);
  // Keep commas readable: ids have none.
  const runs = view.runs.length ? [`run=${view.runs.map(encodeURIComponent).join(",")}`] : [];
  return [...runs, ...values].join("&");
}

/**
 * @template T
 * @param {T[][]} lists
 * @returns {T[]}
 */
export const union = (lists) => [...new Set(lists.flat())];
/** @param {number[][]} lists */
const rising = (lists) => union(lists).sort((a, b) => a - b);
/** @param {Run[]} runs */
export const setsOf = (runs) => union(runs.map((run) => run.sets));
/** @param {Run[]} runs */
export const modelsOf = (runs) => union(runs.map((run) => run.models));
/** @param {Run[]} runs */
export const budgetsOf = (runs) => rising(runs.map((run) => run.budgets));
/** @param {Run[]} runs */
export const roundsOf = (runs) => rising(runs.map((run) => run.rounds));
/** @param {Run[]} runs */
export const hasMacro = (runs) => runs.some((run) => run.sets.length > 1);

/**
 * The question sets to draw a panel of; the server calls the macro average "".
 * @param {View} view
 * @param {Run[]} chosen
 */
export function panelSets(view, chosen) {
  const sets = setsOf(chosen);
  if (view.set === EACH) return [...(hasMacro(chosen) ? [""] : []), ...sets];
  if (sets.includes(view.set)) return [view.set];
  return hasMacro(chosen) ? [""] : sets;
}

/**
 * The run shown in transitions and questions, which compare answers to the same questions.
 * @param {View} view
 * @param {Run[]} chosen At least one.
 */
export const oneRun = (view, chosen) => chosen.find((run) => run.id === view.of) ?? chosen[0];

/** @param {string} cell "budget-rounds". */
export function cellText(cell) {
  const [budget, rounds] = cell.split("-").map(Number);
  return `${budgetText(budget)}, ${plural(rounds, "round")}`;
}

/** @param {number} budget 0 if the file of an imported run does not state it. */
export const budgetText = (budget) => (budget ? `${number(budget)} tokens` : "budget not stated");

/** @param {Run} run */
export const cellsOf = (run) =>
  rising([run.rounds]).flatMap((rounds) => rising([run.budgets]).map((budget) => `${budget}-${rounds}`));

/**
 * The value if it is among the choices; else the fallback.
 * @param {string} value
 * @param {string[]} choices
 * @param {string} fallback
 */
export const known = (value, choices, fallback) => (choices.includes(value) ? value : fallback);

/** @param {number[]} numbers */
export const range = (numbers) =>
  numbers.length > 2
    ? `${number(numbers[0])} – ${number(numbers[numbers.length - 1])}`
    : numbers.map((each) => number(each)).join(", ");
