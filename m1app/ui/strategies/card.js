// One strategy of a run: what it has spent, its answer and why, its pictures, and its ledger.
import { link, node, say, setText } from "../shell/elements.js";
import { number } from "../shell/words.js";
import { Ledger } from "./ledger.js";
import { Picture } from "./pictures.js";

/** @typedef {import("./ledger.js").RequestRow} RequestRow */

/**
 * @typedef {object} StrategyValue
 * @property {string} choice As it is written.
 * @property {string} title
 * @property {string} state
 * @property {string} state_label
 * @property {string} letter
 * @property {string} verdict
 * @property {string} verdict_label
 * @property {string} answer
 * @property {string} why
 * @property {string} error
 * @property {string} from Id of the trace that the answer comes from; empty if it comes from none, or from several.
 * @property {number} generated
 * @property {number} computed
 * @property {number} injected
 * @property {number} wasted
 * @property {number} seconds
 * @property {{ name: string, value: unknown }[]} pictures
 * @property {string} tail The end of what is being written.
 * @property {RequestRow[]} requests
 * @property {number} hidden Requests that are not listed.
 */

/**
 * How a budget is spent, as shares of it.
 * @param {number} generated
 * @param {number} wasted
 * @param {number} budget
 */
export function spentOf(generated, wasted, budget) {
  const whole = Math.max(budget, generated, 1);
  const lost = Math.min(wasted, generated);
  const words = `${number(generated)} of ${number(budget)} tokens${lost ? `, ${number(lost)} of them wasted` : ""}`;
  return { used: (generated - lost) / whole, wasted: lost / whole, words };
}

export class Card {
  root = node("article", "m1-strategy");
  #state = node("span", "m1-state");
  #meter = node("div", "m1-spent");
  #spent = node("p", "m1-quiet m1-number");
  #verdict = node("span", "m1-verdict");
  #pictures = node("div", "m1-pictures");
  #why = node("p", "m1-why");
  #answer = node("div", "m1-pane m1-strategy-answer");
  #error = node("div", "m1-notice");
  #links = node("p", "m1-links");
  #tail = node("p", "m1-tail");
  #ledger;
  #from = "";
  /** @type {Map<string, Picture>} */
  #drawn = new Map();

  /**
   * @param {StrategyValue} value
   * @param {number} place From 0.
   * @param {(position: number) => void} openRequest
   */
  constructor(value, place, openRequest) {
    const title = node("h3", "", value.title);
    title.id = `strategy-${place}`;
    this.root.setAttribute("aria-labelledby", title.id);
    this.root.dataset.choice = value.choice;
    this.root.tabIndex = -1;
    const head = node("div", "m1-strategy-head");
    head.append(title, this.#state);
    this.#meter.setAttribute("role", "progressbar");
    this.#meter.setAttribute("aria-label", "Spent of the token budget");
    this.#meter.setAttribute("aria-valuemin", "0");
    this.#meter.setAttribute("aria-valuemax", "100");
    this.#answer.tabIndex = 0;
    this.#answer.dir = this.#tail.dir = this.#why.dir = "auto";
    this.#answer.setAttribute("role", "group");
    this.#answer.setAttribute("aria-label", `Answer: ${value.title}`);
    this.#error.setAttribute("role", "alert");
    this.#ledger = new Ledger(value.title, openRequest);
    const verdict = node("p", "m1-verdict-line");
    verdict.append(this.#verdict);
    this.root.append(head, this.#meter, this.#spent, this.#error, verdict, this.#why, this.#answer, this.#links);
    this.root.append(this.#pictures, this.#tail, this.#ledger.root);
  }

  focus() {
    this.root.scrollIntoView({ block: "start" });
    this.root.focus({ preventScroll: true });
  }

  /**
   * @param {StrategyValue} value
   * @param {number} budget
   */
  show(value, budget) {
    setText(this.#state, value.state_label);
    this.#state.dataset.state = this.root.dataset.state = value.state;
    const { used, wasted, words } = spentOf(value.generated, value.wasted, budget);
    this.#meter.style.setProperty("--used", String(used));
    this.#meter.style.setProperty("--wasted", String(wasted));
    this.#meter.setAttribute("aria-valuenow", String(Math.round((used + wasted) * 100)));
    this.#meter.setAttribute("aria-valuetext", words);
    setText(this.#spent, words);
    say(this.#error, value.error);
    // Its place is kept until there is one.
    setText(this.#verdict, value.verdict_label || "\u00a0");
    this.#verdict.dataset.verdict = value.verdict;
    this.#verdict.classList.toggle("is-open", !value.verdict_label);
    setText(this.#why, value.why);
    setText(this.#answer, value.answer);
    this.#showFrom(value.from);
    this.#showPictures(value.pictures);
    say(this.#tail, value.state === "running" ? value.tail || "\u00a0" : "");
    this.#ledger.show(value.requests, value.hidden);
  }

  /** @param {string} from */
  #showFrom(from) {
    if (from === this.#from && this.#links.childElementCount) return;
    this.#from = from;
    this.#links.replaceChildren(
      ...(from ? [link("The pass with this answer", `/?trace=${from}`)] : [node("span", "", "\u00a0")]),
    );
  }

  /** @param {{ name: string, value: unknown }[]} pictures */
  #showPictures(pictures) {
    for (const { name, value } of pictures) {
      let picture = this.#drawn.get(name);
      if (!picture) {
        picture = new Picture(name);
        this.#drawn.set(name, picture);
        this.#pictures.append(picture.root);
      }
      picture.show(value);
    }
  }
}
