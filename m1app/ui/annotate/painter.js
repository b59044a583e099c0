// Marks painted over the texts with the CSS Custom Highlight API: the texts' elements never change.
import { depths } from "./overlaps.js";

/** @typedef {import("./text_pane.js").TextPane} TextPane */
/** @typedef {{ part: string, start: number | null, end: number | null }} Place In code points. */

const PAINTS = [
  "m1-mark-1",
  "m1-mark-2",
  "m1-mark-3",
  "m1-other",
  "m1-suggested",
  "m1-current",
  "m1-pending",
  "m1-flash",
];
const FLASH_MS = 1500;

export class Painter {
  #panes;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #flashing;

  /** @param {TextPane[]} panes */
  constructor(panes) {
    this.#panes = panes;
  }

  /**
   * @param {string} name Of the paint.
   * @param {Place[]} places
   */
  set(name, places) {
    if (typeof Highlight !== "function" || !CSS.highlights) return;
    const ranges = this.#panes.flatMap((pane) =>
      places.flatMap(({ part, start, end }) =>
        part === pane.part && start !== null && end !== null && start < end ? [pane.range(start, end)] : [],
      ),
    );
    const highlight = new Highlight(...ranges);
    highlight.priority = PAINTS.indexOf(name);
    CSS.highlights.set(name, highlight);
  }

  /**
   * @param {Place[]} own
   * @param {Place[]} others
   * @param {Place[]} suggested
   */
  marks(own, others, suggested) {
    /** @type {Place[][]} */
    const levels = [[], [], []];
    for (const { part } of this.#panes) {
      const spans = own.flatMap((mark) =>
        mark.part === part && mark.start !== null && mark.end !== null
          ? [/** @type {[number, number]} */ ([mark.start, mark.end])]
          : [],
      );
      depths(spans).forEach((covered, i) => {
        levels[i].push(...covered.map(([start, end]) => ({ part, start, end })));
      });
    }
    levels.forEach((places, i) => {
      this.set(`m1-mark-${i + 1}`, places);
    });
    this.set("m1-other", others);
    this.set("m1-suggested", suggested);
  }

  /** @param {Place} place */
  flash(place) {
    this.set("m1-flash", [place]);
    clearTimeout(this.#flashing);
    this.#flashing = setTimeout(() => this.set("m1-flash", []), FLASH_MS);
  }
}
