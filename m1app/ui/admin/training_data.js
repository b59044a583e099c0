// Training data: a list, a card as plain text, a form that previews and builds. A file goes to a separate route.
import { all, node, partsOf, say, setText } from "../shell/elements.js";
import { number, shortTime } from "../shell/words.js";
import { askTwice } from "./ask_twice.js";
import { stepNode } from "./curation_steps.js";
import { upload } from "./upload.js";

/** @typedef {{ id: string, samples: number, created: string }} DataRow */
/** @typedef {{ headline: string, notes: string[], steps: import("./curation_steps.js").Step[] }} Report */
/** @typedef {{ id: string, text: string }} Card */
/** @typedef {{ error?: string, report?: Report, card?: Card, deleted?: string, built?: string }} Reply */

/**
 * @typedef {object} TrainingDataValue
 * @property {DataRow[]} [rows]
 * @property {[id: string, label: string][]} [runs]
 * @property {[id: string, label: string][]} [layouts]
 * @property {number} [number] Number of the request that this answers.
 * @property {Reply} [reply]
 */

const OVERLAP_NGRAM = 8;
const NONE = "No data sets yet. Build one from a file of reasoning traces, right answers in this app, or corrections.";

/**
 * A typed number without its commas; null if empty. The server validates it.
 * @param {string} typed
 */
export const whole = (typed) => typed.trim().replaceAll(",", "") || null;

class TrainingDataTab {
  #element;
  #part;
  #trigger;
  #form;
  #asked = 0;
  #chosen = "";

