// The queue: filters stored in the address, rows, progress.
import { button, option, setMeter } from "../shell/elements.js";
import { number } from "../shell/words.js";
import { CHIPS, chipsOf, chipWords, orderWords } from "./filters.js";
import { QueueTable } from "./queue_table.js";

/** @typedef {import("./filters.js").Filter} Filter */

/**
 * @typedef {object} QueuePage
 * @property {import("./queue_table.js").QueueGroup[]} groups
 * @property {string} next_cursor
 * @property {number} submitted
 * @property {number} total
 * @property {string} empty
 */

const TYPING_MS = 300;
const TYPED = ["words", "seed"];

export class Queue {
  #session;
  #part;
  #form;
  #onChange;
  /** @type {Filter} */
  #chips = {};
  #table;
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
      const isTyped = target instanceof HTMLInputElement && TYPED.includes(target.name);
      this.#typing = setTimeout(onChange, isTyped ? TYPING_MS : 0);
    });
    this.#part("clear").addEventListener("click", () => this.clear());
    this.#table = new QueueTable(session.part("rows"), {
      open: onOpen,
      casesOf: async (group) => {
        const reply = await session.ask("group", { filter: this.filter, group });
        session.problem(null, reply.error);
        return reply.cases ?? [];
      },
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
    if (values.order !== "random") delete values.seed;
    else values.seed ??= "1";
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
    this.#showOrder();
  }

  #showOrder() {
    const { filter } = this;
    this.#part("seed").hidden = filter.order !== "random";
    const seed = this.#part("seed").querySelector("input");
    if (seed && filter.seed && !seed.value) seed.value = filter.seed;
    this.#part("order-says").textContent = orderWords(filter);
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
    this.#showOrder();
    const reply = await this.#session.ask("queue", { filter, cursor: "" });
    if (JSON.stringify(filter) !== JSON.stringify(this.filter)) return;
    this.#session.problem(null, reply.error);
    if (reply.error) return;
    this.#table.clear();
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
    this.#table.add(page.groups);
    this.#cursor = page.next_cursor;
    const progress = `${number(page.submitted)} of ${number(page.total)} done`;
    this.#part("progress").textContent = progress;
    this.#part("case-progress").textContent = progress;
    setMeter(this.#part("meter"), page.total ? page.submitted / page.total : 0);
    this.#part("more").hidden = !page.next_cursor;
    this.#part("table").hidden = this.#table.isEmpty;
    this.#part("empty").hidden = !this.#table.isEmpty;
    this.#part("why-empty").textContent = page.empty;
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
