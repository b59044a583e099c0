// Training data: a list, a card as plain text, a form that previews and builds. A file goes to a separate route.
import { cardNodes } from "../shell/card.js";
import { all, node, partsOf, say, setText } from "../shell/elements.js";
import { number, shortTime } from "../shell/words.js";
import { askTwice } from "./ask_twice.js";
import { keepAskedAgain } from "./asked_again.js";
import { stepNode } from "./curation_steps.js";
import { prunedSample } from "./pruned_steps.js";
import { upload } from "./upload.js";

/** @typedef {{ id: string, samples: number, kind: string, created: string }} DataRow */
/** @typedef {import("./pruned_steps.js").PrunedSample} PrunedSample */

/**
 * @typedef {object} Report
 * @property {string} headline
 * @property {string[]} notes
 * @property {import("./curation_steps.js").Step[]} steps
 * @property {PrunedSample[]} [labelled] Samples with their steps, before anything is pruned.
 */

/** @typedef {{ index: number, total: number, sample: PrunedSample }} Pruned One of a data set's pruned samples. */
/** @typedef {{ id: string, kind: string, text: string, pruned: Pruned | null }} Card */

/**
 * @typedef {object} Reply
 * @property {string} [error]
 * @property {Report} [report]
 * @property {Card} [card]
 * @property {Pruned | null} [pruned]
 * @property {string[]} [models] Served models.
 * @property {string} [deleted]
 * @property {string} [built]
 */

/**
 * @typedef {object} TrainingDataValue
 * @property {DataRow[]} [rows]
 * @property {[id: string, label: string][]} [runs]
 * @property {[id: string, label: string][]} [layouts]
 * @property {[id: string, label: string][]} [sets]
 * @property {number} [number] Number of the request that this answers.
 * @property {Reply} [reply]
 */

const OVERLAP_NGRAM = 8;
const PAIR_SOURCES = ["passes", "corrections", "disputes"];
const NONE = "No data sets yet. Build one from a file of reasoning traces, right answers in this app, or corrections.";

/**
 * A typed number without its commas; null if empty. The server validates it.
 * @param {string} typed
 */
export const whole = (typed) => typed.trim().replaceAll(",", "") || null;

/**
 * The runs whose right answers are left out: a question only if both have it right.
 * @param {string} first
 * @param {string} second
 */
export const runsOf = (first, second) => [...new Set([first, second].filter(Boolean))].join(", ");

class TrainingDataTab {
  #element;
  #part;
  #trigger;
  #form;
  #asked = 0;
  #chosen = "";
  #prunedIndex = 0;
  /** Keys of unverified samples that are kept all the same. @type {Set<string>} */
  #kept = new Set();

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
    this.#field("kind").addEventListener("change", () => this.#showFieldsOfKind());
    this.#field("prune").addEventListener("change", () => this.#showPruneSettings());
    this.#part("pruned-before").addEventListener("click", () => this.#askPruned(-1));
    this.#part("pruned-next").addEventListener("click", () => this.#askPruned(1));
    this.#openForCorrections(new URL(window.location.href).searchParams);
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

  /**
   * Opens the form with what the Annotate page leads to: its corrections, with right answers of this app beside them.
   * @param {URLSearchParams} query
   */
  #openForCorrections(query) {
    if (!query.has("corrections")) return;
    keepAskedAgain(query);
    this.#part("build-box", HTMLDetailsElement).open = true;
    for (const name of ["with_corrections", "with_own_traces"]) {
      const box = this.#field(name);
      if (box instanceof HTMLInputElement) box.checked = true;
    }
    this.#field("name").value = "corrections";
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

