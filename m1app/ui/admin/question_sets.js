// Question sets: a list, imports from a file and from the hub, a preview. Files go to a separate route.
import { all, node, partsOf, say } from "../shell/elements.js";
import { number } from "../shell/words.js";
import { badRowsNode } from "./bad_rows.js";
import { BrowsedList } from "./browsed_list.js";
import { ColumnChoice } from "./column_choice.js";
import { overlapNode } from "./overlap_node.js";
import { questionNode } from "./question_node.js";
import { upload } from "./upload.js";

/** @typedef {{ id: string, name: string, source: string, questions: number, layout: string }} SetRow */
/** @typedef {import("./overlap_node.js").Overlap} Overlap */
/** @typedef {import("./question_node.js").Question} Question */
/** @typedef {import("./column_choice.js").FileSample} FileSample */

/** @typedef {import("./browsed_list.js").Entry & { questions: Question[] }} Preview */

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
 * @property {{ error?: string, report?: Report, preview?: Preview, sample?: FileSample, extent?: string, deleted?: string, overlaps?: Overlap[] }} [reply]
 */

const MAX_IDS_BYTES = 500_000;

class QuestionSetsTab {
  #element;
  #part;
  /** @type {BrowsedList<Preview>} */
  #list;
  #columns;
  /** Takes the columns of the dataset that was asked for last. */
  #sampled = (/** @type {FileSample} */ _) => {};

  /** @param {import("../shell/elements.js").Host} host */
  constructor(host) {
    const { element } = host;
    this.#element = element;
    this.#part = partsOf(element);
    this.#list = new BrowsedList(host, { entry: "set", items: "questions" });
    this.#columns = new ColumnChoice(element, (form) => this.#sample(form, () => {}));
    this.#wireFile();
    this.#wireHub();
    this.#wireOverlaps();
  }

