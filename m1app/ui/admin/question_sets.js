// Question sets: a list, imports from a file and from the hub, a preview. Files go to a separate route.
import { all, node, partsOf, say, setText, showFacts } from "../shell/elements.js";
import { number } from "../shell/words.js";
import { askTwice } from "./ask_twice.js";
import { badRowsNode } from "./bad_rows.js";
import { ColumnChoice } from "./column_choice.js";
import { pairItem } from "./curation_steps.js";
import { questionNode } from "./question_node.js";
import { upload } from "./upload.js";

/** @typedef {{ id: string, name: string, source: string, questions: number, layout: string }} SetRow */
/** @typedef {{ text: string, pairs: [here: string, there: string, share: string][] }} Overlap */
/** @typedef {import("./question_node.js").Question} Question */

/**
 * @typedef {object} Preview
 * @property {string} id
 * @property {string} name
 * @property {[name: string, text: string][]} facts
 * @property {string} text The search text.
 * @property {Question[]} questions
 * @property {number} offset
 * @property {number} page Questions per page.
 * @property {string} empty
 * @property {boolean} has_more
 */

/**
 * @typedef {object} Report
 * @property {{ name: string, questions: number }[]} imported
 * @property {string[]} notes
 * @property {Overlap[]} overlaps
 * @property {import("./bad_rows.js").BadRows} bad
 */

/**
 * @typedef {object} SetsValue
 * @property {SetRow[]} [rows]
 * @property {[id: string, label: string][]} [layouts]
 * @property {number} [number] Number of the request that this answers.
 * @property {{ error?: string, report?: Report, preview?: Preview, extent?: string, deleted?: string, overlaps?: Overlap[] }} [reply]
 */

const TYPING_MS = 250;

/** @param {Overlap} overlap */
function overlapNode(overlap) {
  const box = node("details", "m1-details m1-overlap");
  const list = node("ul");
  list.append(...overlap.pairs.map(pairItem));
  box.append(node("summary", "", overlap.text), list);
  return box;
}

class QuestionSetsTab {
  #element;
  #part;
  #trigger;
  #asked = 0;
  /** @type {Preview | null} */
  #chosen = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;
  #columns;

  /** @param {import("../shell/elements.js").Host} host */
  constructor({ element, trigger }) {
    this.#element = element;
    this.#part = partsOf(element);
    this.#trigger = trigger;
    this.#columns = new ColumnChoice(element, () => this.#sample(() => {}));
    this.#wireFile();
    this.#wireImports();
    this.#wirePreview();
  }

