// Several questions of one paste: a list of them, and buttons that store them as a set, ask all of them, or both.
import { all, button, link, node } from "../shell/elements.js";

/** @typedef {import("./question_change.js").Boxes} Boxes */

/**
 * @typedef {object} SetOffer
 * @property {string} name The proposed one.
 * @property {string[]} rows What each question is read as.
 * @property {string} problem Why they cannot be stored; empty if they can.
 * @property {number} most How many can be asked at once.
 */

/**
 * @typedef {object} Outcome
 * @property {string} message
 * @property {boolean} is_stored
 * @property {boolean} is_asked
 * @property {boolean} may_ask_anyway What may identify a person was found.
 */

/** @typedef {"ask" | "store" | "both"} How */

export class SetPanel {
  #panel;
  #outcome;
  #send;
  /** @type {{ offer: SetOffer, boxes: Boxes[] } | null} */
  #open = null;
  #how = /** @type {How} */ ("both");

  /**
   * @param {HTMLElement} panel
   * @param {HTMLElement} outcome
   * @param {(chosen: { how: How, name: string, questions: Boxes[], is_anyway: boolean }) => void} send
   */
  constructor(panel, outcome, send) {
    this.#panel = panel;
    this.#outcome = outcome;
    this.#send = send;
    panel.addEventListener("keydown", (event) => this.#onKey(event));
  }

  get isOpen() {
    return this.#open !== null;
  }

  /**
   * @param {SetOffer} offer
   * @param {Boxes[]} boxes
   */
  open(offer, boxes) {
    this.#open = { offer, boxes };
    this.#say([]);
    const list = node("ol", "m1-paste-questions");
    list.tabIndex = 0;
    list.setAttribute("aria-label", "Questions");
    list.append(...offer.rows.map((row) => node("li", "", row)));
    this.#panel.replaceChildren(
      list,
      ...(offer.problem ? [node("p", "m1-warning", offer.problem)] : [this.#nameOf(offer)]),
    );
    this.#panel.append(this.#buttonsOf(offer, boxes.length));
    this.#panel.hidden = false;
    const [name] = all(this.#panel, "input", HTMLInputElement);
    (name ?? all(this.#panel, "button", HTMLButtonElement)[0])?.focus({ preventScroll: true });
    name?.setSelectionRange(0, 0);
    this.#panel.scrollIntoView({ block: "nearest" });
  }

  close() {
    this.#open = null;
    this.#panel.hidden = true;
    this.#panel.replaceChildren();
  }

  /** Takes back what was said of questions that are no longer in the box. */
  forget() {
    this.close();
    this.#say([]);
  }

  /** @param {Outcome} outcome */
  show(outcome) {
    const { message, is_stored: isStored, is_asked: isAsked, may_ask_anyway: mayAskAnyway } = outcome;
    const isDone = isAsked || (isStored && this.#how === "store");
    const links = isStored
      ? [link("Question sets", "/admin/?tab=sets"), link("Benchmark it", "/admin/?tab=launch")]
      : [];
    const anyway = mayAskAnyway ? [button("Ask anyway", () => this.#choose("ask", true))] : [];
    const said = node("span", isDone ? "" : "m1-warning", message);
    this.#say([said, ...links, ...anyway]);
    if (isDone) this.close();
    for (const each of all(this.#panel, "button", HTMLButtonElement)) each.disabled = false;
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key === "Escape") {
      event.preventDefault();
      this.close();
    } else if (event.key === "Enter" && event.target instanceof HTMLInputElement) {
      event.preventDefault();
      all(this.#panel, "button", HTMLButtonElement)[0]?.click();
    }
  }

  /** @param {SetOffer} offer */
  #nameOf(offer) {
    const label = node("label", "m1-paste-name", "Name of the set");
    const box = node("input", "");
    box.type = "text";
    box.maxLength = 200;
    box.value = offer.name;
    label.append(" ", box);
    return label;
  }

  /**
   * @param {SetOffer} offer
   * @param {number} count
   */
  #buttonsOf(offer, count) {
    const line = node("p", "m1-paste-line");
    const canAsk = count <= offer.most;
    if (!canAsk) line.append(node("span", "m1-warning", `At most ${offer.most} questions are asked at once.`));
    const made = [];
    if (!offer.problem && canAsk) made.push(button(`Store and ask all ${count}`, () => this.#choose("both")));
    if (!offer.problem) made.push(button("Store only", () => this.#choose("store")));
    if (canAsk) made.push(button(offer.problem ? `Ask all ${count}` : "Ask only", () => this.#choose("ask")));
    line.append(
      ...made,
      button("Cancel", () => this.close()),
    );
    return line;
  }

  /**
   * @param {How} how
   * @param {boolean} isAnyway
   */
  #choose(how, isAnyway = false) {
    if (!this.#open) return;
    this.#how = how;
    // Only once: a second click would ask all of them again.
    for (const each of all(this.#panel, "button", HTMLButtonElement)) each.disabled = true;
    const name = all(this.#panel, "input", HTMLInputElement)[0]?.value ?? "";
    this.#send({ how, name, questions: this.#open.boxes, is_anyway: isAnyway });
  }

  /** @param {HTMLElement[]} parts */
  #say(parts) {
    this.#outcome.hidden = !parts.length;
    this.#outcome.replaceChildren(...parts);
  }
}