  #wireFile() {
    const form = this.#fileForm;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#importFile(form);
    });
    form.querySelector("input[name=file]")?.addEventListener("change", () => this.#columns.close());
    this.#part("choose-columns").addEventListener("click", () => this.#chooseColumns(form));
    this.#part("detect-columns").addEventListener("click", () => this.#columns.close());
  }

  #wireHub() {
    const form = this.#part("hub-form", HTMLFormElement);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#part("report").replaceChildren();
      this.#importHub(form);
    });
    for (const name of ["repo", "config", "split"]) {
      form.querySelector(`input[name=${name}]`)?.addEventListener("input", () => this.#columns.close());
    }
    this.#part("choose-hub-columns").addEventListener("click", () => this.#chooseColumns(form));
    this.#part("library").addEventListener("click", () => this.#importLibrary());
  }

  #importLibrary() {
    this.#part("report").replaceChildren();
    this.#list.ask("library");
    this.#list.busy("Importing the question library…");
  }

  /** @param {HTMLFormElement} form */
  async #importHub(form) {
    const { ids, ...values } = this.#hubValues(form);
    if (ids.size > MAX_IDS_BYTES) {
      const most = number(MAX_IDS_BYTES / 1000);
      say(this.#part("notice"), `${ids.name} is larger than ${most} KB. Import it from the command line with --ids.`);
      return;
    }
    this.#list.ask("hub", { ...values, ids: await ids.text() });
    this.#list.busy(`Downloading ${values.repo}…`);
  }

  get #fileForm() {
    return this.#part("file-form", HTMLFormElement);
  }

  /** @param {HTMLFormElement} form */
  #chooseColumns(form) {
    if (form.reportValidity()) this.#sample(form, (file, sample) => this.#columns.open(form, file, sample));
  }

  /** @param {HTMLFormElement} form */
  #importFile(form) {
    const { file, ids, values } = this.#fileValues(form);
    this.#part("report").replaceChildren();
    const done = (/** @type {Report} */ report) => {
      this.#showReport(report);
      form.reset();
      this.#columns.close();
      this.#list.ask("list");
    };
    const failed = () => {
      if (this.#columns.mappingOf(form) || values.layout) return;
      // The columns of a file that no layout knows are offered; what was said stays.
      const said = this.#part("notice").textContent;
      const offer = (/** @type {string} */ name, /** @type {FileSample} */ sample) => {
        if (!sample.layout) this.#columns.open(form, name, sample);
      };
      this.#sample(form, offer, said);
    };
    const both = ids.size ? new File([ids, file], file.name) : file;
    this.#upload("question-sets", both, { ...values, ids_bytes: String(ids.size) }, done, failed);
  }

  /**
   * The chosen file, and how to read it.
   * @param {HTMLFormElement} form
   */
  #fileValues(form) {
    const { file, ids, name, layout } = this.#fieldsOf(form);
    return { file, ids, values: { name, layout, options: this.#options(form) } };
  }

  /**
   * The dataset of the hub, and how to read it.
   * @param {HTMLFormElement} form
   */
  #hubValues(form) {
    const { repo, name, config, split, layout, ids } = this.#fieldsOf(form);
    return { repo, name, config, split, layout, ids, options: this.#options(form) };
  }

  /**
   * What both forms have in common.
   * @param {HTMLFormElement} form
   */
  #options(form) {
    const { skip_bad, limit, seed } = this.#fieldsOf(form);
    const numbers = { limit: Number(limit), seed: Number(seed) };
    return JSON.stringify({ skip_bad: Boolean(skip_bad), ...numbers, columns: this.#columns.mappingOf(form) });
  }

  /**
   * Reads the first rows of what a form names, and shows them if columns are chosen.
   * @param {HTMLFormElement} form
   * @param {(file: string, sample: FileSample) => void} use
   * @param {string | null} [said] What the notice says meanwhile.
   */
  #sample(form, use, said) {
    const isFile = form === this.#fileForm;
    const name = isFile ? this.#fileValues(form).file.name : this.#hubValues(form).repo;
    const had = JSON.stringify(this.#columns.mappingOf(form));
    const shown = (/** @type {FileSample} */ sample) => {
      use(name, sample);
      if (said) this.#list.refuse(said);
      const now = this.#columns.mappingOf(form);
      // It was opened just now, or another column was chosen while the app read the file.
      if (now && JSON.stringify(now) !== had) this.#sample(form, () => {}, said);
      else if (now) this.#columns.show(sample);
    };
    if (isFile) {
      const { file, values } = this.#fileValues(form);
      this.#upload("question-columns", file, values, shown);
      return;
    }
    const { ids: _, ...values } = this.#hubValues(form);
    this.#sampled = shown;
    this.#list.ask("hub-columns", values);
    this.#list.busy(`Reading ${name}…`);
  }

  #wireOverlaps() {
    const part = this.#part;
    const trainingForm = part("training-form", HTMLFormElement);
    trainingForm.addEventListener("submit", (event) => {
      event.preventDefault();
      const { file } = this.#fieldsOf(trainingForm);
      const none = `No set shares a question with ${file.name}, and no sets share questions with each other.`;
      this.#upload("overlaps", file, {}, (found) => this.#showOverlaps(found.overlaps, none));
    });
    part("overlaps").addEventListener("click", () => {
      this.#list.ask("overlaps");
      this.#list.busy("Comparing all questions…");
    });
  }

  /**
   * The file of a form, and its other fields.
   * @param {HTMLFormElement} form
   * @returns {{ file: File, ids: File } & Record<string, string>}
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
      this.#list.refuse(text);
      failed();
    };
    say(this.#part("notice"), "");
    upload(place, file, values, { busy: (text) => this.#list.busy(text), notice, done });
  }

  /**
   * @param {SetRow[]} sets
   * @param {[id: string, label: string][]} layouts
   */
  #showList(sets, layouts) {
    const rows = sets.map((each) => this.#row(each));
    this.#list.showRows(rows, "No question sets yet. Import a file of multiple-choice questions to begin.");
    this.#part("overlap-box").hidden = !rows.length;
    this.#part("overlaps").hidden = rows.length < 2;
    for (const select of all(this.#element, "select[name=layout]", HTMLSelectElement)) {
      if (select.options.length > 1) continue;
      for (const [layout, label] of layouts) select.add(new Option(label, layout));
    }
  }

  /** @param {SetRow} each */
  #row(each) {
    const questions = node("td", "m1-number", number(each.questions));
    const layout = node("td", "", each.layout);
    return this.#list.row(each, questions, layout, node("td", "m1-quiet-cell m1-from", each.source));
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

  /** @param {SetsValue} value */
  show({ rows, layouts, number: answered, reply = {} }) {
    if (rows) this.#showList(rows, layouts ?? []);
    if (!this.#list.isLatest(answered)) return;
    this.#list.busy("");
    const notice = reply.error ?? reply.extent;
    if (notice) this.#list.refuse(notice);
    if (reply.report) this.#showReport(reply.report);
    if (reply.sample) this.#sampled(reply.sample);
    if (reply.preview) this.#list.show(reply.preview, reply.preview.questions.map(questionNode));
    if (reply.deleted && reply.deleted === this.#list.chosen?.id) this.#list.show(null);
    if (reply.overlaps) this.#showOverlaps(reply.overlaps, "No sets share questions.");
  }
}

/** @param {import("../shell/elements.js").Host} host */
export function mount(host) {
  const tab = new QuestionSetsTab(host);
  return (/** @type {SetsValue} */ value) => tab.show(value);
}
