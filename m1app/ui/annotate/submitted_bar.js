// What follows a submission: the next case or the end of the queue, the way back, and where to go on.
import { button, link, node } from "../shell/elements.js";

/**
 * @typedef {object} SubmittedActs
 * @property {(id: string) => void} undo Takes the submission of a case back.
 * @property {(id: string) => void} review Opens a submitted case.
 * @property {() => void} clear Clears the filters of the queue.
 * @property {(view: string) => void} view Shows another view of the page.
 */

const STEM_CHARACTERS = 90;

/**
 * Where training data are built from corrections; keeps the run of the case, to ask its question again afterwards.
 * @param {string} source The address of that run: /?trace=ID or /compare/?sweep=ID.
 */
export function learningAddress(source) {
  const [[kind, id] = ["", ""]] = new URL(source, "http://app").searchParams;
  return `/admin/?${new URLSearchParams({ tab: "training", corrections: "1", again: kind && id ? `${kind}:${id}` : "" })}`;
}

/** @param {string} address Empty without a correction. */
const learningLinks = (address) => (address ? [link("Train on corrections", address)] : []);

export class SubmittedBar {
  #root;
  #acts;
  #submitted = "";

  /**
   * @param {HTMLElement} root
   * @param {SubmittedActs} acts
   */
  constructor(root, acts) {
    this.#root = root;
    this.#acts = acts;
  }

  /** The case whose submission can be taken back; empty if there is none. */
  get submitted() {
    return this.#submitted;
  }

  clear() {
    this.#submitted = "";
    this.#root.replaceChildren();
  }

  /**
   * @param {string} id Of the submitted case.
   * @param {string} stem The question of the next case.
   * @param {string} learning Where its correction is learned; empty if it has none.
   */
  showNext(id, stem, learning) {
    const short = stem.length > STEM_CHARACTERS ? `${stem.slice(0, STEM_CHARACTERS)}…` : stem;
    this.#show(id, `Submitted. Next: ${short}`, learningLinks(learning));
  }

  /**
   * @param {string} id Of the submitted case.
   * @param {boolean} isFiltered Whether the queue leaves cases out.
   * @param {string} learning As in `showNext`.
   */
  showEnd(id, isFiltered, learning) {
    const where = isFiltered ? "You have done every case that matches the filters." : "You have done every case.";
    const { view } = this.#acts;
    this.#show(id, `Submitted. ${where}`, [
      ...learningLinks(learning),
      ...(isFiltered ? [button("Clear filters", this.#acts.clear)] : []),
      link("Disputed cases", "/annotate/?disputed=1"),
      button("Summary", () => view("summary")),
      button("Agreement", () => view("agreement")),
    ]);
  }

  /** The submission was taken back. */
  showUndone() {
    this.clear();
    this.#root.append(node("b", "", "Submission undone: your marks on this case are drafts again."));
  }

  /**
   * @param {string} id
   * @param {string} text
   * @param {Element[]} more
   */
  #show(id, text, more) {
    this.#submitted = id;
    const undo = button("Undo", () => this.#acts.undo(id), "Undo the submission");
    undo.title = "Ctrl+Z";
    undo.setAttribute("aria-keyshortcuts", "Control+Z");
    const review = button("See it with others' marks", () => this.#acts.review(id));
    this.#root.replaceChildren(node("b", "", text), undo, review, ...more);
  }
}
