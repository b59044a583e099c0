// A stored thinking whose stretches can be chosen, and the form that has one rewritten and gone on from.
import { selectedSpan } from "../probe/selection.js";
import { node, partsOf, say, setText } from "../shell/elements.js";
import { number } from "../shell/words.js";
import { heats } from "./heat.js";

/**
 * @typedef {object} Piece
 * @property {number} start In code points of the thinking.
 * @property {number} end
 * @property {number | null} sentence Number of the sentence that it is in; null between sentences.
 * @property {string} kind "wait", "edit", or empty for what the model wrote.
 */

/**
 * @typedef {object} EditorValue
 * @property {string} [problem]
 * @property {string} [field] The input that the problem is about.
 * @property {boolean} [may_run_anyway]
 * @property {string} [started] Id of the trace that has begun.
 * @property {string} [case]
 * @property {number} [start]
 * @property {number} [end]
 * @property {string} [question]
 * @property {string[]} [options]
 * @property {string} [verdict_label]
 * @property {string} [model]
 * @property {string} [text]
 * @property {Piece[]} [pieces]
 * @property {(number | null)[]} [changes] Of the answered letter's probability over each sentence, from -1 to 1.
 * @property {[characters: number, tokens: number][]} [tokens] Up to the end of each segment.
 * @property {number} [budget]
 * @property {number | null} [seed]
 * @property {boolean} [is_greedy]
 * @property {number} [most_characters]
 * @property {string} [case_link]
 * @property {string} [trace_link]
 */

const BEFORE = 300;
const AFTER = 160;

/**
 * About how many tokens come before a place: within a segment, tokens are taken to be equally long.
 * @param {[characters: number, tokens: number][]} ends
 * @param {number} place In code points.
 */
export function tokensBefore(ends, place) {
  for (let i = 1; i < ends.length; i += 1) {
    const [[from, before], [to, after]] = [ends[i - 1], ends[i]];
    if (place <= to) return Math.round(before + ((after - before) * (place - from)) / Math.max(1, to - from));
  }
  return ends.at(-1)?.[1] ?? 0;
}

/**
 * The sentence next to a place: the one that it is in, or the next one in a direction.
 * @param {Piece[]} pieces
 * @param {number | null} from Start of the chosen stretch; null for none.
 * @param {1 | -1} step
 * @returns {[start: number, end: number] | null}
 */
export function sentenceBeside(pieces, from, step) {
  /** @type {Map<number, [number, number]>} */
  const spans = new Map();
  for (const { sentence, start, end } of pieces) {
    if (sentence === null) continue;
    const known = spans.get(sentence);
    spans.set(sentence, known ? [known[0], end] : [start, end]);
  }
  const all = [...spans.values()];
  if (from === null) return all[0] ?? null;
  if (step > 0) return all.find(([start]) => start > from) ?? null;
  return all.findLast(([start]) => start < from) ?? null;
}

class Editor {
  #part;
  #form;
  #trigger;
  /** @type {EditorValue} */
  #value = {};
  /** @type {string[]} The text's code points. */
  #points = [];
  /** @type {[start: number, end: number] | null} */
  #chosen = null;
  /** What the box was filled with: something else was typed. */
  #filled = "";

