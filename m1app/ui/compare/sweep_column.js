// One column: a cell's answer, and the thinking before it. It only appends, a paragraph per line; it is rewritten if the
// end of the column to its left changes. Away from the window, its thinking is one plain text.
import { button, node, setText } from "../shell/elements.js";
import { runsOf } from "./runs_of_text.js";

/** @typedef {import("./runs_of_text.js").Span} Span */

/**
 * @typedef {object} ColumnCell
 * @property {string} key "budget-rounds".
 * @property {number} budget
 * @property {number} rounds
 * @property {string} title
 * @property {string} cut Shared by cells that end at the same cut; empty until it is known.
 * @property {number | null} at Where its thinking ends, in UTF-16 code units; null until it is known.
 * @property {string} ended
 * @property {string} also
 * @property {string} verdict
 * @property {string} verdict_label
 * @property {string} basis What the letter rests on.
 * @property {string} answer
 * @property {string} case
 */

/**
 * The band that holds the column.
 * @typedef {{ choose: (key: string, isShown: boolean) => void, placePinned: () => void }} ColumnBand
 */

/** @type {Span} */
const NOTHING = [0, 0];
/** Paragraphs that are laid out together or not at all: to keep track of each would cost more than it saves. */
const LINES_IN_BLOCK = 32;

export class Column {
  #band;
  #isDrawn = false;
  /** @type {{ text: string, waits: Span[], end: number }} Shown last. */
  #shown = { text: "", waits: [], end: 0 };
  /** @type {Span} */
  #marked = NOTHING;
  #done = 0;
  #sharedEnd = 0;
  /** Where its thinking is scrolled to; to ask what is away from the window would lay it out. */
  #top = 0;
  /** @type {HTMLDivElement | null} */
  #block = null;
  /** @type {HTMLParagraphElement | null} */
  #line = null;
  /** @type {HTMLSpanElement | null} */
  #span = null;
  #verdict = node("span", "m1-verdict");
  #ended = node("span", "m1-ended m1-number");
  #answer = node("div", "m1-pane m1-fork");
  #annotate = node("a", "m1-annotate-link", "Annotate");
  #edit = node("a", "m1-annotate-link", "Edit and continue");
  isFollowing = true;

