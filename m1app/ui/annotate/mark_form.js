// The form for one mark. Its input is a draft: reported to `onChange` as it is typed, and restored with `fill`.
import { button, link, node, option } from "../shell/elements.js";
import { problemLine } from "./mark_list.js";
import { Palette } from "./palette.js";
import { EVIDENCE, FIELD_NAMES, fieldWords, PART_NAMES } from "./words.js";

/** @typedef {import("./session.js").Mark} Mark */
/** @typedef {import("./session.js").Evidence} Evidence */
/** @typedef {import("./session.js").Taxonomy} Taxonomy */
/** @typedef {{ message: string, current: Mark, changes: string[] }} Conflict */

/**
 * @typedef {object} FormActs
 * @property {() => void} onChange
 * @property {() => void} onSave
 * @property {() => void} onCancel
 * @property {() => void} onWhole
 * @property {(mark: Mark) => void} onShow
 */

/** @type {Mark} */
const EMPTY = {
  id: "",
  revision: 0,
  suggestion_key: "",
  part: "",
  start: null,
  end: null,
  exact: "",
  text_sha256: "",
  labels: [],
  severity: "",
  comment: "",
  corrected_fact: "",
  evidence: [],
  confidence: "",
  is_omission: false,
  changed_answer: null,
};
const HINT =
  "Select words in the thinking or the answer with the mouse, or with the arrow keys once the text has focus. " +
  "Marks may overlap.";
const UNSAID = "Hover over a severity to see what it means.";

