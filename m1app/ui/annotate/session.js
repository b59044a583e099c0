// Shared by all parts of the Annotate page: the server, the annotator, the labels, and error display.
import { button, partsOf, say, setText } from "../shell/elements.js";
import { Server } from "../shell/server.js";

/**
 * @typedef {object} Label
 * @property {string} id
 * @property {string} name
 * @property {string} group
 * @property {string} definition
 * @property {string} example
 * @property {string} source
 * @property {boolean} [retired]
 */

/** @typedef {{ id: string, definition: string }} Severity */
/** @typedef {{ labels: Label[], severities: Severity[] }} Taxonomy */
/** @typedef {{ field: string, message: string }} Problem */
/** @typedef {"thinking" | "answer"} TextPart */
/** @typedef {{ kind: string, value: string }} Evidence */

/**
 * A mark as stored by the server and held by the form. Positions are code points.
 * @typedef {object} Mark
 * @property {string} id Empty until it is saved.
 * @property {number} revision
 * @property {string} suggestion_key
 * @property {string} part A `TextPart`, "whole", or "" when there is no mark.
 * @property {number | null} start
 * @property {number | null} end
 * @property {string} exact
 * @property {string} text_sha256
 * @property {string[]} labels
 * @property {string} severity
 * @property {string} comment
 * @property {string} corrected_fact
 * @property {Evidence[]} evidence
 * @property {string} confidence
 * @property {boolean} is_omission
 * @property {boolean | null} changed_answer
 */

/**
 * A saved mark.
 * @typedef {Mark & {
 *   annotator: string, state: string, state_key: string, state_label: string, agreed_by: string[], is_stale: boolean,
 * }} SavedMark
 */

/** @typedef {{ key: string, label: string, reason: string, mark: SavedMark }} Suggestion */

/**
 * @typedef {object} Work The work of one annotator and of others on a case.
 * @property {SavedMark[]} own
 * @property {SavedMark[]} others
 * @property {string[]} reviewers
 * @property {Suggestion[]} suggestions
 * @property {boolean} is_submitted
 * @property {number} hidden Number of others whose marks are still hidden.
 * @property {Partial<Mark> | null} draft
 */

const WAIT_MS = 20_000;
const SURE_MS = 6000;
const NAME_KEY = "m1-annotator";
const LATE_MESSAGE = "The app is not responding. Your input is kept; try again in a moment.";

export class Session {
  /** @type {Map<string, Label>} */
  labels = new Map();
  /** @type {Severity[]} */
  severities = [];
  #name = (localStorage.getItem(NAME_KEY) || "").trim();

  /** @param {import("../shell/elements.js").Host} host */
  constructor({ element, trigger, signal }) {
    this.element = element;
    this.signal = signal;
    this.part = partsOf(element);
    this.server = new Server({
      trigger,
      onBusy: (isBusy) => element.firstElementChild?.setAttribute("aria-busy", String(isBusy)),
      late: { error: { field: "", message: LATE_MESSAGE } },
      waitMs: WAIT_MS,
    });
  }

  /** The annotator's name, remembered by the browser. */
  get name() {
    return this.#name;
  }

  /**
   * The name of the account, which the browser need not remember.
   * @param {string} name
   */
  nameAs(name) {
    this.#name = name;
  }

  /** @param {string} name */
  rename(name) {
    this.#name = name;
    localStorage.setItem(NAME_KEY, name);
  }

  /**
   * @param {string} action
   * @param {object} [values]
   */
  ask(action, values) {
    return this.server.ask(action, values, () => ({ annotator: this.#name }));
  }

  /** True if there is a name; otherwise asks for it. */
  isNamed() {
    if (this.#name) return true;
    this.problem(null, { field: "annotator", message: "Enter your name first; marks are saved under it." });
    this.part("annotator").focus();
    return false;
  }

  /** @param {string} id */
  labelName(id) {
    return this.labels.get(id)?.name || id;
  }

  /**
   * Shows an error at its field if there is one, else above the page; null clears it.
   * @param {Element | null} scope
   * @param {Problem | null | undefined} error
   */
  problem(scope, error) {
    for (const each of this.element.querySelectorAll("[data-problem]")) setText(each, "");
    say(this.part("notice"), "");
    if (!error) return;
    const place =
      scope?.querySelector(`[data-problem="${error.field}"]`) ??
      this.element.querySelector(`.m1-annotate-bar [data-problem="${error.field}"]`);
    if (!place) {
      say(this.part("notice"), error.message);
      return;
    }
    place.textContent = error.message;
    place.scrollIntoView({ block: "nearest" });
  }
}

/**
 * A button that asks before it acts: the first press changes its words, the second acts.
 * @param {string} text
 * @param {string} sure
 * @param {() => void} act
 * @param {string} [label]
 * @param {() => boolean} [isPlain] Whether the first press acts, as there is nothing to confirm.
 */
export function twice(text, sure, act, label, isPlain = () => false) {
  let isSure = false;
  const press = () => {
    if (isSure || isPlain()) {
      act();
      return;
    }
    isSure = true;
    made.textContent = sure;
    setTimeout(() => {
      isSure = false;
      made.textContent = text;
    }, SURE_MS);
  };
  const made = button(text, press, label);
  return made;
}