  #wireFile() {
    const form = this.#part("file-form", HTMLFormElement);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#importFile(form);
    });
    form.querySelector("input[type=file]")?.addEventListener("change", () => this.#columns.close());
    this.#part("choose-columns").addEventListener("click", () => {
      if (form.reportValidity()) this.#sample((file, sample) => this.#columns.open(file, sample));
    });
    this.#part("detect-columns").addEventListener("click", () => this.#columns.close());
  }

  /** @param {HTMLFormElement} form */
  #importFile(form) {
    const { file, values } = this.#fileValues(form);
    this.#part("report").replaceChildren();
    const done = (/** @type {Report} */ report) => {
      this.#showReport(report);
      form.reset();
      this.#columns.close();
      this.#ask("list");
    };
    const failed = () => {
      if (this.#columns.mapping || values.layout) return;
      // The columns of a file that no layout knows are offered; what was said stays.
      this.#sample((name, sample) => {
        if (!sample.layout) this.#columns.open(name, sample);
      }, this.#part("notice").textContent);
    };
    this.#upload("question-sets", file, values, done, failed);
  }

  /**
   * The chosen file, and how to read it.
   * @param {HTMLFormElement} form
   */
  #fileValues(form) {
    const { file, name, layout, skip_bad } = this.#fieldsOf(form);
    const options = JSON.stringify({ skip_bad: Boolean(skip_bad), columns: this.#columns.mapping });
    return { file, values: { name, layout, options } };
  }

  /**
   * Reads the first rows of the chosen file, and shows them if columns are chosen.
   * @param {(file: string, sample: import("./column_choice.js").FileSample) => void} use
   * @param {string | null} [said] What the notice says meanwhile.
   */
  #sample(use, said) {
    const { file, values } = this.#fileValues(this.#part("file-form", HTMLFormElement));
    const had = JSON.stringify(this.#columns.mapping);
    const shown = (/** @type {import("./column_choice.js").FileSample} */ sample) => {
      use(file.name, sample);
      if (said) say(this.#part("notice"), said);
      const now = this.#columns.mapping;
      // It was opened just now, or another column was chosen while the app read the file.
      if (now && JSON.stringify(now) !== had) this.#sample(() => {}, said);
      else if (now) this.#columns.show(sample);
    };
    this.#upload("question-columns", file, values, shown);
  }

  #wireImports() {
    const part = this.#part;
    const trainingForm = part("training-form", HTMLFormElement);
    trainingForm.addEventListener("submit", (event) => {
      event.preventDefault();
      const { file } = this.#fieldsOf(trainingForm);
      const none = `No set shares a question with ${file.name}, and no sets share questions with each other.`;
      this.#upload("overlaps", file, {}, (found) => this.#showOverlaps(found.overlaps, none));
    });
    const hubForm = part("hub-form", HTMLFormElement);
    hubForm.addEventListener("submit", (event) => {
      event.preventDefault();
      const values = Object.fromEntries(new FormData(hubForm));
      part("report").replaceChildren();
      this.#ask("hub", values);
      this.#busy(`Downloading ${values.repo}…`);
    });
  }

  #wirePreview() {
    const part = this.#part;
    part("rows").addEventListener("click", ({ target }) => {
      const row = target instanceof Element ? target.closest("tr[data-set]") : null;
      if (row instanceof HTMLElement) this.#ask("preview", { id: row.dataset.set, text: "", offset: 0 });
    });
    const search = part("search", HTMLInputElement);
    search.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#preview({ text: search.value }), TYPING_MS);
    });
    part("back").addEventListener("click", () => this.#turn(-1));
    part("on").addEventListener("click", () => this.#turn(1));
    part("overlaps").addEventListener("click", () => {
      this.#ask("overlaps");
      this.#busy("Comparing all questions…");
    });
    askTwice(part("delete"), "Move to the trash?", () => this.#ask("delete", { id: this.#chosen?.id }));
    part("delete").addEventListener("click", () => {
      if (part("delete").dataset.sure !== undefined) this.#ask("extent", { id: this.#chosen?.id });
    });
  }

  /**
   * The file of a form, and its other fields.
   * @param {HTMLFormElement} form
   * @returns {{ file: File } & Record<string, string>}
   */
  #fieldsOf(form) {
    return /** @type {any} */ (Object.fromEntries(new FormData(form)));
  }

  /**
   * @param {string} place
   * @param {File} file
   * @param {Record<string, string>} values
   * @param {(reply: any) => void} done
   * @param {() => void} [failed]
   */
  #upload(place, file, values, done, failed = () => {}) {
    const notice = (/** @type {string} */ text) => {
      say(this.#part("notice"), text);
      failed();
    };
    say(this.#part("notice"), "");
    upload(place, file, values, { busy: (text) => this.#busy(text), notice, done });
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

  /** @param {object} changes */
  #preview(changes) {
    if (!this.#chosen) return;
    this.#ask("preview", { id: this.#chosen.id, text: this.#chosen.text || "", offset: 0, ...changes });
  }

  /** @param {number} pages */
  #turn(pages) {
    if (this.#chosen) this.#preview({ offset: Math.max(0, this.#chosen.offset + pages * this.#chosen.page) });
  }

  /**
   * @param {SetRow[]} sets
   * @param {[id: string, label: string][]} layouts
   */
  #showList(sets, layouts) {
    const body = this.#part("rows");
    const rows = sets.map((each) => this.#row(each));
    const active = document.activeElement;
    const focused = active && this.#element.contains(active) ? active.closest("tr[data-set]") : null;
    const id = focused instanceof HTMLElement ? focused.dataset.set : undefined;
    body.replaceChildren(...rows);
    const open = id && body.querySelector(`tr[data-set="${CSS.escape(id)}"] button`);
    if (open instanceof HTMLElement) open.focus({ preventScroll: true });
    this.#part("table").hidden = !rows.length;
    this.#part("overlap-box").hidden = !rows.length;
    this.#part("overlaps").hidden = rows.length < 2;
    const none = "No question sets yet. Import a file of multiple-choice questions to begin.";
    say(this.#part("empty"), rows.length ? "" : none);
    for (const select of all(this.#element, "select[name=layout]", HTMLSelectElement)) {
      if (select.options.length > 1) continue;
      for (const [layout, label] of layouts) select.add(new Option(label, layout));
    }
  }

  /** @param {SetRow} each */
  #row(each) {
    const row = node("tr");
    row.dataset.set = each.id;
    row.classList.toggle("is-chosen", each.id === this.#chosen?.id);
    const name = node("td", "m1-stem");
    const open = node("button", "m1-row-button", each.name);
    open.type = "button";
    name.append(open);
    const questions = node("td", "m1-number", number(each.questions));
    row.append(name, questions, node("td", "", each.layout), node("td", "m1-quiet-cell m1-from", each.source));
    return row;
  }

  /**
   * @param {Overlap[]} overlaps
   * @param {string} nothing
   */
  #showOverlaps(overlaps, nothing) {
    const found = overlaps.length ? overlaps.map(overlapNode) : [node("p", "m1-quiet", nothing)];
    this.#part("overlap-report").replaceChildren(...found);
  }

  /** @param {Report} report */
  #showReport({ imported, notes, overlaps, bad }) {
    const lines = imported.map(({ name, questions }) =>
      node("p", "m1-good", `${name}: ${number(questions)} ${questions === 1 ? "question" : "questions"} imported.`),
    );
    const said = notes.map((text) => node("p", "", text));
    const left = bad.count ? [badRowsNode(bad)] : [];
    this.#part("report").replaceChildren(...lines, ...said, ...left, ...overlaps.map(overlapNode));
  }

  /** @param {Preview | null} value */
  #showPreview(value) {
    const part = this.#part;
    this.#chosen = value;
    part("set").hidden = !value;
    part("none").hidden = Boolean(value);
    for (const row of all(this.#element, "tr[data-set]", HTMLElement)) {
      row.classList.toggle("is-chosen", row.dataset.set === value?.id);
    }
    if (!value) return;
    setText(part("name"), value.name);
    showFacts(part("facts"), value.facts);
    const search = part("search", HTMLInputElement);
    if (document.activeElement !== search) search.value = value.text;
    part("questions", HTMLOListElement).start = value.offset + 1;
    part("questions").replaceChildren(...value.questions.map(questionNode));
    say(part("no-questions"), value.empty);
    part("back").hidden = value.offset === 0;
    part("on").hidden = !value.has_more;
  }

  /** @param {string} text */
  #busy(text) {
    say(this.#part("busy"), text);
    for (const each of all(this.#element, ".m1-import button", HTMLButtonElement)) each.disabled = Boolean(text);
  }

  /** @param {SetsValue} value */
  show({ rows, layouts, number: answered, reply = {} }) {
    if (rows) this.#showList(rows, layouts ?? []);
    if (answered === undefined || answered < this.#asked) return;
    this.#busy("");
    const notice = reply.error ?? reply.extent;
    if (notice) say(this.#part("notice"), notice);
    if (reply.report) this.#showReport(reply.report);
    if (reply.preview) this.#showPreview(reply.preview);
    if (reply.deleted && reply.deleted === this.#chosen?.id) this.#showPreview(null);
    if (reply.overlaps) this.#showOverlaps(reply.overlaps, "No sets share questions.");
  }
}

/** @param {import("../shell/elements.js").Host} host */
export function mount(host) {
  const tab = new QuestionSetsTab(host);
  return (/** @type {SetsValue} */ value) => tab.show(value);
}