export class MarkForm {
  #session;
  #acts;
  #isTouched = false;
  /** @type {Mark} */
  mark = { ...EMPTY };
  #title = node("h3", "", "Mark");
  #whole;
  #hintLine = node("p", "m1-quiet", HINT);
  #body = node("div", "m1-form-body");
  /** Beside the buttons, which stay in view: every mark needs one. */
  #required = node("div", "m1-form-required");
  #buttons = node("div", "m1-form-buttons");
  #meaning = node("p", "m1-quiet m1-severity-meaning");
  #severity = choices("severity", "Severity", []);
  #confidence = choices("confidence", "Confidence", [
    ["low", "Low"],
    ["medium", "Medium"],
    ["high", "High"],
  ]);
  #omission = choices("kind", "Kind", [
    ["", "Something is wrong"],
    ["1", "Something is missing here"],
  ]);
  #answer = choices("changed", "Changed the final answer", [
    ["yes", "Yes"],
    ["no", "No"],
    ["", "Unknown"],
  ]);
  #comment = area("Comment", "What is wrong, in your words");
  #fact = area("Corrected fact", "The correct statement");
  /** Leads to the test of the corrected fact, once it is saved. */
  #test = node("p", "m1-quiet");
  #evidence = node("div", "m1-evidence");
  quote = node("blockquote", "m1-quote");
  conflict = node("div", "m1-conflict");
  state = node("span", "m1-quiet");

  /**
   * @param {import("./session.js").Session} session
   * @param {FormActs} acts
   */
  constructor(session, acts) {
    this.#session = session;
    this.#acts = acts;
    this.root = session.part("form");
    this.palette = new Palette(session, () => this.changed());
    this.#whole = button("Note on the whole case", acts.onWhole);
    const head = node("div", "m1-form-head");
    head.append(this.#title, this.#whole);
    this.conflict.hidden = true;
    this.#build();
    const scrolled = node("div", "m1-form-scroll");
    this.root.append(head, scrolled, this.#required, this.#buttons);
    scrolled.append(
      this.quote,
      this.#hintLine,
      problemLine("span"),
      problemLine("case"),
      this.conflict,
      this.palette.root,
      problemLine("labels"),
      this.palette.meaning,
      this.#body,
    );
    this.root.addEventListener("submit", (event) => event.preventDefault());
    for (const part of [this.#body, this.#required]) part.addEventListener("input", () => this.changed());
    this.fill(null);
  }

  /** The line that says how to start; alternatives are added after it. */
  get hint() {
    return this.#hintLine;
  }

  #build() {
    const add = button("Add evidence", () => {
      const row = this.#evidenceRow({ kind: "pmid", value: "" });
      this.#evidence.append(row);
      row.querySelector("input")?.focus();
    });
    const save = button("Save", this.#acts.onSave);
    save.classList.add("is-primary");
    this.#buttons.append(save, button("Cancel", this.#acts.onCancel));
    this.#buttons.append(node("span", "m1-quiet", "Ctrl+Enter saves, Escape cancels."), this.state);
    this.state.setAttribute("role", "status");
    this.#required.append(this.#severity, problemLine("severity"));
    this.#body.append(
      this.#fact.field,
      problemLine("corrected_fact"),
      this.#test,
      this.#comment.field,
      problemLine("comment"),
      this.#omission,
      this.#evidence,
      add,
      problemLine("evidence"),
      this.#confidence,
      this.#answer,
    );
  }

  /** @param {Taxonomy} taxonomy */
  offer(taxonomy) {
    this.palette.fill(taxonomy.labels.filter((label) => !label.retired));
    const dots = taxonomy.severities.map(({ id, definition }, i) => {
      const made = choice("severity", id, id, `${definition} (Shift+${i + 1})`);
      for (const kind of ["pointerover", "focusin", "change"]) {
        made.addEventListener(kind, () => this.#explainSeverity(id));
      }
      return made;
    });
    const title = node("legend", "", "Severity (Shift and a number)");
    this.#severity.replaceChildren(title, ...dots, this.#meaning);
    this.#explainSeverity("");
  }

  /** @param {string} id */
  #explainSeverity(id) {
    this.#meaning.textContent = this.#session.severities.find((each) => each.id === id)?.definition || UNSAID;
  }

  /** @param {Evidence} evidence */
  #evidenceRow({ kind, value }) {
    const row = node("div", "m1-evidence-row");
    const kinds = node("select");
    kinds.setAttribute("aria-label", "Kind of evidence");
    kinds.append(...EVIDENCE.map(([id, name]) => option(id, name)));
    kinds.value = kind;
    const box = node("input");
    box.type = "text";
    box.value = value;
    box.setAttribute("aria-label", "Evidence");
    const remove = () => {
      row.remove();
      this.changed();
    };
    row.append(kinds, box, button("×", remove, "Remove this evidence"));
    return row;
  }

  get isOpen() {
    return Boolean(this.mark.part);
  }

  /** Whether it has unsaved input. */
  get isDirty() {
    return this.isOpen && this.#isTouched;
  }

  /** @returns {Mark} */
  read() {
    const rows = [...this.#evidence.children].map((row) => ({
      kind: row.querySelector("select")?.value ?? "",
      value: row.querySelector("input")?.value ?? "",
    }));
    const changed = chosenOf(this.#answer);
    return {
      ...this.mark,
      labels: [...this.palette.chosen],
      severity: chosenOf(this.#severity),
      comment: this.#comment.box.value,
      corrected_fact: this.#fact.box.value,
      evidence: rows.filter(({ value }) => value.trim()),
      confidence: chosenOf(this.#confidence),
      is_omission: chosenOf(this.#omission) === "1",
      changed_answer: changed ? changed === "yes" : null,
    };
  }

  /**
   * @param {Partial<Mark> | null} values Null clears it.
   * @param {boolean} [isTouched]
   */
  fill(values, isTouched = false) {
    this.mark = { ...EMPTY, ...values };
    const { mark } = this;
    this.palette.set(mark.labels);
    choose(this.#severity, mark.severity);
    choose(this.#confidence, mark.confidence || "");
    choose(this.#omission, mark.is_omission ? "1" : "");
    choose(this.#answer, mark.changed_answer === null ? "" : mark.changed_answer ? "yes" : "no");
    this.#comment.box.value = mark.comment;
    this.#fact.box.value = mark.corrected_fact;
    this.#evidence.replaceChildren(...mark.evidence.map((each) => this.#evidenceRow(each)));
    this.#explainSeverity(mark.severity);
    this.conflict.hidden = true;
    this.#isTouched = isTouched;
    this.#show();
  }

  /**
   * A new span for the form's mark, or for a new mark.
   * @param {Partial<Mark>} span
   */
  place(span) {
    Object.assign(this.mark, span);
    this.changed();
    this.#show();
  }

  changed() {
    if (!this.isOpen) return;
    this.#isTouched = true;
    this.#showTest();
    this.#acts.onChange();
  }

  #show() {
    const { id, part, exact, start } = this.mark;
    this.root.classList.toggle("is-open", this.isOpen);
    this.#title.textContent = id ? "Edit mark" : this.isOpen ? "New mark" : "Mark";
    this.quote.hidden = !this.isOpen;
    const name = node("b", "", `${PART_NAMES[part] || ""}${start === null ? "" : ": "}`);
    this.quote.replaceChildren(name, start === null ? "" : node("q", "", exact));
    this.#hintLine.hidden = this.isOpen;
    this.#body.hidden = this.#required.hidden = !this.isOpen;
    this.#buttons.hidden = !this.isOpen;
    this.#whole.hidden = this.isOpen;
    this.#showTest();
    this.#acts.onShow(this.mark);
  }

  #showTest() {
    const { id, part, start, corrected_fact: saved } = this.mark;
    const written = this.#fact.box.value;
    this.#test.hidden = part !== "thinking" || start === null || !written.trim();
    const isSaved = Boolean(id) && written === saved;
    const hint = "Save the mark, then test this fact: would the model have been right, had it known?";
    const test = link("Test this fact", `/facts/?annotation=${id}`);
    test.className = "m1-plain-button";
    this.#test.replaceChildren(isSaved ? test : hint);
  }

  /**
   * @param {number} place
   * @returns {boolean} Whether there is such a severity.
   */
  pressSeverity(place) {
    const dot = this.#severity.querySelectorAll("input")[place];
    if (!dot) return false;
    dot.checked = true;
    this.#explainSeverity(dot.value);
    this.changed();
    return true;
  }

  /**
   * Someone else saved the same mark in the meantime: shows both, and the user chooses.
   * @param {Conflict} conflict
   * @param {() => void} onTheirs
   * @param {() => void} onMine
   */
  showConflict({ message, current, changes }, onTheirs, onMine) {
    const mine = this.read();
    const words = (/** @type {Mark} */ mark, /** @type {string} */ field) =>
      fieldWords(field, mark, (id) => this.#session.labelName(id)) || "–";
    const table = node("table", "m1-table");
    const head = node("tr");
    head.append(node("th", "", ""), node("th", "", "Yours"), node("th", "", "Saved in the meantime"));
    table.append(head);
    for (const field of changes) {
      const row = node("tr");
      row.append(node("th", "", FIELD_NAMES[field] || field));
      row.append(node("td", "", words(mine, field)), node("td", "", words(current, field)));
      table.append(row);
    }
    const row = node("div", "m1-form-buttons");
    row.append(button("Keep mine", onMine), button("Use the saved version", onTheirs));
    this.conflict.replaceChildren(node("p", "", message), table, row);
    this.conflict.hidden = false;
    this.conflict.scrollIntoView({ block: "nearest" });
  }
}

/**
 * @param {string} name
 * @param {string} placeholder
 */
function area(name, placeholder) {
  const field = node("label", "m1-field", name);
  const box = node("textarea");
  box.rows = 2;
  box.placeholder = placeholder;
  field.append(box);
  return { field, box };
}

/**
 * @param {string} name
 * @param {string} title
 * @param {[value: string, text: string][]} values
 */
function choices(name, title, values) {
  const made = node("fieldset", "m1-choices");
  made.append(node("legend", "", title), ...values.map(([value, text]) => choice(name, value, text)));
  return made;
}

/**
 * @param {string} name
 * @param {string} value
 * @param {string} text
 * @param {string} [title]
 */
function choice(name, value, text, title) {
  const made = node("label", "m1-choice");
  const dot = node("input");
  dot.type = "radio";
  dot.name = `m1-${name}`;
  dot.value = value;
  made.append(dot, ` ${text}`);
  if (title) made.title = title;
  return made;
}

/** @param {HTMLElement} group */
const chosenOf = (group) => [...group.querySelectorAll("input")].find((dot) => dot.checked)?.value ?? "";

/**
 * @param {HTMLElement} group
 * @param {string} value
 */
function choose(group, value) {
  for (const dot of group.querySelectorAll("input")) dot.checked = dot.value === value;
}
