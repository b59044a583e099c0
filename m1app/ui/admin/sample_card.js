// One sample: read, edited, left out, taken back.
import { all, node, partsOf, say, setText } from "../shell/elements.js";
import { number } from "../shell/words.js";
import { changeWords, optionLines, optionsOf } from "./sample_tray.js";

/** @typedef {import("./sample_tray.js").Change} Change */

/**
 * @typedef {object} Row
 * @property {string} key
 * @property {string} question
 * @property {string} domain
 * @property {string} source
 * @property {number} characters
 * @property {boolean} is_kept
 * @property {string} why
 */

/**
 * @typedef {Row & {
 *   full_question: string, options: Record<string, string>, target: string, reasoning: string, answer: string,
 *   doubt: string,
 * }} Sample
 */

/**
 * @typedef {object} Acts
 * @property {(change: Change) => void} check Asks whether a change can be made.
 * @property {(key: string) => import("./sample_tray.js").Pending | undefined} pending
 */

const EDITED = ["question", "options", "target", "reasoning", "answer", "domain"];

export class SampleCard {
  #part;
  #form;
  #acts;
  /** @type {Sample | null} */
  #shown = null;

  /**
   * @param {HTMLElement} element
   * @param {Acts} acts
   */
  constructor(element, acts) {
    this.#part = partsOf(element);
    this.#form = this.#part("form", HTMLFormElement);
    this.#acts = acts;
    this.#part("edit").addEventListener("click", () => this.#edit(true));
    this.#part("cancel").addEventListener("click", () => this.#edit(false));
    this.#part("leave-out").addEventListener("click", () => this.#check("exclude"));
    this.#part("take-back").addEventListener("click", () => this.#check("restore"));
    const domains = this.#part("domain-form", HTMLFormElement);
    domains.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.#shown) return;
      const domain = String(new FormData(domains).get("domain")).trim();
      this.#acts.check({ kind: "domain", key: this.#shown.key, reason: "", domain });
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.#part("boxes").hidden) this.#check("edit");
    });
    this.#form.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.#part("boxes").hidden) this.#edit(false);
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
  }

  /** The key of the sample that is shown; empty if there is none. */
  get key() {
    return this.#shown?.key ?? "";
  }

  get question() {
    return this.#shown?.question ?? "";
  }

  /** @param {string} name */
  #box(name) {
    const found = this.#form.elements.namedItem(name);
    if (found instanceof HTMLInputElement || found instanceof HTMLTextAreaElement) return found;
    throw new Error(`The form has no box "${name}".`);
  }

  /** @param {Sample | null} sample */
  show(sample) {
    this.#shown = sample;
    this.#part("sample").hidden = !sample;
    this.#part("nothing").hidden = Boolean(sample);
    if (!sample) return;
    const part = this.#part;
    setText(part("key"), sample.key);
    const target = sample.target ? `target ${sample.target}` : "no target";
    const length = `${number(sample.characters)} characters of reasoning`;
    const said = [sample.source, sample.domain || "no domain", target, length, sample.is_kept ? "" : "left out"];
    setText(part("facts"), said.filter(Boolean).join(" · "));
    setText(part("question"), sample.full_question);
    part("options").replaceChildren(
      ...Object.entries(sample.options).map(([letter, text]) => {
        const item = node("li", "", `${letter}. ${text}${letter === sample.target ? " (target)" : ""}`);
        item.dir = "auto";
        return item;
      }),
    );
    setText(part("reasoning"), sample.reasoning);
    part("reasoning").scrollTop = 0;
    setText(part("answer"), sample.answer);
    this.#box("reason").value = "";
    for (const box of all(part("domain-form"), "input", HTMLInputElement)) box.value = sample.domain;
    this.#edit(false);
    this.showPending();
  }

  /** Says what is pending of the sample, or what speaks against it. */
  showPending() {
    if (!this.#shown) return;
    const pending = this.#acts.pending(this.#shown.key);
    const doubt = this.#shown.doubt ? `Note: ${this.#shown.doubt}.` : "";
    const left = this.#shown.why ? `Left out by ${this.#shown.why}.` : "";
    const said = pending ? `Not saved yet. ${changeWords(pending.change)}` : [left, doubt].filter(Boolean).join(" ");
    say(this.#part("doubt"), said);
  }

  /** @param {boolean} isEditing */
  #edit(isEditing) {
    const part = this.#part;
    const isKept = Boolean(this.#shown?.is_kept);
    part("boxes").hidden = !isEditing;
    part("reading").hidden = isEditing;
    part("domain-form").hidden = isEditing || !isKept;
    part("edit").hidden = isEditing || !isKept;
    part("leave-out").hidden = isEditing || !isKept;
    part("take-back").hidden = isEditing || isKept;
    part("take-edit").hidden = !isEditing;
    part("cancel").hidden = !isEditing;
    this.#refuse("", "", false);
    if (!isEditing || !this.#shown) return;
    const pending = this.#acts.pending(this.#shown.key)?.change.sample;
    const shown = pending ?? { ...this.#shown, question: this.#shown.full_question };
    for (const name of EDITED) {
      this.#box(name).value =
        name === "options" ? optionLines(shown.options) : String(/** @type {any} */ (shown)[name] ?? "");
    }
    this.#box("question").focus();
  }

  /** @param {Change["kind"]} kind */
  #check(kind) {
    if (!this.#shown) return;
    const value = (/** @type {string} */ name) => this.#box(name).value;
    /** @type {Change} */
    const change = { kind, key: this.#shown.key, reason: value("reason").trim() };
    const box = this.#box("deliberate");
    if (box instanceof HTMLInputElement && box.checked) change.is_deliberate = true;
    if (kind === "edit") {
      change.sample = {
        question: value("question"),
        options: optionsOf(value("options")),
        target: value("target").trim().toUpperCase() || null,
        reasoning: value("reasoning"),
        answer: value("answer"),
        domain: value("domain"),
      };
    }
    this.#acts.check(change);
  }

  /**
   * Shows why a change cannot be made, at its box.
   * @param {string} message
   * @param {string} field
   * @param {boolean} mayKeep
   */
  refuse(message, field, mayKeep) {
    this.#refuse(message, field, mayKeep);
  }

  /** The change was taken: back to reading. */
  taken() {
    this.#box("reason").value = "";
    this.#edit(false);
    this.showPending();
  }

  /**
   * @param {string} message
   * @param {string} field
   * @param {boolean} mayKeep
   */
  #refuse(message, field, mayKeep) {
    say(this.#part("problem"), message);
    for (const name of [...EDITED, "reason"]) {
      this.#box(name).setAttribute("aria-invalid", String(Boolean(message) && name === field));
    }
    this.#part("deliberate-field").hidden = !mayKeep;
    const box = this.#box("deliberate");
    if (box instanceof HTMLInputElement && !mayKeep) box.checked = false;
  }
}