  #isOfPairs() {
    return this.#field("kind").value === "pairs";
  }

  /** Shows the fields that apply to what is built. */
  #showFieldsOfKind() {
    const kind = this.#field("kind").value;
    for (const each of all(this.#form, "[data-for]", HTMLElement)) each.hidden = each.dataset.for !== kind;
    this.#showPruneSettings();
  }

  #showPruneSettings() {
    const isOn = this.#isOn("prune") && !this.#isOfPairs();
    this.#part("prune-settings").hidden = !isOn;
    if (isOn) this.#ask("models");
  }

  /** @param {string[]} models */
  #offerModels(models) {
    this.#offer(
      "prune_model",
      models.map((name) => [name, name]),
    );
  }

  /** @param {number} step */
  #askPruned(step) {
    this.#ask("pruned", { id: this.#chosen, index: this.#prunedIndex + step });
  }

  /** @param {boolean} isPreview */
  #wanted(isPreview) {
    const typed = (/** @type {string} */ name) => whole(this.#field(name).value);
    return this.#isOfPairs() ? this.#wantedPairs(isPreview, typed) : this.#wantedSamples(isPreview, typed);
  }

  /**
   * @param {boolean} isPreview
   * @param {(name: string) => string | null} typed
   */
  #wantedPairs(isPreview, typed) {
    return {
      name: this.#field("name").value.trim(),
      is_preview: isPreview,
      plan: {
        pairs: PAIR_SOURCES.filter((name) => this.#isOn(name)),
        pairs_per_question: typed("pairs_per_question"),
        ...this.#sharedPlan(typed),
      },
    };
  }

  /**
   * What applies to samples and to pairs.
   * @param {(name: string) => string | null} typed
   */
  #sharedPlan(typed) {
    return {
      overlap_ngram: this.#isOn("overlap") ? OVERLAP_NGRAM : 0,
      verified_only: this.#isOn("verified_only"),
      learn_from: this.#field("learn_from").value ? [this.#field("learn_from").value] : [],
      balance: this.#field("balance").value,
      limit: typed("limit"),
      max_tokens: typed("max_tokens"),
      min_reasoning_characters: typed("min_reasoning") ?? "0",
      seed: typed("seed") ?? "0",
    };
  }

  /**
   * @param {boolean} isPreview
   * @param {(name: string) => string | null} typed
   */
  #wantedSamples(isPreview, typed) {
    return {
      name: this.#field("name").value.trim(),
      is_preview: isPreview,
      hub: this.#field("hub").value.trim(),
      layout: this.#field("layout").value,
      with_own_traces: this.#isOn("with_own_traces"),
      with_corrections: this.#isOn("with_corrections"),
      plan: {
        ...this.#sharedPlan(typed),
        deduplicate: this.#isOn("deduplicate"),
        keep: [...this.#kept],
        facts_alone: this.#isOn("facts_alone"),
        exclude_answered_by_run: runsOf(this.#field("run").value, this.#field("second_run").value),
        prune_steps: this.#isOn("prune") ? (typed("prune_steps") ?? "0") : null,
        prune_model: this.#isOn("prune") ? this.#field("prune_model").value : "",
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
    const chosen = files instanceof HTMLInputElement ? files.files?.[0] : undefined;
    const file = this.#isOfPairs() ? undefined : chosen;
    if (!file) {
      this.#ask("make", { form: wanted });
      this.#busy(isPreview ? "Reading…" : "Building…");
      return;
    }
    const done = (/** @type {Reply} */ reply) => {
      this.#take(reply);
      if (reply.built) this.#ask("list", { built: reply.built });
    };
    const acts = { busy: (/** @type {string} */ text) => this.#busy(text), notice, done };
    upload("training-data", file, { form: JSON.stringify(wanted) }, acts);
  }

  /**
   * @param {string} key
   * @param {boolean} isKept
   */
  #keep = (key, isKept) => {
    if (isKept) this.#kept.add(key);
    else this.#kept.delete(key);
    say(this.#part("busy"), "Preview or build again to apply what you keep.");
  };

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
    if (each.kind === "pairs") name.append(node("span", "m1-quiet-cell", " preference pairs"));
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
      const { headline, notes, steps, labelled = [] } = reply.report;
      const said = notes.map((text) => node("p", "", text));
      const shown = labelled.map(prunedSample);
      this.#part("report").replaceChildren(
        node("p", "m1-good", headline),
        ...said,
        ...steps.map((step) => stepNode(step, this.#keep)),
        ...shown,
      );
    }
    if (reply.models) this.#offerModels(reply.models);
    if (reply.pruned) this.#showPruned(reply.pruned);
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
    const samples = new URLSearchParams({ tab: "samples", set: card.id });
    this.#part("browse", HTMLAnchorElement).href = `/admin/?${samples}`;
    this.#part("browse").hidden = card.kind !== "samples";
    this.#part("text").replaceChildren(...cardNodes(card.text));
    this.#part("text").scrollTop = 0;
    this.#showPruned(card.pruned);
  }

  /** @param {Pruned | null} pruned */
  #showPruned(pruned) {
    this.#part("pruned").hidden = !pruned;
    if (!pruned) return;
    const { index, total, sample } = pruned;
    this.#prunedIndex = index;
    setText(this.#part("pruned-title"), `Pruned sample ${number(index + 1)} of ${number(total)}`);
    this.#part("pruned-sample").replaceChildren(prunedSample(sample));
    this.#part("pruned-before", HTMLButtonElement).disabled = index === 0;
    this.#part("pruned-next", HTMLButtonElement).disabled = index === total - 1;
  }

  /** @param {TrainingDataValue} value */
  show({ rows, runs, layouts, sets, number: answered, reply = {} }) {
    if (rows) this.#showList(rows);
    if (rows && runs) for (const name of ["run", "second_run"]) this.#offer(name, runs);
    if (layouts) this.#offer("layout", layouts);
    if (sets) this.#offer("learn_from", sets);
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
