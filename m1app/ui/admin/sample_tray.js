// Changes of samples that are not saved yet, kept in this tab of the browser by data set.

/**
 * @typedef {object} EditedSample
 * @property {string} question
 * @property {Record<string, string>} options
 * @property {string | null} target
 * @property {string} reasoning
 * @property {string} answer
 * @property {string} domain
 */

/**
 * @typedef {object} Change
 * @property {"exclude" | "restore" | "edit" | "domain"} kind
 * @property {string} key
 * @property {string} reason
 * @property {EditedSample} [sample]
 * @property {boolean} [is_deliberate]
 * @property {string} [domain] That a person confirms.
 */

/** @typedef {{ change: Change, question: string }} Pending */

const KEY = "m1-sample-changes:";
const WORDS = { exclude: "Leave out", restore: "Take back", edit: "Edit", domain: "Domain" };

/** @param {Change} change */
export const changeWords = (change) => `${WORDS[change.kind]}: ${change.domain || change.reason}`;

/**
 * The option lines of a text: "A. first" or just "first"; letters follow the order of the lines.
 * @param {string} text
 * @returns {Record<string, string>}
 */
export function optionsOf(text) {
  const lines = text.split("\n").filter((line) => line.trim());
  const letter = (/** @type {number} */ place) => String.fromCharCode(65 + place);
  return Object.fromEntries(
    lines.map((line, place) => [letter(place), line.trim().replace(new RegExp(`^${letter(place)}[.):]\\s*`), "")]),
  );
}

/** @param {Record<string, string>} options */
export const optionLines = (options) =>
  Object.entries(options)
    .map(([letter, text]) => `${letter}. ${text.replaceAll("\n", " ")}`)
    .join("\n");

export class Tray {
  #store;
  #set = "";
  /** @type {Map<string, Pending>} */
  #pending = new Map();

  /** @param {Pick<Storage, "getItem" | "setItem" | "removeItem">} store */
  constructor(store) {
    this.#store = store;
  }

  /**
   * Shows the changes of another data set.
   * @param {string} set
   */
  open(set) {
    this.#set = set;
    this.#pending = new Map();
    try {
      const kept = JSON.parse(this.#store.getItem(KEY + set) ?? "[]");
      for (const each of kept) this.#pending.set(each.change.key, each);
    } catch {
      this.#store.removeItem(KEY + set);
    }
  }

  /** @returns {Pending[]} */
  get all() {
    return [...this.#pending.values()];
  }

  /** @param {string} key */
  get(key) {
    return this.#pending.get(key);
  }

  /**
   * Takes a change; a later one of the same sample takes the place of the earlier one.
   * @param {Change} change
   * @param {string} question
   */
  add(change, question) {
    this.#pending.set(change.key, { change, question });
    this.#keep();
  }

  /** @param {string} key */
  remove(key) {
    this.#pending.delete(key);
    this.#keep();
  }

  clear() {
    this.#pending.clear();
    this.#keep();
  }

  #keep() {
    try {
      if (this.#pending.size) this.#store.setItem(KEY + this.#set, JSON.stringify(this.all));
      else this.#store.removeItem(KEY + this.#set);
    } catch {
      // The browser's storage is full: the changes stay in this page.
    }
  }
}