  /** @param {import("../shell/elements.js").Host} host */
  constructor({ element, trigger }) {
    this.#element = element;
    this.#part = partsOf(element);
    this.#trigger = trigger;
    this.#form = this.#part("form", HTMLFormElement);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#make(false);
    });
    this.#part("preview").addEventListener("click", () => this.#make(true));
    this.#part("rows").addEventListener("click", ({ target }) => {
      const row = target instanceof Element ? target.closest("tr[data-id]") : null;
      if (row instanceof HTMLElement) this.#ask("card", { id: row.dataset.id });
    });
    askTwice(this.#part("delete"), "Delete this version?", () => this.#ask("delete", { id: this.#chosen }));
  }

  /**
   * @param {string} action
   * @param {object} [values]
   */
  #ask(action, values) {
    this.#asked += 1;
    say(this.#part("notice"), "");
    this.#trigger("ask", { number: this.#asked, action, ...values });
  }

  /** @param {string} name */
  #field(name) {
    const field = this.#form.elements.namedItem(name);
    if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) return field;
    throw new Error(`The form has no field "${name}".`);
  }

  /** @param {string} name */
  #isOn(name) {
    const field = this.#field(name);
    return field instanceof HTMLInputElement && field.checked;
  }

  /** @param {boolean} isPreview */
  #wanted(isPreview) {
    const typed = (/** @type {string} */ name) => whole(this.#field(name).value);
    return {
      name: this.#field("name").value.trim(),
      is_preview: isPreview,
      hub: this.#field("hub").value.trim(),
      layout: this.#field("layout").value,
      with_own_traces: this.#isOn("with_own_traces"),
      with_corrections: this.#isOn("with_corrections"),
      plan: {
        deduplicate: this.#isOn("deduplicate"),
        overlap_ngram: this.#isOn("overlap") ? OVERLAP_NGRAM : 0,
        verified_only: this.#isOn("verified_only"),
        balance: this.#field("balance").value,
        limit: typed("limit"),
        max_tokens: typed("max_tokens"),
        min_reasoning_characters: typed("min_reasoning") ?? "0",
        seed: typed("seed") ?? "0",
        exclude_answered_by_run: this.#field("run").value,
      },
    };
  }

  /** @param {boolean} isPreview */
  #make(isPreview) {
    const notice = (/** @type {string} */ text) => say(this.#part("notice"), text);
    notice("");
    this.#part("report").replaceChildren();
    const wanted = this.#wanted(isPreview);
    const files = this.#field("file");
    const file = files instanceof HTMLInputElement ? files.files?.[0] : undefined;
    if (!file) {
      this.#ask("make", { form: wanted });
      this.#busy(isPreview ? "Reading the samples…" : "Building…");
      return;
    }
    const done = (/** @type {Reply} */ reply) => {
      this.#take(reply);
      if (reply.built) this.#ask("list", { built: reply.built });
    };
    const acts = { busy: (/** @type {string} */ text) => this.#busy(text), notice, done };
    upload("training-data", file, { form: JSON.stringify(wanted) }, acts);
  }

  /** @param {string} text */
  #busy(text) {
    say(this.#part("busy"), text);
    for (const each of this.#form.querySelectorAll("button")) each.disabled = Boolean(text);
  }

  /** @param {DataRow[]} rows */
  #showList(rows) {
    const body = this.#part("rows");
    const active = document.activeElement;
    const focused = active && this.#element.contains(active) ? active.closest("tr[data-id]") : null;
    const id = focused instanceof HTMLElement ? focused.dataset.id : undefined;
    body.replaceChildren(...rows.map((each) => this.#row(each)));
    const open = id && body.querySelector(`tr[data-id="${CSS.escape(id)}"] button`);
    if (open instanceof HTMLElement) open.focus({ preventScroll: true });
    this.#part("table").hidden = !rows.length;
    say(this.#part("empty"), rows.length ? "" : NONE);
    if (!rows.length) this.#part("build-box", HTMLDetailsElement).open = true;
  }

  /** @param {DataRow} each */
  #row(each) {
    const row = node("tr");
    row.dataset.id = each.id;
    row.classList.toggle("is-chosen", each.id === this.#chosen);
    const name = node("td", "m1-stem");
    const open = node("button", "m1-row-button", each.id);
    open.type = "button";
    name.append(open);
    const created = node("td", "m1-number m1-quiet-cell", shortTime(each.created));
    row.append(name, node("td", "m1-number", number(each.samples)), created);
    return row;
  }

  /**
   * @param {string} name
   * @param {[id: string, label: string][]} choices
   */
  #offer(name, choices) {
    const box = this.#field(name);
    if (!(box instanceof HTMLSelectElement)) return;
    const known = new Set([...box.options].map(({ value }) => value));
    for (const [id, label] of choices) {
      if (!known.has(id)) box.add(new Option(label, id));
    }
  }

  /** @param {Reply} reply */
  #take(reply) {
    if (reply.error) say(this.#part("notice"), reply.error);
    if (reply.report) {
      const { headline, notes, steps } = reply.report;
      const said = notes.map((text) => node("p", "", text));
      this.#part("report").replaceChildren(node("p", "m1-good", headline), ...said, ...steps.map(stepNode));
    }
    if (reply.card) this.#showCard(reply.card);
    if (reply.deleted && reply.deleted === this.#chosen) this.#showCard(null);
  }

  /** @param {Card | null} card */
  #showCard(card) {
    this.#chosen = card?.id || "";
    this.#part("card").hidden = !card;
    this.#part("none").hidden = Boolean(card);
    for (const row of all(this.#part("rows"), "tr", HTMLElement)) {
      row.classList.toggle("is-chosen", row.dataset.id === this.#chosen);
    }
    if (!card) return;
    setText(this.#part("name"), card.id);
    setText(this.#part("text"), card.text);
    this.#part("text").scrollTop = 0;
  }

  /** @param {TrainingDataValue} value */
  show({ rows, runs, layouts, number: answered, reply = {} }) {
    if (rows) this.#showList(rows);
    if (rows && runs) this.#offer("run", runs);
    if (layouts) this.#offer("layout", layouts);
    if (answered === undefined || answered < this.#asked) return;
    this.#busy("");
    this.#take(reply);
  }
}

/** @param {import("../shell/elements.js").Host} host */
export function mount(host) {
  const tab = new TrainingDataTab(host);
  return (/** @type {TrainingDataValue} */ value) => tab.show(value);
}
