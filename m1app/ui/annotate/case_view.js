// One case: its question and texts, and all actions on it.
import { button, node, say } from "../shell/elements.js";
import { Draft } from "./draft.js";
import { legend } from "./legend.js";
import { MarkForm } from "./mark_form.js";
import { MarkList } from "./mark_list.js";
import { nextToOpen } from "./overlaps.js";
import { Painter } from "./painter.js";
import { TextPane } from "./text_pane.js";

/** @typedef {import("./session.js").Mark} Mark */
/** @typedef {import("./session.js").SavedMark} SavedMark */
/** @typedef {import("./session.js").TextPart} TextPart */
/** @typedef {import("./session.js").Work} Work */
/** @typedef {import("./text_pane.js").CaseText} CaseText */

/**
 * @typedef {object} CaseValue
 * @property {string} id
 * @property {string} stem
 * @property {{ letter: string, text: string, tags: string }[]} options
 * @property {string} verdict
 * @property {string} verdict_label
 * @property {string} facts
 * @property {string} evaluated What becomes of a correction where an evaluation set has the question.
 * @property {string} source Address of the run.
 * @property {Record<TextPart, CaseText>} texts
 */

/** @typedef {{ case: CaseValue, neighbours: [string | null, string | null], work: Work }} OpenedCase */

const FINGER_MS = 400;
const SPOKEN_CHARACTERS = 200;
const BEGUN = "Save or cancel the current mark first.";

/**
 * What is missing before a mark can be saved.
 * @param {Mark} mark
 * @returns {import("./session.js").Problem | null}
 */
export function missingIn(mark) {
  if (!mark.labels.length) {
    return { field: "labels", message: "Choose at least one label: what kind of error is it?" };
  }
  return mark.severity ? null : { field: "severity", message: "Choose a severity." };
}

export class CasePane {
  #session;
  #part;
  #onSubmit;
  #panes;
  #painter;
  #list;
  #other = button("Use the selected words instead", () => this.#replaceSpan());
  /** @type {Partial<Mark>} */
  #selected = {};
  #opened = "";
  #isSaving = false;
  /** @type {HTMLElement | null} */
  #undo = null;
  /** @type {Work | null} */
  #work = null;
  /** The ids of the previous and next case. @type {[string | null, string | null]} */
  neighbours = [null, null];
  /** The id of the last shown case. */
  caseId = "";
  isShown = false;

