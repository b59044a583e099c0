// A list whose chosen entry is shown beside it: searched, page by page, and deleted after a second click.
import { all, node, partsOf, say, setText, showFacts } from "../shell/elements.js";
import { askTwice } from "./ask_twice.js";

/**
 * @typedef {object} Entry The chosen entry, with one page of what it holds.
 * @property {string} id
 * @property {string} name
 * @property {[name: string, text: string][]} facts
 * @property {string} text The search text.
 * @property {number} offset
 * @property {number} page Items per page.
 * @property {string} empty What to say without items.
 * @property {boolean} has_more
 */

/**
 * @typedef {object} Names
 * @property {string} entry Of the part that shows the chosen entry, and of the rows' `data-` attribute.
 * @property {string} items Of the list of what it holds.
 */

const TYPING_MS = 250;

/** @template {Entry} T */
export class BrowsedList {
  #element;
  #part;
  #trigger;
  #names;
  #asked = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;
  /** @type {T | null} */
  chosen = null;

  /**
   * @param {import("../shell/elements.js").Host} host
   * @param {Names} names
   */
  constructor({ element, trigger }, names) {
    this.#element = element;
    this.#part = partsOf(element);
    this.#trigger = trigger;
    this.#names = names;
    this.#wire();
  }

  #wire() {
    const part = this.#part;
    part("rows").addEventListener("click", ({ target }) => {
      const id = this.#idAt(target);
      if (id) this.ask("preview", { id, text: "", offset: 0 });
    });
    const search = part("search", HTMLInputElement);
    search.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#preview({ text: search.value }), TYPING_MS);
    });
    part("back").addEventListener("click", () => this.#turn(-1));
    part("on").addEventListener("click", () => this.#turn(1));
    askTwice(part("delete"), "Move to the trash?", () => this.askOfChosen("delete"));
    part("delete").addEventListener("click", () => {
      if (part("delete").dataset.sure !== undefined) this.askOfChosen("extent");
    });
  }

  get #rowSelector() {
    return `tr[data-${this.#names.entry}]`;
  }

  /** @param {EventTarget | null} target */
  #idAt(target) {
    const row = target instanceof Element && this.#element.contains(target) ? target.closest(this.#rowSelector) : null;
    return row instanceof HTMLElement ? row.dataset[this.#names.entry] : undefined;
  }

  /**
   * @param {string} action
   * @param {object} [values]
   */
  ask(action, values) {
    this.#asked += 1;
    say(this.#part("notice"), "");
    this.#trigger("ask", { number: this.#asked, action, ...values });
  }

  /** @param {string} action */
  askOfChosen(action) {
    this.ask(action, { id: this.chosen?.id });
  }

  /** @param {number | undefined} number Of the request that a value answers. */
  isLatest(number) {
    return number !== undefined && number >= this.#asked;
  }

  /** @param {object} changes */
  #preview(changes) {
    if (this.chosen) this.ask("preview", { id: this.chosen.id, text: this.chosen.text, offset: 0, ...changes });
  }

  /** @param {number} pages */
  #turn(pages) {
    if (this.chosen) this.#preview({ offset: Math.max(0, this.chosen.offset + pages * this.chosen.page) });
  }

  /** @param {string} text */
  refuse(text) {
    const notice = this.#part("notice");
    say(notice, text);
    if (text) notice.scrollIntoView({ block: "nearest" });
  }

  /** @param {string} text Says what is going on; empty for nothing. */
  busy(text) {
    say(this.#part("busy"), text);
    for (const each of all(this.#element, ".m1-import button", HTMLButtonElement)) each.disabled = Boolean(text);
  }

  /**
   * Shows all rows; the keyboard stays at the entry where it is.
   * @param {HTMLTableRowElement[]} rows Made by `row`.
   * @param {string} none What to say without any.
   */
  showRows(rows, none) {
    const focused = this.#idAt(document.activeElement);
    const body = this.#part("rows");
    body.replaceChildren(...rows);
    const open = focused && body.querySelector(`tr[data-${this.#names.entry}="${CSS.escape(focused)}"] button`);
    if (open instanceof HTMLElement) open.focus({ preventScroll: true });
    this.#part("table").hidden = !rows.length;
    say(this.#part("empty"), rows.length ? "" : none);
  }

  /**
   * @param {{ id: string, name: string }} entry
   * @param {HTMLElement[]} cells Besides its name.
   */
  row({ id, name }, ...cells) {
    const row = node("tr");
    row.dataset[this.#names.entry] = id;
    row.classList.toggle("is-chosen", id === this.chosen?.id);
    const first = node("td", "m1-stem");
    const open = node("button", "m1-row-button", name);
    open.type = "button";
    first.append(open);
    row.append(first, ...cells);
    return row;
  }

  /**
   * @param {T | null} value
   * @param {HTMLElement[]} [items] Of its page.
   */
  show(value, items = []) {
    const part = this.#part;
    this.chosen = value;
    part(this.#names.entry).hidden = !value;
    part("none").hidden = Boolean(value);
    for (const row of all(this.#element, this.#rowSelector, HTMLElement)) {
      row.classList.toggle("is-chosen", row.dataset[this.#names.entry] === value?.id);
    }
    if (!value) return;
    setText(part("name"), value.name);
    showFacts(part("facts"), value.facts);
    const search = part("search", HTMLInputElement);
    if (document.activeElement !== search) search.value = value.text;
    part(this.#names.items, HTMLOListElement).start = value.offset + 1;
    part(this.#names.items).replaceChildren(...items);
    say(part(`no-${this.#names.items}`), value.empty);
    part("back").hidden = value.offset === 0;
    part("on").hidden = !value.has_more;
  }
}
