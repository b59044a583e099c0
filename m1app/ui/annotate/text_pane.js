// A text that can be marked: shown exactly (with its line ends), selected by mouse or by keyboard, and painted over.
import { node } from "../shell/elements.js";
import { KeyboardCaret } from "../shell/keyboard_caret.js";
import { TextIndex, trimmed, wholeWords, wordsOf } from "../shell/text_index.js";

/** @typedef {import("../shell/text_index.js").Span} Span */
/** @typedef {import("./session.js").TextPart} TextPart */

/**
 * @typedef {object} CaseText
 * @property {string} text
 * @property {[start: number, end: number][]} waits In code points.
 * @property {[start: number, end: number][]} edits What a person wrote into the thinking, in code points.
 * @property {[start: number, end: number][]} sentences In code points.
 * @property {string} sha256
 */

export class TextPane {
  #onSelect;
  #onOpen;
  #text = "";
  /** @type {Span[]} */
  #waits = [];
  /** @type {Span[]} */
  #edits = [];
  /** Where each text node begins. @type {{ at: number, text: Text }[]} */
  #places = [];
  /** @type {Span[] | null} */
  #words = null;
  /** @type {Span[]} */
  #sentences = [];
  #caret;
  /** What was selected last, by whichever means. @type {Span | null} */
  #chosen = null;
  hash = "";
  index = new TextIndex("");

