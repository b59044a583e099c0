// A text that can be marked: shown exactly (with its line ends), selected by mouse or by keyboard, and painted over.
import { node } from "../shell/elements.js";
import { nextSegment, nudged, TextIndex, trimmed, wordsOf } from "./text_index.js";

/** @typedef {import("./text_index.js").Span} Span */
/** @typedef {import("./session.js").TextPart} TextPart */
/** @typedef {{ anchor: Span, focus: Span }} Caret */

/**
 * @typedef {object} CaseText
 * @property {string} text
 * @property {[start: number, end: number][]} waits In code points.
 * @property {[start: number, end: number][]} sentences In code points.
 * @property {string} sha256
 */

/** @type {Record<string, "word" | "sentence">} */
const STEPS = { ArrowLeft: "word", ArrowRight: "word", ArrowUp: "sentence", ArrowDown: "sentence" };

export class TextPane {
  #onSelect;
  #onOpen;
  #text = "";
  /** @type {Span[]} */
  #waits = [];
  /** Where each text node begins. @type {{ at: number, text: Text }[]} */
  #places = [];
  /** @type {Span[] | null} */
  #words = null;
  /** @type {Span[]} */
  #sentences = [];
  /** @type {Caret | null} */
  #caret = null;
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
    root.addEventListener("keydown", (event) => this.#onKey(event));
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
  show({ text, waits, sentences, sha256 }) {
    this.#text = text;
    this.hash = sha256;
    this.index = new TextIndex(text);
    /** @type {(spans: [number, number][]) => Span[]} */
    const inUnits = (spans) => spans.map(([start, end]) => [this.index.units(start), this.index.units(end)]);
    this.#waits = inUnits(waits);
    this.#words = null;
    this.#sentences = inUnits(sentences);
    this.#places = [];
    this.#caret = null;
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
      const wait = this.#waits.find(([first, last]) => first <= from && from < last);
      const edges = this.#waits.flat().filter((edge) => edge > from);
      at = Math.min(end, ...edges);
      const text = document.createTextNode(this.#text.slice(from, at));
      this.#places.push({ at: from, text });
      if (!wait) {
        line.append(text);
        continue;
      }
      const run = node("span", at === wait[1] ? "m1-wait" : "m1-wait is-going-on");
      run.title = "Inserted to force another round of thinking";
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

  readSelection() {
    const found = this.#selected();
    if (!found) return;
    this.#caret = { anchor: found, focus: found };
    this.#onSelect(this.part, ...this.index.pointsOf(found));
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    if (!document.getSelection()?.isCollapsed) return;
    const at = caretAt(event.clientX, event.clientY);
    if (!at) return;
    const units = this.#unitsOf(...at);
    this.#caret = { anchor: [units, units], focus: [units, units] };
    this.#onOpen(this.part, this.index.points(units));
  }

  /**
   * Arrow keys go by word and by sentence; with Shift they extend; with Ctrl and Shift the end moves by a character.
   * @param {KeyboardEvent} event
   */
  #onKey(event) {
    const kind = STEPS[event.key];
    if (!kind || event.altKey || event.metaKey || (event.ctrlKey && !event.shiftKey)) return;
    event.preventDefault();
    const isForward = event.key === "ArrowRight" || event.key === "ArrowDown";
    if (event.ctrlKey) this.#nudge(isForward);
    else this.#step(kind, isForward, event.shiftKey);
  }

  /**
   * @param {"word" | "sentence"} kind
   * @param {boolean} isForward
   * @param {boolean} isExtending
   */
  #step(kind, isForward, isExtending) {
    if (kind === "word") this.#words ??= wordsOf(this.#text);
    const segments = (kind === "word" && this.#words) || this.#sentences;
    const next = nextSegment(segments, this.#caret?.focus ?? [0, 0], isForward);
    if (next) this.#choose({ anchor: (isExtending && this.#caret?.anchor) || next, focus: next });
  }

  /** @param {boolean} isForward */
  #nudge(isForward) {
    if (!this.#caret) return;
    const span = spanOf(this.#caret);
    const moved = nudged(this.#text, span, isForward);
    if (moved[1] !== span[1]) this.#choose({ anchor: moved, focus: moved });
  }

  /** @param {Caret} caret */
  #choose(caret) {
    this.#caret = caret;
    const span = spanOf(caret);
    document.getSelection()?.setBaseAndExtent(...this.#place(span[0]), ...this.#place(span[1]));
    this.#scrollTo(caret.focus[0]);
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
    this.#caret = { anchor: units, focus: units };
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
 * @param {Caret} caret
 * @returns {Span}
 */
function spanOf({ anchor, focus }) {
  return [Math.min(anchor[0], focus[0]), Math.max(anchor[1], focus[1])];
}

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
