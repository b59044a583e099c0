// Turns the pages of a list; which page is shown is part of the view.
import { setText } from "../shell/elements.js";
import { number } from "../shell/words.js";

const PAGE = 50;

/**
 * The page that `step` leads to, as stored in the view: the first is "".
 * @param {string} now
 * @param {number} step
 */
export function turned(now, step) {
  const page = Math.max(1, (Number(now) || 1) + step);
  return page > 1 ? String(page) : "";
}

export class Pager {
  #context;
  #prefix;

  /**
   * @param {import("./context.js").Context} context
   * @param {string} prefix Before the names of its parts: pager, earlier, later, place.
   * @param {() => void} show Shows the list at the view's page.
   */
  constructor(context, prefix, show) {
    this.#context = context;
    this.#prefix = prefix;
    const turn = (/** @type {number} */ step) => {
      context.view.part = turned(context.view.part, step);
      context.showAddress(true);
      show();
    };
    context.part(`${prefix}earlier`).addEventListener("click", () => turn(-1));
    context.part(`${prefix}later`).addEventListener("click", () => turn(1));
  }

  /** Where the shown page begins, from 0. */
  get offset() {
    return Math.max(0, (Number(this.#context.view.part) || 1) - 1) * PAGE;
  }

  /**
   * Says "1 – 50 of 3,021".
   * @param {number} offset
   * @param {number} count Of the rows that are shown.
   * @param {number} total
   * @param {number} reachable How many of them can be turned to.
   */
  place(offset, count, total, reachable = total) {
    const { part } = this.#context;
    const last = Math.min(offset + count, total);
    const words = `${number(offset + 1)} – ${number(last)} of ${number(total)}`;
    setText(part(`${this.#prefix}place`), count ? words : "");
    part(`${this.#prefix}earlier`, HTMLButtonElement).disabled = offset === 0;
    part(`${this.#prefix}later`, HTMLButtonElement).disabled = last >= reachable;
    part(`${this.#prefix}pager`).hidden = offset === 0 && !count;
  }
}