  /** @param {import("../shell/elements.js").Host} host */
  constructor({ element, trigger, signal }) {
    this.#part = partsOf(element);
    this.#form = this.#part("form", HTMLFormElement);
    this.#trigger = trigger;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start(false);
    });
    this.#form.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.#start(false);
    });
    this.#form.addEventListener("input", () => {
      this.#part("anyway").hidden = true;
    });
    this.#part("anyway").addEventListener("click", () => this.#start(true));
    this.#part("text").addEventListener("keydown", (event) => this.#onKey(event));
    this.#part("text").addEventListener("pointerup", () => setTimeout(() => this.#readSelection()));
    document.addEventListener(
      "m1-edit-sentence",
      (event) => {
        const { start, end } = /** @type {CustomEvent} */ (event).detail;
        this.choose([start, end], true);
      },
      { signal },
    );
  }

  /** @param {string} name */
  #box(name) {
    const found = this.#form.elements.namedItem(name);
    if (found instanceof HTMLInputElement || found instanceof HTMLTextAreaElement) return found;
    throw new Error(`The form has no input ${name}.`);
  }

  /** @param {boolean} anyway */
  #start(anyway) {
    const start = this.#part("start", HTMLButtonElement);
    if (!this.#chosen || start.disabled) return;
    start.disabled = true;
    const [from, to] = this.#chosen;
    const { value: text } = this.#box("text");
    this.#trigger("start", {
      case: this.#value.case,
      start: from,
      end: to,
      text,
      seed: this.#box("seed").value,
      anyway,
    });
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const step = event.key === "ArrowDown" ? 1 : -1;
    const found = sentenceBeside(this.#value.pieces ?? [], this.#chosen?.[0] ?? null, step);
    if (!found) return;
    event.preventDefault();
    this.choose(found);
  }

  #readSelection() {
    const selection = document.getSelection();
    const pane = this.#part("text");
    if (!selection?.rangeCount || !pane.contains(selection.anchorNode)) return;
    if (selection.isCollapsed) {
      const piece = selection.anchorNode?.parentElement?.closest("[data-sentence]");
      if (piece instanceof HTMLElement) this.#chooseSentence(Number(piece.dataset.sentence));
      return;
    }
    const span = selectedSpan(pane, this.#value.text ?? "");
    if (span) this.choose([span.start, span.end]);
  }

  /** @param {number} sentence */
  #chooseSentence(sentence) {
    const own = (this.#value.pieces ?? []).filter((each) => each.sentence === sentence);
    const [first, last] = [own.at(0), own.at(-1)];
    if (first && last) this.choose([first.start, last.end]);
  }

  /**
   * @param {[start: number, end: number]} span
   * @param {boolean} [isAsked] Whether to go to the form.
   */
  choose(span, isAsked = false) {
    this.#chosen = span;
    const [start, end] = span;
    const text = (/** @type {number} */ from, /** @type {number} */ to) => this.#points.slice(from, to).join("");
    this.#part("none").hidden = true;
    this.#part("chosen").hidden = false;
    setText(
      this.#part("before"),
      `${start > BEFORE ? "…" : ""}${text(Math.max(0, start - BEFORE), start)}`.trimStart(),
    );
    setText(this.#part("replaced"), text(start, end));
    setText(this.#part("dropped"), `${text(end, end + AFTER)}${end + AFTER < this.#points.length ? "…" : ""}`);
    const used = tokensBefore(this.#value.tokens ?? [], start);
    const budget = this.#value.budget ?? 0;
    setText(
      this.#part("left"),
      `The struck-out text is replaced, and everything after it is discarded. About ${number(used)} of ${number(budget)} tokens come before it, which leaves about ${number(Math.max(0, budget - used))} for your text and what follows.`,
    );
    const box = this.#box("text");
    if (box.value === this.#filled) {
      this.#filled = text(start, end);
      box.value = this.#filled;
    }
    for (const piece of this.#part("text").querySelectorAll("span")) {
      const at = Number(piece.dataset.start);
      piece.classList.toggle("is-chosen", start < end && at < end && Number(piece.dataset.end) > start);
    }
    const first = this.#part("text").querySelector(".is-chosen");
    first?.scrollIntoView({ block: "nearest" });
    say(this.#part("problem"), "");
    if (isAsked) box.focus();
  }

  /** @param {EditorValue} value */
  show(value) {
    if (value.started) {
      window.location.assign(`/?trace=${value.started}`);
      return;
    }
    if (value.text !== undefined) this.#fill(value);
    this.#part("work").hidden = !this.#value.case;
    this.#part("empty").hidden = Boolean(this.#value.case) || Boolean(value.problem);
    this.#part("start", HTMLButtonElement).disabled = false;
    this.#part("anyway").hidden = !value.may_run_anyway;
    for (const field of ["text", "seed"]) {
      this.#box(field).setAttribute("aria-invalid", String(Boolean(value.problem) && value.field === field));
    }
    say(this.#part("problem"), this.#chosen ? value.problem : "");
    say(this.#part("alone"), this.#chosen ? "" : value.problem);
  }

  /** @param {EditorValue} value */
  #fill(value) {
    const part = this.#part;
    this.#value = value;
    this.#points = [...(value.text ?? "")];
    setText(part("stem"), value.question);
    part("options").replaceChildren(...(value.options ?? []).map((each) => node("li", "", each)));
    setText(part("was"), `${value.model}. ${value.verdict_label}.`);
    part("trace", HTMLAnchorElement).href = value.trace_link ?? "/";
    part("case", HTMLAnchorElement).href = value.case_link ?? "/annotate/";
    const tints = heats(value.changes ?? []);
    part("text").replaceChildren(...(value.pieces ?? []).map((each) => this.#piece(each, tints)));
    this.#box("text").setAttribute("maxlength", String(value.most_characters ?? 20_000));
    this.#box("seed").value = value.seed === null || value.seed === undefined ? "" : String(value.seed);
    part("seed-field").hidden = Boolean(value.is_greedy);
    const [start, end] = [value.start ?? 0, value.end ?? 0];
    if (start < end) this.choose([start, end]);
  }

  /**
   * @param {Piece} piece
   * @param {import("./heat.js").Tint[]} tints
   */
  #piece({ start, end, sentence, kind }, tints) {
    const made = node("span", kind ? `is-${kind}` : "", this.#points.slice(start, end).join(""));
    made.dataset.start = String(start);
    made.dataset.end = String(end);
    if (sentence !== null) made.dataset.sentence = String(sentence);
    const tint = sentence === null ? undefined : tints[sentence];
    if (tint?.way) {
      made.dataset.way = tint.way;
      made.style.setProperty("--heat", tint.heat.toFixed(3));
    }
    if (kind === "wait") made.title = "Inserted to force another round of thinking";
    if (kind === "edit") made.title = "Written by a person";
    return made;
  }
}

/** @param {import("../shell/elements.js").Host} host */
export function mount(host) {
  const editor = new Editor(host);
  return (/** @type {EditorValue} */ value) => editor.show(value);
}