  /**
   * @param {ColumnBand} band
   * @param {ColumnCell} cell
   */
  constructor(band, cell) {
    this.#band = band;
    this.root = node("article", "m1-column");
    this.root.dataset.cell = cell.key;
    this.root.setAttribute("aria-label", cell.title);
    this.#answer.tabIndex = 0;
    this.#answer.setAttribute("role", "group");
    this.#answer.setAttribute("aria-label", `Answer, ${cell.title}`);
    this.pane = node("div", "m1-pane m1-prefix");
    this.pane.tabIndex = 0;
    this.pane.setAttribute("role", "group");
    this.pane.setAttribute("aria-label", `Thinking, ${cell.title}`);
    const noteTop = () => {
      if (this.#isDrawn) this.#top = this.pane.scrollTop;
    };
    this.pane.addEventListener("scroll", noteTop, { passive: true });
    const head = node("div", "m1-column-head");
    head.append(node("h3", "", cell.title), this.#buttons(cell));
    const result = node("div", "m1-column-result");
    result.append(this.#verdict, this.#ended);
    this.root.append(head, result, this.#answer, this.pane);
  }

  /** @param {ColumnCell} cell */
  #buttons(cell) {
    const row = node("span", "m1-column-buttons");
    row.append(this.#toggle("Widen", "is-wide", cell), this.#toggle("Pin", "is-pinned", cell));
    row.append(button("Hide", () => this.#band.choose(cell.key, false), `Hide: ${cell.title}`));
    this.#annotate.setAttribute("aria-label", `Annotate: ${cell.title}`);
    this.#edit.setAttribute("aria-label", `Edit and continue: ${cell.title}`);
    row.append(this.#annotate, this.#edit);
    return row;
  }

  /**
   * @param {string} name
   * @param {string} className
   * @param {ColumnCell} cell
   */
  #toggle(name, className, cell) {
    const act = () => {
      made.setAttribute("aria-pressed", String(this.root.classList.toggle(className)));
      this.#band.placePinned();
    };
    const made = button(name, act, `${name}: ${cell.title}`);
    made.setAttribute("aria-pressed", "false");
    return made;
  }

  /**
   * @param {ColumnCell} cell
   * @param {string} text
   * @param {Span[]} waits
   * @param {number} sharedEnd Where the column to the left ends.
   */
  update(cell, text, waits, sharedEnd) {
    setText(this.#verdict, cell.verdict_label);
    this.#verdict.dataset.verdict = cell.verdict;
    this.#verdict.title = cell.basis;
    setText(this.#ended, cell.ended);
    this.root.title = cell.also;
    setText(this.#answer, cell.answer);
    this.#annotate.hidden = !cell.case;
    this.#annotate.href = `/annotate/?case=${cell.case}`;
    this.#edit.hidden = !cell.case;
    this.#edit.href = `/thinking/?case=${cell.case}`;
    const end = cell.at ?? text.length;
    if (end < this.#done || (this.#isDrawn && sharedEnd !== this.#sharedEnd)) this.#restart();
    this.#sharedEnd = sharedEnd;
    this.#shown = { text, waits, end };
    this.#write();
  }

  /** Shows its thinking with what is shared, own and inserted. */
  draw() {
    if (this.#isDrawn) return;
    this.#isDrawn = true;
    this.#restart();
    this.#write();
    if (this.#top) this.pane.scrollTop = this.#top;
  }

  /** Shows its thinking as plain text, unless somebody has selected some of it or has the keyboard in it. */
  rest() {
    const selection = document.getSelection();
    const isSelected = selection && !selection.isCollapsed && selection.containsNode(this.root, true);
    if (isSelected || this.root.contains(document.activeElement)) return false;
    this.#isDrawn = false;
    this.#restart();
    this.#write();
    return true;
  }

  /** @param {number} top */
  scrollTo(top) {
    if (this.#isDrawn) this.pane.scrollTop = top;
    else this.#top = top;
  }

  /** @param {Span} marked Shown so that it is found at once. */
  mark(marked) {
    this.#marked = marked;
    this.draw();
    this.#restart();
    this.#write();
    this.pane.querySelector(".is-found")?.scrollIntoView({ block: "center" });
  }

  #restart() {
    this.#done = 0;
    this.pane.replaceChildren();
    this.#block = null;
    this.#line = null;
    this.#span = null;
  }

  /** Appends what is new. */
  #write() {
    const { text, waits, end } = this.#shown;
    if (end <= this.#done) return;
    if (this.#isDrawn) {
      const marks = { waits, sharedEnd: this.#sharedEnd, marked: this.#marked };
      for (const run of runsOf(text, [this.#done, end], marks)) this.#append(run);
    } else {
      this.#plain().appendData(text.slice(this.#done, end));
    }
    this.#done = end;
  }

  #openBlock() {
    if (!this.#block || this.#block.childElementCount >= LINES_IN_BLOCK) {
      this.#block = node("div", "m1-lines");
      this.pane.append(this.#block);
    }
    return this.#block;
  }

  /** The one text of a column that is not drawn. */
  #plain() {
    const { lastChild } = this.pane;
    if (lastChild instanceof Text) return lastChild;
    const made = document.createTextNode("");
    this.pane.append(made);
    return made;
  }

  /** @param {import("./runs_of_text.js").Run} run */
  #append({ text, kind, beginsWait }) {
    text.split("\n").forEach((part, i) => {
      if (!this.#line || i > 0 || beginsWait) {
        this.#line = node("p");
        this.#openBlock().append(this.#line);
        this.#span = null;
      }
      if (!part) return;
      if (this.#span?.className !== kind) {
        this.#span = node("span", kind);
        this.#line.append(this.#span);
      }
      const last = this.#span?.lastChild;
      if (last instanceof Text) last.appendData(part);
      else this.#span?.append(part);
    });
  }
}
