// The rows of the queue: a group opens to its cases; a group of one case is that case.
import { linkedRow, node, rowOfPlainClick } from "../shell/elements.js";
import { number, plural } from "../shell/words.js";

/**
 * @typedef {object} QueueCase
 * @property {string} id
 * @property {string} stem
 * @property {string} model
 * @property {string} run Number of the pass; empty for a probe.
 * @property {string} seed
 * @property {number} budget
 * @property {number} rounds
 * @property {string} verdict
 * @property {string} verdict_label
 * @property {boolean} is_flip
 * @property {string} mine
 * @property {number} assessed_by
 * @property {string} strategy The strategy whose pass it is; empty for others.
 */

/**
 * @typedef {object} QueueGroup
 * @property {string} key
 * @property {string} stem
 * @property {string} model
 * @property {string} says What the group holds.
 * @property {string} done
 * @property {QueueCase | null} only
 */

const COLUMNS_BESIDE = 5;

export class QueueTable {
  #body;
  #acts;
  /** Keys of the opened groups; they stay open when the queue is read again. @type {Set<string>} */
  #opened = new Set();

  /**
   * @param {HTMLElement} body
   * @param {{ open: (id: string) => void, casesOf: (key: string) => Promise<QueueCase[]> }} acts
   */
  constructor(body, acts) {
    this.#body = body;
    this.#acts = acts;
    body.addEventListener("click", (event) => {
      const id = rowOfPlainClick(event, "tr[data-case]")?.dataset.case;
      if (id) acts.open(id);
    });
  }

  get isEmpty() {
    return !this.#body.childElementCount;
  }

  clear() {
    this.#body.replaceChildren();
  }

  /** @param {QueueGroup[]} groups */
  add(groups) {
    for (const group of groups) {
      const row = group.only ? caseRow(group.only, false) : this.#groupRow(group);
      this.#body.append(row);
      if (this.#opened.has(group.key) && !group.only) this.#fill(row, group.key);
    }
  }

  /** @param {QueueGroup} group */
  #groupRow({ key, stem, model, says, done }) {
    const row = node("tr", "m1-group");
    row.dataset.group = key;
    const question = node("td", "m1-stem");
    const toggle = node("button", "m1-group-toggle", stem);
    toggle.type = "button";
    toggle.setAttribute("aria-expanded", String(this.#opened.has(key)));
    question.append(toggle);
    const contents = node("td", "", says);
    contents.colSpan = COLUMNS_BESIDE;
    const mine = node("td", "m1-number", done);
    mine.colSpan = 2;
    row.append(question, node("td", "", model), contents, mine);
    row.addEventListener("click", () => this.#toggle(row, toggle, key));
    return row;
  }

  /**
   * @param {HTMLTableRowElement} row
   * @param {HTMLElement} toggle
   * @param {string} key
   */
  #toggle(row, toggle, key) {
    const isOpening = !this.#opened.has(key);
    toggle.setAttribute("aria-expanded", String(isOpening));
    if (isOpening) {
      this.#opened.add(key);
      this.#fill(row, key);
    } else {
      this.#opened.delete(key);
      for (const each of this.#inside(key)) each.remove();
    }
  }

  /** @param {string} key */
  #inside(key) {
    return [...this.#body.children].filter((row) => row instanceof HTMLElement && row.dataset.inside === key);
  }

  /**
   * @param {HTMLTableRowElement} row
   * @param {string} key
   */
  async #fill(row, key) {
    const cases = await this.#acts.casesOf(key);
    if (!row.isConnected || !this.#opened.has(key) || this.#inside(key).length) return;
    const rows = cases.map((value) => {
      const made = caseRow(value, true);
      made.dataset.inside = key;
      return made;
    });
    row.after(...rows);
  }
}

/**
 * Which case of its group it is: narrow windows show only this column.
 * @param {QueueCase} value
 */
function placeWords({ run, strategy, budget, rounds, verdict_label: verdict }) {
  const pass = run ? `Pass ${run}` : strategy || "Probe";
  return `${pass}, ${number(budget)} tokens, ${plural(rounds, "round")}: ${verdict}`;
}

/**
 * @param {QueueCase} value
 * @param {boolean} isInside Whether it is in an opened group, which says the question.
 */
function caseRow(value, isInside) {
  const verdict = value.is_flip ? `${value.verdict_label} · flip` : value.verdict_label;
  const row = linkedRow(`?case=${encodeURIComponent(value.id)}`, [
    [isInside ? placeWords(value) : value.stem, "m1-stem"],
    [value.model],
    [value.run, "m1-number"],
    [value.seed, "m1-number"],
    [number(value.budget), "m1-number"],
    [String(value.rounds), "m1-number"],
    [verdict, "m1-mark"],
    [value.mine],
    [String(value.assessed_by), "m1-number"],
  ]);
  row.dataset.case = value.id;
  row.classList.toggle("is-inside", isInside);
  const mark = row.querySelector("td.m1-mark");
  if (mark instanceof HTMLElement) mark.dataset.verdict = value.verdict;
  return row;
}
