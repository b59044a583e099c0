// Below the question: what it is read as, and what could be made of it. Options that are certain move to their box when
// something was pasted, or the question is left; anything else waits for its button. Every change can be undone.
import { all, button, node, partsOf, say, setText } from "../shell/elements.js";
import { pasted } from "./clipboard_html.js";
import { firstWords, isBulk, isReplaced, isSame } from "./question_change.js";
import { QuestionDraft } from "./question_draft.js";
import { SetPanel } from "./set_panel.js";

/** @typedef {import("./question_change.js").Boxes} Boxes */
/** @typedef {import("./question_draft.js").Series} Series */

/**
 * @typedef {object} Offer
 * @property {"split" | "join" | "shares" | "keep shares" | "html" | "take letter" | "keep letter" | "several"} kind
 * @property {string} label
 * @property {Boxes[]} boxes One triple, or one for each question.
 * @property {import("./set_panel.js").SetOffer} [set] How several questions can be asked as a set, where the page does.
 */

/**
 * @typedef {object} PreviewValue
 * @property {string} [text] The question that it is about.
 * @property {string} [summary]
 * @property {Boxes | null} [split] The boxes once options and answer have left the question.
 * @property {Offer[]} [offers]
 * @property {"stored" | "chosen"} [filled] The boxes were filled in: with a stored question, or one that was chosen here.
 * @property {Boxes} [boxes] What they were filled with.
 * @property {import("./set_panel.js").Outcome} [outcome] What came of asking as a set.
 * @property {{ text: string, shown: string }} [formatted] A pasted text, and what its formatting shows; empty for no more.
 */

/** @typedef {HTMLTextAreaElement | HTMLInputElement} Box */

const NAMES = /** @type {const} */ (["question", "options", "target"]);
const LOOK_MS = 50;

class Preview {
  #element;
  #part;
  #prefix;
  #draft;
  /** @type {PreviewValue} */
  #value = {};
  /** @type {Boxes} */
  #known = ["", "", ""];
  #lastQuestion = "";
  #isWhole = false;
  /** Options or target were typed, not filled in. */
  #isTyped = false;
  #isSetting = false;
  #isWaiting = false;
  /** @type {Set<string>} Questions whose options a person put back. */
  #declined = new Set();
  /** @type {{ boxes: Boxes, label: string }[]} */
  #undo = [];
  /** @type {Series | null} */
  #series = null;
  /** @type {Set<string>} The boxes that may belong to the question before. */
  #doubted = new Set();
  #isFirstFill = true;
  /** The page was opened at the address of something that is stored, whose question fills the boxes. */
  #isStored = false;
  #done = "";
  /** @type {Offer | null} */
  #other = null;
  #sets;
  #trigger;
  /** A pasted text whose formatting is being read; nothing is moved until then. */
  #beingRead = "";

