// The queue: filters stored in the address, rows, progress.
import { button, linkedRow, option, rowOfPlainClick, setMeter } from "../shell/elements.js";
import { number } from "../shell/words.js";
import { CHIPS, chipsOf, chipWords } from "./filters.js";

/** @typedef {import("./filters.js").Filter} Filter */

/**
 * @typedef {object} QueueRow
 * @property {string} id
 * @property {string} stem
 * @property {string} model
 * @property {number} budget
 * @property {number} rounds
 * @property {string} verdict
 * @property {string} verdict_label
 * @property {string} mine
 * @property {number} assessed_by
 */

/**
 * @typedef {object} QueuePage
 * @property {QueueRow[]} rows
 * @property {string} next_cursor
 * @property {number} submitted
 * @property {number} total
 * @property {string} empty
 */

const TYPING_MS = 300;

export class Queue {
  #session;
  #part;
  #form;
  #onChange;
  /** @type {Filter} */
  #chips = {};
  /** @type {QueueRow[]} */
  #rows = [];
  #cursor = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;

  /**
   * @param {import("./session.js").Session} session
   * @param {{ onOpen: (id: string) => void, onChange: () => void }} acts
   */
  constructor(session, { onOpen, onChange }) {
    this.#session = session;
    this.#part = session.part;
    this.#onChange = onChange;
    this.#form = session.part("filters", HTMLFormElement);
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("input", ({ target }) => {
      clearTimeout(this.#typing);
      const isTyped = target instanceof HTMLInputElement && target.name === "words";
      this.#typing = setTimeout(onChange, isTyped ? TYPING_MS : 0);
    });
    this.#part("clear").addEventListener("click", () => this.clear());
    this.#part("rows").addEventListener("click", (event) => {
      const id = rowOfPlainClick(event, "tr[data-case]")?.dataset.case;
      if (id) onOpen(id);
    });
    this.#part("more").addEventListener("click", () => this.#more());
  }

  get #fields() {
    return [...this.#form.elements].flatMap((field) =>
      (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) && field.name ? [field] : [],
    );
  }

  /** @returns {Filter} */
  get filter() {
    const values = { ...this.#chips };
    for (const field of this.#fields) {
      const isBox = field instanceof HTMLInputElement && field.type === "checkbox";
      const value = isBox ? (field.checked ? "1" : "") : field.value.trim();
      if (value) values[field.name] = value;
    }
    return values;
  }

  /** Clears the filters. */
  clear() {
    this.set({});
    this.#onChange();
  }

  /** @param {Record<string, unknown>} values */
  set(values) {
    this.#chips = chipsOf(values);
    for (const field of this.#fields) {
      const value = String(values[field.name] || "");
      if (field instanceof HTMLSelectElement) choose(field, value);
      else if (field.type === "checkbox") field.checked = Boolean(value);
      else field.value = value;
    }
    this.#showChips();
  }

  /**
   * @param {string} name
   * @param {[id: string, text: string][]} choices
   */
  offer(name, choices) {
    const box = this.#form.elements.namedItem(name);
    if (!(box instanceof HTMLSelectElement)) return;
    const { value } = box;
    box.replaceChildren(box.options[0], ...choices.map(([id, text]) => option(id, text)));
    choose(box, value);
  }

  #showChips() {
    const chips = Object.entries(this.#chips).map(([name, value]) => {
      const remove = () => {
        delete this.#chips[name];
        this.#showChips();
        this.#onChange();
      };
      return button(`${chipWords(name, value)} ×`, remove, `Remove the filter ${CHIPS[name]} ${value}`);
    });
    this.#part("chips").replaceChildren(...chips);
  }

  async load() {
    const { filter } = this;
    const reply = await this.#session.ask("queue", { filter, cursor: "" });
    if (JSON.stringify(filter) !== JSON.stringify(this.filter)) return;
    this.#session.problem(null, reply.error);
    if (reply.error) return;
    this.#rows = [];
    this.#take(reply.queue);
    const same = (/** @type {string} */ name) => /** @type {[string, string]} */ ([name, name]);
    this.offer("model", reply.models.map(same));
    this.offer("by", reply.annotators.map(same));
    const names = reply.annotators.map((/** @type {string} */ name) => option(name, name));
    this.#part("annotators").replaceChildren(...names);
  }

  async #more() {
    const reply = await this.#session.ask("queue", { filter: this.filter, cursor: this.#cursor });
    if (reply.error) this.#session.problem(null, reply.error);
    else this.#take(reply.queue);
  }

  /** @param {QueuePage} page */
  #take(page) {
    this.#rows.push(...page.rows);
    this.#cursor = page.next_cursor;
    const progress = `${number(page.submitted)} of ${number(page.total)} done`;
    this.#part("progress").textContent = progress;
    this.#part("case-progress").textContent = progress;
    setMeter(this.#part("meter"), page.total ? page.submitted / page.total : 0);
    this.#part("more").hidden = !page.next_cursor;
    this.#part("table").hidden = !this.#rows.length;
    this.#part("empty").hidden = this.#rows.length > 0;
    this.#part("why-empty").textContent = page.empty;
    this.#part("rows").replaceChildren(...this.#rows.map(caseRow));
  }
}

/**
 * Chooses a value; one that is not (yet) in the list still filters.
 * @param {HTMLSelectElement} box
 * @param {string} value
 */
function choose(box, value) {
  if (value && ![...box.options].some((each) => each.value === value)) box.append(option(value, value));
  box.value = value;
}

/** @param {QueueRow} value */
function caseRow(value) {
  const row = linkedRow(`?case=${encodeURIComponent(value.id)}`, [
    [value.stem, "m1-stem"],
    [value.model],
    [number(value.budget), "m1-number"],
    [String(value.rounds), "m1-number"],
    [value.verdict_label, "m1-mark"],
    [value.mine],
    [String(value.assessed_by), "m1-number"],
  ]);
  row.dataset.case = value.id;
  const verdict = row.querySelector("td.m1-mark");
  if (verdict instanceof HTMLElement) verdict.dataset.verdict = value.verdict;
  return row;
}
