// A run of strategies: its state, a row for each in the table of results, and a card for each.
import { button, copyText, node, partsOf, say, setText } from "../shell/elements.js";
import { number } from "../shell/words.js";
import { Card } from "./card.js";
import { RequestDialog } from "./request_dialog.js";

/** @typedef {import("../shell/elements.js").FindPart} FindPart */
/** @typedef {import("./card.js").StrategyValue} StrategyValue */

/**
 * @typedef {object} RunValue
 * @property {string} [id]
 * @property {string} [state]
 * @property {string} [state_label]
 * @property {string} [progress] How many strategies have ended, and how.
 * @property {string} [name] The first words of the question.
 * @property {string} [question]
 * @property {string[]} [options] "A. text".
 * @property {string[]} [targets] Letters.
 * @property {string} [notice]
 * @property {string} [account]
 * @property {string} [settings]
 * @property {number} [budget] Of each strategy, in tokens.
 * @property {StrategyValue[]} [strategies]
 */

/**
 * @param {FindPart} part
 * @param {string} id
 */
function showAddress(part, id) {
  const url = new URL(window.location.href);
  if (url.searchParams.get("run") !== id) {
    url.search = `?run=${id}`;
    window.history.pushState(null, "", url);
  }
  part("link", HTMLAnchorElement).href = `/strategies/?run=${id}`;
  part("json", HTMLAnchorElement).href = `/strategy-runs/${id}.json`;
  part("csv", HTMLAnchorElement).href = `/strategy-runs/${id}.csv`;
  part("markdown", HTMLAnchorElement).href = `/strategy-runs/${id}.md`;
}

/**
 * @param {FindPart} part
 * @param {RunValue} value
 */
function showQuestion(part, value) {
  const lines = (value.options || []).map((text) => {
    const isTarget = value.targets?.some((letter) => text.startsWith(`${letter}. `));
    return isTarget ? `${text} (target)` : text;
  });
  setText(part("name"), value.name);
  setText(part("question"), value.question);
  part("options").replaceChildren(...lines.map((line) => node("li", "", line)));
}

/** A row of the table of results. */
class ResultRow {
  root = node("tr");
  #cells;

  /**
   * @param {StrategyValue} value
   * @param {() => void} open Leads to the card.
   */
  constructor(value, open) {
    const name = node("th");
    name.scope = "row";
    name.append(button(value.title, open));
    this.#cells = ["", "", "m1-number", "m1-number", "m1-number", "m1-number"].map((each) => node("td", each));
    this.root.append(name, ...this.#cells);
  }

  /** @param {StrategyValue} value */
  show(value) {
    const isOver = value.state === "completed";
    const texts = [
      value.letter || (isOver ? value.answer.slice(0, 80) : ""),
      isOver ? value.verdict_label : value.state_label,
      number(value.generated),
      number(value.computed),
      number(value.wasted),
      value.seconds.toFixed(1),
    ];
    this.#cells.forEach((cell, i) => {
      setText(cell, texts[i]);
    });
    const [answer, verdict] = this.#cells;
    if (answer) answer.dir = "auto";
    if (verdict) verdict.dataset.verdict = value.verdict;
  }
}

class Run {
  #part;
  #dialog;
  #id = "";
  /** @type {Card[]} */
  #cards = [];
  /** @type {ResultRow[]} */
  #rows = [];

  /** @param {FindPart} part */
  constructor(part) {
    this.#part = part;
    this.#dialog = new RequestDialog(part);
  }

  /** @param {RunValue} value */
  show(value) {
    const part = this.#part;
    // A notice can arrive alone: keep the displayed run.
    if (value.notice !== undefined) say(part("notice"), value.notice);
    part("empty").hidden = Boolean(value.id || value.notice);
    part("run").hidden = !value.id && !value.notice;
    if (!value.id) return;
    if (value.id !== this.#id) this.#begin(value, value.id);
    const strategies = value.strategies ?? [];
    setText(part("state"), value.state_label);
    part("state").dataset.state = value.state ?? "";
    setText(part("done"), value.progress);
    setText(part("account"), value.account);
    setText(part("settings"), value.settings);
    strategies.forEach((each, i) => {
      this.#rows[i]?.show(each);
      this.#cards[i]?.show(each, value.budget ?? 0);
    });
  }

  /**
   * @param {RunValue} value
   * @param {string} id
   */
  #begin(value, id) {
    this.#id = id;
    showAddress(this.#part, id);
    showQuestion(this.#part, value);
    const strategies = value.strategies ?? [];
    this.#cards = strategies.map((each, place) => {
      const open = (/** @type {number} */ position) => this.#dialog.open(`/strategy-runs/${id}/${place}/${position}`);
      return new Card(each, place, open);
    });
    this.#rows = strategies.map((each, place) => new ResultRow(each, () => this.#cards[place]?.focus()));
    this.#part("results").replaceChildren(...this.#rows.map((row) => row.root));
    this.#part("cards").replaceChildren(...this.#cards.map((card) => card.root));
  }
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  const run = new Run(part);
  part("copy").addEventListener("click", () => copyText(part("copy"), part("link", HTMLAnchorElement).href));
  part("example").addEventListener("click", () => trigger("example", {}));
  return (/** @type {RunValue} */ value) => run.show(value);
}