  /**
   * @param {import("./session.js").Session} session
   * @param {() => void} onSubmit
   */
  constructor(session, onSubmit) {
    this.#session = session;
    this.#part = session.part;
    this.#onSubmit = onSubmit;
    const paneOf = (/** @type {TextPart} */ part) =>
      new TextPane(
        part,
        this.#part(part),
        (...selected) => this.#onSelect(...selected),
        (...opened) => this.#onText(...opened),
      );
    this.#panes = { thinking: paneOf("thinking"), answer: paneOf("answer") };
    this.#painter = new Painter(Object.values(this.#panes));
    this.form = new MarkForm(session, {
      onChange: () => this.draft.touch(),
      onSave: () => this.save(),
      onCancel: () => this.cancel(),
      onWhole: () => this.#begin({ part: "whole" }),
      onShow: (mark) => this.#painter.set("m1-pending", mark.part in this.#panes ? [mark] : []),
    });
    this.draft = new Draft(session, this.form);
    this.#other.hidden = true;
    this.form.quote.after(this.#other);
    this.#list = new MarkList(session, this.#acts());
    this.#watchSelection(session.signal);
  }

  /** @param {AbortSignal} signal */
  #watchSelection(signal) {
    let isDown = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let later;
    const read = () => {
      if (document.getSelection()?.isCollapsed) return;
      for (const pane of Object.values(this.#panes)) pane.readSelection();
    };
    const onDown = () => {
      isDown = true;
    };
    const onUp = () => {
      isDown = false;
      setTimeout(read);
    };
    document.addEventListener("pointerdown", onDown, { signal });
    document.addEventListener("pointerup", onUp, { signal });
    document.addEventListener("pointercancel", onUp, { signal });
    // Touch selections end without a pointer event; keyboard selections have already been read.
    const onChange = () => {
      clearTimeout(later);
      later = setTimeout(() => {
        if (!isDown && matchMedia("(pointer: coarse)").matches) read();
      }, FINGER_MS);
    };
    document.addEventListener("selectionchange", onChange, { signal });
  }

  /** @param {import("./session.js").Taxonomy} taxonomy */
  offer(taxonomy) {
    this.form.offer(taxonomy);
    this.#part("legend").replaceChildren(...legend(taxonomy.severities));
  }

  /** @param {string} part */
  #paneOf(part) {
    return part === "thinking" || part === "answer" ? this.#panes[part] : null;
  }

  /** @param {OpenedCase} opened */
  show({ case: value, neighbours, work }) {
    this.caseId = value.id;
    this.neighbours = neighbours;
    for (const pane of Object.values(this.#panes)) {
      pane.show(value.texts[pane.part]);
    }
    this.#showHead(value);
    this.#other.hidden = true;
    this.form.fill(null);
    this.#takeWork(work);
    const typed = this.draft.open(value.id, work.draft);
    if (!typed) return;
    this.form.fill(typed, true);
    this.form.state.textContent = "Your draft has been restored.";
  }

  /** @param {CaseValue} value */
  #showHead(value) {
    this.#part("stem").textContent = value.stem;
    const options = value.options.map(({ letter, text, tags }) => {
      const row = node("li", "m1-option");
      row.append(node("span", "m1-letter", letter), node("span", "m1-option-text", text));
      row.append(node("span", "m1-tags", tags));
      return row;
    });
    this.#part("options").replaceChildren(...options);
    this.#part("verdict").textContent = value.verdict_label;
    this.#part("verdict").dataset.verdict = value.verdict;
    this.#part("facts").textContent = value.facts;
    say(this.#part("evaluated"), value.evaluated);
    this.#part("source", HTMLAnchorElement).href = value.source;
    this.#part("edit", HTMLAnchorElement).href = `/thinking/?case=${value.id}`;
    this.#part("previous", HTMLButtonElement).disabled = !this.neighbours[0];
    this.#part("next", HTMLButtonElement).disabled = !this.neighbours[1];
  }

  /** @param {Work} work */
  #takeWork(work) {
    this.#work = work;
    this.#list.show(work);
    const fresh = (/** @type {SavedMark[]} */ marks) => marks.filter((mark) => !mark.is_stale);
    const suggested = work.suggestions.map((each) => each.mark);
    this.#painter.marks(fresh(work.own), fresh(work.others), fresh(suggested));
    this.#painter.set("m1-pending", this.#paneOf(this.form.mark.part) ? [this.form.mark] : []);
  }

  /**
   * Starts a mark at the place named in the address.
   * @param {{ part: TextPart, start: number, end: number }} place In code points.
   */
  preselect({ part, start, end }) {
    const pane = this.#panes[part];
    const [from, to] = [Math.max(0, start), Math.min(end, pane.length)];
    if (from >= to) return;
    pane.jump(from, to);
    this.#onSelect(part, from, to);
  }

  /**
   * @param {TextPart} part
   * @param {number} start
   * @param {number} end
   */
  #onSelect(part, start, end) {
    const pane = this.#panes[part];
    const span = { part, start, end, exact: pane.quote(start, end), text_sha256: pane.hash };
    this.#part("spoken").textContent = `Selected: ${span.exact.slice(0, SPOKEN_CHARACTERS)}`;
    const { id, part: now } = this.form.mark;
    if (id || now === "whole") {
      this.#selected = span;
      this.#other.hidden = false;
      return;
    }
    this.form.place(span);
  }

  #replaceSpan() {
    this.#other.hidden = true;
    this.form.place(this.#selected);
  }

  /** @param {Partial<Mark>} values */
  #begin(values) {
    if (!this.#isFree()) return;
    this.form.fill({ labels: [...this.form.palette.chosen], ...values });
    this.form.changed();
  }

