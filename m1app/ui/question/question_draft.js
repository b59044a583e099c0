// What was typed and not run, in the tab's session storage until the tab closes or a new question is begun.
import { isSame } from "./question_change.js";

/** @typedef {import("./question_change.js").Boxes} Boxes */

/**
 * @typedef {object} Kept
 * @property {Boxes} boxes
 * @property {string} at The address's query where it was typed.
 * @property {Boxes | null} earlier What was typed before, and would be lost by editing what was opened since.
 * @property {Series | null} series
 * @property {boolean} isAsked Whether it was run as it is.
 */

/**
 * Questions that are asked one after another.
 * @typedef {object} Series
 * @property {Boxes[]} questions
 * @property {number} index Of the one in the boxes.
 */

/**
 * @param {string | null} text
 * @returns {Kept | null}
 */
export function keptOf(text) {
  const found = JSON.parse(text || "null");
  return found?.boxes ? { earlier: null, series: null, isAsked: false, ...found } : null;
}

export class QuestionDraft {
  #key;

  /** @param {string} key */
  constructor(key) {
    this.#key = key;
  }

  get kept() {
    return keptOf(sessionStorage.getItem(this.#key));
  }

  /**
   * @param {Boxes} boxes
   * @param {Partial<Kept>} [others]
   */
  keep(boxes, others = {}) {
    const { earlier = null, series = null } = this.kept ?? {};
    const kept = { boxes, at: window.location.search, earlier, series, isAsked: false, ...others };
    sessionStorage.setItem(this.#key, JSON.stringify(kept));
  }

  forget() {
    sessionStorage.removeItem(this.#key);
  }

  /**
   * The page is left: what the boxes show is expected again at this address.
   * @param {Boxes} boxes
   */
  leave(boxes) {
    const kept = this.kept;
    if (kept && isSame(kept.boxes, boxes)) this.keep(kept.boxes, { isAsked: kept.isAsked });
  }

  /**
   * The boxes are run: what they hold is in the history, and need not be offered again.
   * @param {Boxes} boxes
   */
  markAsked(boxes) {
    if (this.kept && isSame(this.kept.boxes, boxes)) this.keep(boxes, { isAsked: true });
  }
}