  /** @param {import("../shell/elements.js").Host} host */
  constructor({ element, trigger, signal }) {
    this.#element = element;
    this.#trigger = trigger;
    this.#part = partsOf(element);
    this.#sets = new SetPanel(this.#part("set"), this.#part("outcome"), (chosen) => trigger("ask_set", chosen));
    const id = element.closest("[id$='question-preview']")?.id ?? "question-preview";
    this.#prefix = id.slice(0, -"question-preview".length);
    this.#draft = new QuestionDraft(`m1-${this.#prefix}draft`);
    const options = { signal, capture: true };
    document.addEventListener("beforeinput", (event) => this.#onBeforeInput(event), options);
    document.addEventListener("paste", (event) => this.#onPaste(event), options);
    document.addEventListener("input", (event) => this.#onInput(event), options);
    document.addEventListener("focusin", (event) => this.#nameOf(event.target) && this.#look(), options);
    document.addEventListener("focusout", (event) => this.#onLeave(event), options);
    document.addEventListener("change", (event) => this.#onLeave(event), options);
    document.addEventListener("click", (event) => this.#onClick(event), options);
    window.addEventListener("pagehide", () => this.#draft.leave(this.#boxes), { signal });
    this.#open(signal);
  }

  /** @param {string} name */
  #box(name) {
    const found = document.querySelector(`#${this.#prefix}${name} textarea, #${this.#prefix}${name} input`);
    return found instanceof HTMLTextAreaElement || found instanceof HTMLInputElement ? found : null;
  }

  /** @returns {Boxes} */
  get #boxes() {
    const [question, options, target] = NAMES.map((name) => this.#box(name)?.value ?? "");
    return [question ?? "", options ?? "", target ?? ""];
  }

  /** @param {EventTarget | null} target */
  #nameOf(target) {
    return target instanceof HTMLElement ? NAMES.find((name) => this.#box(name) === target) : undefined;
  }

  /** @param {Boxes} boxes */
  #set(boxes) {
    this.#isSetting = true;
    NAMES.forEach((name, i) => {
      const box = this.#box(name);
      const text = boxes[i] ?? "";
      if (!box || box.value === text) return;
      box.value = text;
      box.dispatchEvent(new Event("input", { bubbles: true }));
    });
    this.#isSetting = false;
    this.#look();
    this.#keep();
  }

  /** Notes what the boxes hold before the next edit. */
  #look() {
    this.#known = this.#boxes;
    if (this.#known[0].trim()) this.#lastQuestion = this.#known[0];
  }

  #keep(others = {}) {
    if (this.#series) this.#series.questions[this.#series.index] = this.#boxes;
    this.#draft.keep(this.#boxes, { series: this.#series, ...others });
  }

  /** @param {Event} event */
  #onBeforeInput(event) {
    if (this.#nameOf(event.target) !== "question") return;
    const box = /** @type {Box} */ (event.target);
    const isAll = box.value.length > 0 && box.selectionStart === 0 && box.selectionEnd === box.value.length;
    this.#isWhole = isAll || !box.value.trim();
  }

  /**
   * The formatting of what takes the place of the whole question is read too: plain text loses the letters of lists.
   * @param {ClipboardEvent} event
   */
  #onPaste(event) {
    if (this.#nameOf(event.target) !== "question") return;
    const { text, html } = pasted(event.clipboardData);
    if (!html || !text.trim()) return;
    setTimeout(() => {
      if (this.#boxes[0].trim() !== text.trim()) return;
      this.#beingRead = this.#boxes[0];
      this.#trigger("formatted", { text: this.#boxes[0], html });
    });
  }

  /** @param {{ text: string, shown: string }} formatted */
  #onFormatted({ text, shown }) {
    if (this.#beingRead !== text) return;
    this.#beingRead = "";
    if (!shown || this.#boxes[0] !== text) return this.#split();
    this.#undo.push({ boxes: this.#boxes, label: "Undo" });
    this.#set([shown, this.#boxes[1], this.#boxes[2]]);
    this.#isWaiting = true;
    this.#paint();
  }

  /** @param {Event} event */
  #onInput(event) {
    const name = this.#nameOf(event.target);
    if (!name || this.#isSetting) return;
    const [before, now] = [this.#known, this.#boxes];
    if (name === "question") this.#onQuestion(before, now);
    else this.#onOther(name, now);
    if (name === "question") this.#sets.forget();
    this.#done = "";
    this.#look();
    this.#keep();
    this.#paint();
  }

  /**
   * @param {Boxes} before
   * @param {Boxes} now
   */
  #onQuestion(before, now) {
    const isOther = isReplaced(before[0].trim() ? before[0] : this.#lastQuestion, now[0], this.#isWhole);
    if (isBulk(before[0], now[0])) this.#isWaiting = true;
    this.#isWhole = false;
    if (!isOther || !(now[1].trim() || now[2].trim())) return;
    if (this.#isTyped) {
      this.#doubted = new Set(NAMES.filter((name, i) => name !== "question" && now[i]?.trim()));
      return;
    }
    this.#undo.push({ boxes: [before[0] || this.#lastQuestion, now[1], now[2]], label: "Undo" });
    this.#set([now[0], "", ""]);
  }

  /**
   * @param {string} name
   * @param {Boxes} now
   */
  #onOther(name, now) {
    this.#doubted.delete(name);
    this.#isTyped = Boolean(now[1].trim() || now[2].trim());
  }

  /** @param {Event} event */
  #onLeave(event) {
    if (this.#nameOf(event.target) !== "question") return;
    const to = event instanceof FocusEvent ? event.relatedTarget : null;
    // A button of the preview does what it says to the boxes as they are.
    if (to instanceof Node && this.#element.contains(to)) return;
    this.#isWaiting = true;
    this.#split();
  }

  /**
   * While it is open whose options and target these are, nothing runs.
   * @param {MouseEvent} event
   */
  #onClick(event) {
    const isRun = event.target instanceof Element && event.target.closest(`#${this.#prefix}run`);
    if (isRun && !this.#doubted.size) this.#draft.markAsked(this.#boxes);
    if (!isRun || !this.#doubted.size) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    all(this.#part("asking"), "button", HTMLButtonElement)[0]?.focus();
  }

  /** Moves options that are certain to their box, once. */
  #split() {
    const { text, split } = this.#value;
    const [question, options] = this.#boxes;
    if (!this.#isWaiting || text !== question || this.#beingRead === question) return;
    this.#isWaiting = false;
    if (!split || options.trim() || this.#declined.has(question)) return;
    // What was certain was done; this takes a part of it back.
    const other = this.#value.offers?.find((offer) => offer.kind === "keep shares") ?? null;
    this.#apply(split, this.#value.summary ?? "", other);
  }

  /**
   * @param {Boxes} boxes
   * @param {string} done What was done, in words.
   * @param {Offer | null} other What could have been done instead.
   */
  #apply(boxes, done, other = null) {
    this.#undo.push({ boxes: this.#boxes, label: "Undo" });
    this.#isTyped = false;
    this.#doubted.clear();
    this.#set(boxes);
    this.#done = done;
    this.#other = other;
    this.#paint();
  }

  #takeBack() {
    const last = this.#undo.pop();
    if (!last) return;
    this.#declined.add(last.boxes[0]);
    this.#isWaiting = false;
    this.#doubted.clear();
    this.#series = null;
    this.#done = "";
    this.#set(last.boxes);
    this.#paint();
    this.#box("question")?.focus();
  }

  /** @param {Offer} offer */
  #take(offer) {
    const first = offer.boxes[0];
    if (!first) return;
    this.#sets.forget();
    if (offer.kind === "several") this.#series = { questions: [...offer.boxes], index: 0 };
    this.#apply(first, "");
    this.#focusButton();
  }

  #focusButton() {
    const made = [
      ...all(this.#part("series"), "button", HTMLButtonElement),
      ...all(this.#part("buttons"), "button", HTMLButtonElement),
    ];
    made.find((each) => !each.disabled)?.focus();
  }

  /** @param {number} index */
  #turnTo(index) {
    if (!this.#series?.questions[index]) return;
    this.#keep();
    this.#series.index = index;
    this.#undo = [];
    this.#isTyped = false;
    this.#doubted.clear();
    this.#set(this.#series.questions[index]);
    this.#paint();
    this.#focusButton();
  }

  #endSeries() {
    this.#series = null;
    this.#keep();
    this.#paint();
    this.#box("question")?.focus();
  }

  /** @param {boolean} isCleared */
  #answer(isCleared) {
    const [question, options, target] = this.#boxes;
    const kept = (/** @type {string} */ name, /** @type {string} */ text) => (this.#doubted.has(name) ? "" : text);
    if (isCleared) this.#apply([question, kept("options", options), kept("target", target)], "");
    this.#doubted.clear();
    this.#isWaiting = isCleared;
    this.#split();
    this.#paint();
    this.#box("question")?.focus();
  }

  /**
   * Brings the draft back when the page opens.
   * @param {AbortSignal} signal
   */
  #open(signal) {
    const kept = this.#draft.kept;
    const query = new URLSearchParams(window.location.search);
    this.#isStored = query.has("trace") || query.has("sweep");
    const look = setInterval(() => {
      if (NAMES.some((name) => !this.#box(name))) return;
      clearInterval(look);
      if (!this.#isStored && kept && this.#boxes.every((text) => !text)) {
        this.#series = kept.series;
        this.#set(kept.boxes);
      }
      this.#look();
      this.#paint();
    }, LOOK_MS);
    signal.addEventListener("abort", () => clearInterval(look));
  }

  /**
   * The boxes were filled in by the app.
   * @param {"stored" | "chosen"} how
   * @param {Boxes} boxes
   */
  #onFilled(how, boxes) {
    const isFirst = this.#isFirstFill;
    this.#isFirstFill = false;
    this.#sets.forget();
    const kept = this.#draft.kept;
    const isHere = this.#isStored && isFirst && how === "stored" && kept?.at === window.location.search;
    const isBack = isHere && kept && (!kept.isAsked || isSame(kept.boxes, boxes));
    this.#undo = [];
    this.#isTyped = false;
    this.#doubted.clear();
    this.#isWaiting = false;
    this.#done = "";
    if (!isBack) this.#series = null;
    this.#whenFilled(boxes, () => {
      if (isBack) {
        this.#series = kept.series;
        if (!isSame(kept.boxes, boxes)) this.#set(kept.boxes);
      } else if (how === "chosen") {
        const lost = kept && !isSame(kept.boxes, boxes) ? kept.boxes : null;
        this.#look();
        this.#keep({ earlier: this.#earlier ?? lost, series: null });
      }
      this.#look();
      this.#paint();
    });
  }

  /**
   * @param {Boxes} boxes
   * @param {() => void} then
   * @param {number} tries
   */
  #whenFilled(boxes, then, tries = 40) {
    const isThere = this.#boxes.every((text, i) => text === (boxes[i] ?? ""));
    if (isThere || tries === 0) then();
    else setTimeout(() => this.#whenFilled(boxes, then, tries - 1), LOOK_MS);
  }

  /** What was typed and is not in the boxes; null if nothing was. */
  get #earlier() {
    const kept = this.#draft.kept;
    if (!kept) return null;
    const now = this.#boxes;
    const found = [kept.isAsked ? null : kept.boxes, kept.earlier].find(
      (boxes) => boxes?.[0].trim() && !isSame(boxes, now),
    );
    return found ?? null;
  }

  #bringBack() {
    const earlier = this.#earlier;
    if (!earlier) return;
    this.#undo.push({ boxes: this.#boxes, label: "Undo" });
    this.#series = this.#draft.kept?.series ?? null;
    this.#draft.keep(earlier, { earlier: null });
    this.#set(earlier);
    this.#paint();
    this.#box("question")?.focus();
  }

  #forget() {
    const kept = this.#draft.kept;
    if (kept && isSame(kept.boxes, this.#boxes)) this.#draft.keep(kept.boxes, { earlier: null });
    else this.#draft.forget();
    this.#paint();
  }

  #paint() {
    const [question] = this.#boxes;
    const { text, summary = "", offers = [] } = this.#value;
    const isCurrent = text === question;
    setText(this.#part("summary"), this.#words(isCurrent ? summary : ""));
    const made = isCurrent ? offers.flatMap((offer) => this.#buttonsOf(offer)) : [];
    if (isCurrent && this.#value.split && this.#declined.has(question)) {
      const { split } = this.#value;
      made.unshift(button("Split as options", () => this.#apply(split, summary)));
    }
    const other = this.#isMoved ? this.#other : null;
    if (other) made.push(button(other.label, () => this.#take(other)));
    if (this.#undo.length) made.push(button("Undo", () => this.#takeBack()));
    this.#replace(this.#part("buttons"), made);
    this.#paintAsking();
    this.#paintSeries();
    this.#paintDraft();
  }

  /** @param {Offer} offer */
  #buttonsOf(offer) {
    const { label, set, boxes } = offer;
    const asSet = set ? [button(`Ask all ${boxes.length} as a set`, () => this.#sets.open(set, boxes))] : [];
    return [...asSet, button(label, () => this.#take(offer))];
  }

  /** Options have just been moved to their box, where they still are. */
  get #isMoved() {
    return this.#done !== "" && this.#boxes[1].trim() !== "";
  }

  /** @param {string} summary */
  #words(summary) {
    return this.#isMoved ? `Recognised and moved: ${this.#done}` : summary;
  }

  #paintAsking() {
    const part = this.#part("asking");
    part.hidden = !this.#doubted.size;
    if (!this.#doubted.size) return part.replaceChildren();
    const what = [...this.#doubted].join(" and ");
    this.#replace(part, [
      node("span", "m1-warning", `You entered the ${what} for the previous question. Keep for this one?`),
      button("Clear", () => this.#answer(true)),
      button("Keep", () => this.#answer(false)),
    ]);
  }

  #paintSeries() {
    const part = this.#part("series");
    const series = this.#series;
    part.hidden = !series;
    if (!series) return part.replaceChildren();
    const [previous, next] = [
      button("Previous", () => this.#turnTo(series.index - 1)),
      button("Next question", () => this.#turnTo(series.index + 1)),
    ];
    previous.disabled = series.index === 0;
    next.disabled = series.index === series.questions.length - 1;
    this.#replace(part, [
      node("span", "", `Question ${series.index + 1} of ${series.questions.length}`),
      previous,
      next,
      button("Skip the others", () => this.#endSeries()),
    ]);
  }

  #paintDraft() {
    const part = this.#part("draft");
    const earlier = this.#earlier;
    part.hidden = !earlier;
    if (!earlier) return part.replaceChildren();
    this.#replace(part, [
      node("span", "", `Your earlier text: “${firstWords(earlier[0])}”`),
      button("Restore", () => this.#bringBack()),
      button("Discard", () => this.#forget()),
    ]);
  }

  /**
   * Buttons that stay the same keep the focus.
   * @param {HTMLElement} part
   * @param {HTMLElement[]} made
   */
  #replace(part, made) {
    const focused = document.activeElement;
    const label = focused && part.contains(focused) ? focused.textContent : null;
    part.replaceChildren(...made);
    const buttons = made.filter((each) => each instanceof HTMLButtonElement && !each.disabled);
    if (label) (buttons.find((each) => each.textContent === label) ?? buttons[0])?.focus();
  }

  /** @param {PreviewValue} value */
  show(value) {
    if (value.outcome) return this.#sets.show(value.outcome);
    if (value.formatted) return this.#onFormatted(value.formatted);
    if (value.filled && value.boxes) return this.#onFilled(value.filled, value.boxes);
    if (value.text === undefined) return;
    this.#value = value;
    const isEdited = this.#isWaiting;
    if (!isEdited) this.#look();
    this.#split();
    this.#paint();
  }
}

/** @param {import("../shell/elements.js").Host} host */
export function mount(host) {
  const preview = new Preview(host);
  say(partsOf(host.element)("draft"), "");
  return (/** @type {PreviewValue} */ value) => preview.show(value);
}