  #isFree() {
    if (!this.form.isDirty) return true;
    this.#session.problem(this.form.root, { field: "case", message: BEGUN });
    return false;
  }

  /**
   * A click into a text opens a mark there.
   * @param {TextPart} part
   * @param {number} at
   */
  #onText(part, at) {
    const marks = [...(this.#work?.own ?? []), ...(this.#work?.others ?? [])];
    const here = marks.filter(
      ({ part: its, is_stale: isStale, start, end }) =>
        its === part && !isStale && start !== null && end !== null && start <= at && at < end,
    );
    const mark = nextToOpen(here, this.#opened);
    if (!mark) {
      if (this.form.isOpen && !this.form.isDirty && this.form.mark.part !== "whole") this.cancel();
      return;
    }
    this.#opened = mark.id;
    this.#list.flash(mark.id);
    this.#painter.flash(mark);
    if (mark.annotator === this.#session.name && !this.form.isDirty) this.form.fill(mark);
  }

  /** @param {SavedMark} mark */
  #jump(mark) {
    if (mark.start === null || mark.end === null || mark.is_stale) return;
    this.#paneOf(mark.part)?.jump(mark.start, mark.end);
    this.#painter.flash(mark);
  }

  cancel() {
    const values = this.form.isDirty ? this.form.read() : null;
    this.form.fill(null);
    this.#other.hidden = true;
    this.#session.problem(null, null);
    this.draft.clear();
    document.getSelection()?.removeAllRanges();
    this.#undo?.remove();
    if (!values) return;
    this.#undo = button("Restore the cancelled draft", () => {
      this.#undo?.remove();
      this.form.fill(values, true);
      this.form.changed();
    });
    this.form.hint.after(this.#undo);
  }

  async save() {
    if (!this.form.isOpen || this.#isSaving || !this.#session.isNamed()) return;
    const values = this.form.read();
    const missing = missingIn(values);
    this.#session.problem(this.form.root, missing);
    if (missing) return;
    this.#isSaving = true;
    this.form.root.inert = true;
    const reply = await this.#session.ask("save", { case: this.caseId, values });
    this.#isSaving = false;
    this.form.root.inert = false;
    if (reply.conflict) this.#showConflict(reply.conflict);
    else if (reply.error) this.#session.problem(this.form.root, reply.error);
    else this.#onSaved(reply, values.part);
  }

  /**
   * @param {{ work: Work, saved: string }} reply
   * @param {string} part
   */
  #onSaved({ work, saved }, part) {
    this.#undo?.remove();
    this.#other.hidden = true;
    this.form.fill(null);
    this.draft.clear();
    document.getSelection()?.removeAllRanges();
    this.#takeWork(work);
    this.#list.flash(saved);
    this.#paneOf(part)?.root.focus({ preventScroll: true });
  }

  /** @param {import("./mark_form.js").Conflict} conflict */
  #showConflict(conflict) {
    const { current } = conflict;
    this.form.showConflict(
      conflict,
      () => {
        this.form.fill(current, true);
        this.form.changed();
      },
      () => {
        this.form.mark.revision = current.revision;
        this.form.conflict.hidden = true;
        this.save();
      },
    );
  }

  /**
   * Sends a list button's action; the reply replaces the marks.
   * @param {string} action
   * @param {object} values
   * @param {Element | null} [scope] Where a problem is shown.
   */
  async #done(action, values, scope = null) {
    if (!this.#session.isNamed()) return false;
    const reply = await this.#session.ask(action, { case: this.caseId, ...values });
    this.#session.problem(scope, reply.error);
    if (reply.error) return false;
    this.#takeWork(reply.work);
    return true;
  }

  /** @returns {import("./mark_list.js").MarkActs} */
  #acts() {
    return {
      jump: (mark) => this.#jump(mark),
      edit: (mark) => {
        if (this.#isFree()) this.#edit(mark, mark);
      },
      withdraw: async (mark) => {
        const isDone = await this.#done("withdraw", { annotation: mark.id, revision: mark.revision });
        if (isDone && this.form.mark.id === mark.id) this.cancel();
      },
      history: async (mark) => {
        const reply = await this.#session.ask("history", { annotation: mark.id });
        this.#session.problem(null, reply.error);
        return reply.revisions;
      },
      accept: ({ key, mark }) => {
        if (!this.#isFree()) return;
        this.#edit(mark, { ...mark, id: "", revision: 0, suggestion_key: key });
        this.form.changed();
      },
      reject: ({ key }) => this.#done("reject", { key }),
      submit: () => this.#submit(),
      isEditing: () => this.form.isDirty,
      agree: (mark) => this.#done("agree", { annotation: mark.id }),
      judge: (form, action, mark, values) => this.#done(action, { annotation: mark.id, ...values }, form),
    };
  }

  /**
   * @param {SavedMark} mark
   * @param {Mark} values
   */
  #edit(mark, values) {
    this.#jump(mark);
    this.form.fill(values);
    this.form.root.scrollIntoView({ block: "nearest" });
  }

  #submit() {
    if (this.form.isDirty) {
      this.#session.problem(this.#part("submit"), { field: "submit", message: BEGUN });
      return;
    }
    if (!this.#session.isNamed()) return;
    this.draft.flush();
    this.#onSubmit();
  }

  /** Whether a saved mark of the case has a corrected fact. */
  get hasCorrection() {
    return Boolean(this.#work?.own.some((mark) => mark.corrected_fact));
  }

  /** The address of the run whose answer the case is. */
  get source() {
    return this.#part("source", HTMLAnchorElement).getAttribute("href") ?? "";
  }

  /** As a press of the button, which asks again if there are no marks. */
  pressSubmit() {
    this.#part("submit").querySelector("button")?.click();
  }

  /** The arrow keys then select in the thinking. */
  focusText() {
    this.#panes.thinking.root.focus({ preventScroll: true });
  }
}