  /**
   * @param {TextPart} part
   * @param {HTMLElement} root
   * @param {(part: TextPart, start: number, end: number) => void} onSelect In code points.
   * @param {(part: TextPart, at: number) => void} onOpen A click into the text.
   */
  constructor(part, root, onSelect, onOpen) {
    this.part = part;
    this.root = root;
    this.#onSelect = onSelect;
    this.#onOpen = onOpen;
    this.#caret = new KeyboardCaret({
      text: () => this.#text,
      words: () => this.#allWords(),
      sentences: () => this.#sentences,
      choose: (span, focus) => this.#choose(span, focus),
    });
    root.addEventListener("keydown", (event) => this.#caret.take(event));
    root.addEventListener("click", (event) => this.#onClick(event));
    // The browser would copy what is displayed instead of the exact text.
    root.addEventListener("copy", (event) => {
      const found = this.#selected();
      if (!found) return;
      event.preventDefault();
      event.clipboardData?.setData("text/plain", this.#text.slice(...found));
    });
  }

  /** Its length in code points. */
  get length() {
    return this.index.points(this.#text.length);
  }

  /** @param {CaseText} value */
  show({ text, waits, edits, sentences, sha256 }) {
    this.#text = text;
    this.hash = sha256;
    this.index = new TextIndex(text);
    /** @type {(spans: [number, number][]) => Span[]} */
    const inUnits = (spans) => spans.map(([start, end]) => [this.index.units(start), this.index.units(end)]);
    this.#waits = inUnits(waits);
    this.#edits = inUnits(edits);
    this.#words = null;
    this.#chosen = null;
    this.#sentences = inUnits(sentences);
    this.#places = [];
    this.#caret.place(null);
    const lines = text.match(/[^\n]*\n|[^\n]+$/g) || [];
    let at = 0;
    const paragraphs = lines.map((line) => {
      const made = node("p");
      this.#fill(made, at, at + line.length);
      at += line.length;
      return made;
    });
    this.root.replaceChildren(...paragraphs);
    this.root.scrollTop = 0;
  }

  /**
   * A line keeps its "
   * " and "\r", so that the page has the exact text.
   * @param {HTMLElement} line
   * @param {number} start
   * @param {number} end
   */
  #fill(line, start, end) {
    for (let at = start; at < end; ) {
      const from = at;
      const isHere = (/** @type {Span} */ [first, last]) => first <= from && from < last;
      const [wait, edit] = [this.#waits.find(isHere), this.#edits.find(isHere)];
      const edges = [...this.#waits, ...this.#edits].flat().filter((edge) => edge > from);
      at = Math.min(end, ...edges);
      const text = document.createTextNode(this.#text.slice(from, at));
      this.#places.push({ at: from, text });
      if (!wait && !edit) {
        line.append(text);
        continue;
      }
      const className = wait ? (at === wait[1] ? "m1-wait" : "m1-wait is-going-on") : "m1-edit";
      const run = node(wait ? "span" : "ins", className);
      run.title = wait ? "Inserted to force another round of thinking" : "Written by a person";
      run.append(text);
      line.append(run);
    }
  }

  /**
   * @param {number} units
   * @returns {[container: Node, offset: number]}
   */
  #place(units) {
    let [low, high] = [0, this.#places.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#places[middle].at <= units) low = middle;
      else high = middle - 1;
    }
    const found = this.#places[low];
    return found ? [found.text, Math.min(units - found.at, found.text.length)] : [this.root, 0];
  }

  /**
   * @param {number} start In code points.
   * @param {number} end
   */
  range(start, end) {
    const [startContainer, startOffset] = this.#place(this.index.units(start));
    const [endContainer, endOffset] = this.#place(this.index.units(end));
    return new StaticRange({ startContainer, startOffset, endContainer, endOffset });
  }

  /**
   * @param {Node} container
   * @param {number} offset
   */
  #unitsOf(container, offset) {
    const known = this.#places.find(({ text }) => text === container);
    if (known) return known.at + offset;
    // Between elements: the first text after that point.
    const next = container.childNodes[offset];
    if (!next) {
      const inside = this.#places.findLast(({ text }) => container.contains(text));
      return inside ? inside.at + inside.text.length : 0;
    }
    const first = this.#places.find(({ text }) => next.contains(text));
    return first ? first.at : this.#text.length;
  }

  /** The browser's selection in this text, trimmed; null if empty. */
  #selected() {
    const selection = document.getSelection();
    if (!selection?.rangeCount || selection.isCollapsed || !this.root.contains(selection.anchorNode)) return null;
    const { startContainer, startOffset, endContainer, endOffset } = selection.getRangeAt(0);
    const start = this.root.contains(startContainer) ? this.#unitsOf(startContainer, startOffset) : 0;
    const end = this.root.contains(endContainer) ? this.#unitsOf(endContainer, endOffset) : this.#text.length;
    return trimmed(this.#text, [start, end]);
  }

  #allWords() {
    this.#words ??= wordsOf(this.#text);
    return this.#words;
  }

  /** Takes over what mouse or finger has selected: whole words. */
  readSelection() {
    const found = this.#selected();
    if (!found) return;
    // What the keyboard has selected may end within a word, and a click elsewhere reads it again.
    const isKnown = isSame(found, this.#chosen && trimmed(this.#text, this.#chosen));
    const span = isKnown ? found : wholeWords(this.#text, this.#allWords(), found);
    if (!isSame(span, found)) this.#select(span);
    this.#chosen = span;
    this.#caret.place(span);
    this.#onSelect(this.part, ...this.index.pointsOf(span));
  }

  /** @param {Span} span */
  #select(span) {
    document.getSelection()?.setBaseAndExtent(...this.#place(span[0]), ...this.#place(span[1]));
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    if (!document.getSelection()?.isCollapsed) return;
    const at = caretAt(event.clientX, event.clientY);
    if (!at) return;
    const units = this.#unitsOf(...at);
    this.#caret.place([units, units]);
    this.#onOpen(this.part, this.index.points(units));
  }

  /**
   * @param {Span} span
   * @param {Span} focus
   */
  #choose(span, focus) {
    this.#chosen = span;
    this.#select(span);
    this.#scrollTo(focus[0]);
    this.#onSelect(this.part, ...this.index.pointsOf(span));
  }

  /** @param {number} units */
  #scrollTo(units) {
    this.#place(units)[0].parentElement?.scrollIntoView({ block: "nearest" });
  }

  /**
   * @param {number} start In code points.
   * @param {number} end
   */
  jump(start, end) {
    /** @type {Span} */
    const units = [this.index.units(start), this.index.units(end)];
    this.#caret.place(units);
    this.#scrollTo(units[0]);
    // A line can be longer than the window.
    const made = document.createRange();
    made.setStart(...this.#place(units[0]));
    made.setEnd(...this.#place(units[1]));
    const [box, frame] = [made.getBoundingClientRect(), this.root.getBoundingClientRect()];
    this.root.scrollTop += box.top - frame.top - frame.height / 3;
  }

  /**
   * @param {number} start In code points.
   * @param {number} end
   */
  quote(start, end) {
    return this.#text.slice(this.index.units(start), this.index.units(end));
  }
}

/**
 * @param {Span} one
 * @param {Span | null} other
 */
const isSame = (one, other) => one[0] === other?.[0] && one[1] === other[1];

/**
 * @param {number} x
 * @param {number} y
 * @returns {[container: Node, offset: number] | null}
 */
function caretAt(x, y) {
  if (typeof document.caretPositionFromPoint === "function") {
    const at = document.caretPositionFromPoint(x, y);
    return at && [at.offsetNode, at.offset];
  }
  const range = document.caretRangeFromPoint(x, y);
  return range && [range.startContainer, range.startOffset];
}
