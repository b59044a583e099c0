// Which stretch of a streamed text is selected. The pane shows lines as paragraphs, and begins some of its own: positions
// are counted without line breaks, which the text and the page have in different places.
import { KeyboardCaret } from "../shell/keyboard_caret.js";
import { sentencesOf, trimmed, wordsOf } from "../shell/text_index.js";

/** @typedef {import("../shell/text_index.js").Span} Span */

/**
 * Let a stretch of a pane be selected by keyboard, as on Annotate.
 * @param {HTMLElement} pane
 * @param {() => boolean} isReady Whether its text is whole; until then, arrow keys scroll.
 */
export function selectByKeyboard(pane, isReady) {
  let shown = new ShownText(pane);
  const caret = new KeyboardCaret({
    text: () => shown.text,
    words: () => wordsOf(shown.text),
    sentences: () => sentencesOf(shown.text),
    choose: (span, focus) => shown.select(span, focus),
  });
  pane.addEventListener("keydown", (event) => {
    if (!isReady()) return;
    const now = new ShownText(pane);
    if (now.text !== shown.text) caret.place(null);
    shown = now;
    caret.take(event);
  });
  pane.addEventListener("mouseup", () => {
    shown = new ShownText(pane);
    caret.place(shown.selected());
  });
}

/** What a pane shows now, a line break between its paragraphs. */
class ShownText {
  /** @type {{ at: number, text: Text }[]} */
  #places = [];
  text = "";

  /** @param {HTMLElement} pane */
  constructor(pane) {
    for (const line of pane.children) {
      const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
      for (let found = walker.nextNode(); found; found = walker.nextNode()) {
        const text = /** @type {Text} */ (found);
        this.#places.push({ at: this.text.length, text });
        this.text += text.data;
      }
      this.text += "\n";
    }
  }

  /**
   * @param {number} units
   * @returns {[container: Text, offset: number] | null}
   */
  #place(units) {
    const found = this.#places.findLast(({ at }) => at <= units);
    return found ? [found.text, Math.min(units - found.at, found.text.length)] : null;
  }

  /**
   * @param {Span} span
   * @param {Span} focus
   */
  select(span, focus) {
    const [start, end, moved] = [this.#place(span[0]), this.#place(span[1]), this.#place(focus[0])];
    if (!start || !end) return;
    document.getSelection()?.setBaseAndExtent(...start, ...end);
    moved?.[0].parentElement?.scrollIntoView({ block: "nearest" });
  }

  /** What is selected of it; null if nothing is. */
  selected() {
    const selection = document.getSelection();
    if (!selection?.rangeCount || selection.isCollapsed) return null;
    const range = selection.getRangeAt(0);
    const start = this.#places.find(({ text }) => text === range.startContainer);
    const end = this.#places.find(({ text }) => text === range.endContainer);
    return start && end ? trimmed(this.text, [start.at + range.startOffset, end.at + range.endOffset]) : null;
  }
}

/**
 * The selected stretch in code points of the text; null if nothing in the pane is selected.
 * @param {HTMLElement} pane
 * @param {string} text
 */
export function selectedSpan(pane, text) {
  const selection = document.getSelection();
  if (!selection || selection.isCollapsed || !selection.rangeCount) return null;
  const range = selection.getRangeAt(0);
  if (!pane.contains(range.startContainer) || !pane.contains(range.endContainer)) return null;
  const before = document.createRange();
  before.selectNodeContents(pane);
  before.setEnd(range.startContainer, range.startOffset);
  return spanOf(text, before.toString(), range.toString());
}

/**
 * @param {string} text
 * @param {string} before What the page shows before the selection.
 * @param {string} selected
 */
export function spanOf(text, before, selected) {
  const bare = (/** @type {string} */ part) => part.replaceAll("\n", "").length;
  const length = bare(selected);
  if (!length) return null;
  const start = placeOf(text, bare(before));
  const end = placeOf(text, bare(before) + length - 1) + 1;
  return { start: codePoints(text, start), end: codePoints(text, end) };
}

/**
 * The place of a character, counted without line breaks.
 * @param {string} text
 * @param {number} count
 */
function placeOf(text, count) {
  let left = count;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === "\n") continue;
    if (left === 0) return at;
    left -= 1;
  }
  return text.length - 1;
}

/**
 * @param {string} text
 * @param {number} units
 */
const codePoints = (text, units) => [...text.slice(0, units)].length;
