// Selects a stretch of a text by keyboard: arrow keys go by word and by sentence; with Shift they extend; with Ctrl and
// Shift the end moves by a character.
import { nextSegment, nudged } from "./text_index.js";

/** @typedef {import("./text_index.js").Span} Span */

/**
 * @typedef {object} Selectable
 * @property {() => string} text
 * @property {() => Span[]} words
 * @property {() => Span[]} sentences
 * @property {(span: Span, focus: Span) => void} choose Selects a stretch; `focus` is the part of it that moved.
 */

/** @type {Record<string, "words" | "sentences">} */
const STEPS = { ArrowLeft: "words", ArrowRight: "words", ArrowUp: "sentences", ArrowDown: "sentences" };

export class KeyboardCaret {
  #of;
  /** @type {{ anchor: Span, focus: Span } | null} */
  #caret = null;

  /** @param {Selectable} of */
  constructor(of) {
    this.#of = of;
  }

  /** @param {Span | null} span Where the next step begins; null for the beginning of the text. */
  place(span) {
    this.#caret = span && { anchor: span, focus: span };
  }

  /** @param {KeyboardEvent} event */
  take(event) {
    const kind = STEPS[event.key];
    if (!kind || event.altKey || event.metaKey || (event.ctrlKey && !event.shiftKey)) return;
    event.preventDefault();
    const isForward = event.key === "ArrowRight" || event.key === "ArrowDown";
    if (event.ctrlKey) this.#nudge(isForward);
    else this.#step(kind, isForward, event.shiftKey);
  }

  /**
   * @param {"words" | "sentences"} kind
   * @param {boolean} isForward
   * @param {boolean} isExtending
   */
  #step(kind, isForward, isExtending) {
    const next = nextSegment(this.#of[kind](), this.#caret?.focus ?? [0, 0], isForward);
    if (next) this.#choose({ anchor: (isExtending && this.#caret?.anchor) || next, focus: next });
  }

  /** @param {boolean} isForward */
  #nudge(isForward) {
    if (!this.#caret) return;
    const span = spanOf(this.#caret);
    const moved = nudged(this.#of.text(), span, isForward);
    if (moved[1] !== span[1]) this.#choose({ anchor: moved, focus: moved });
  }

  /** @param {{ anchor: Span, focus: Span }} caret */
  #choose(caret) {
    this.#caret = caret;
    this.#of.choose(spanOf(caret), caret.focus);
  }
}

/**
 * @param {{ anchor: Span, focus: Span }} caret
 * @returns {Span}
 */
function spanOf({ anchor, focus }) {
  return [Math.min(anchor[0], focus[0]), Math.max(anchor[1], focus[1])];
}
