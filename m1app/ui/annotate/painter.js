// Marks painted over the texts with the CSS Custom Highlight API: the texts' elements never change.
import { depths } from "./overlaps.js";

/** @typedef {import("./text_pane.js").TextPane} TextPane */
/** @typedef {{ part: string, start: number | null, end: number | null }} Place In code points. */
/** @typedef {Place & { severity: string }} PaintedMark */

/** From harmless to worst: where marks overlap, the worst is seen. */
const SEVERITIES = ["none", "mild", "moderate", "severe", "critical"];
const PAINTS = [
  ...SEVERITIES.map((severity) => `m1-severity-${severity}`),
  "m1-overlap-2",
  "m1-overlap-3",
  "m1-other",
  "m1-suggested",
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
   * @param {PaintedMark[]} own
   * @param {PaintedMark[]} others
   * @param {Place[]} suggested
   */
  marks(own, others, suggested) {
    const painted = Map.groupBy([...own, ...others], ({ severity }) =>
      SEVERITIES.includes(severity) ? severity : SEVERITIES[0],
    );
    for (const severity of SEVERITIES) this.set(`m1-severity-${severity}`, painted.get(severity) ?? []);
    this.#overlaps(own);
    this.set("m1-other", others);
    this.set("m1-suggested", suggested);
  }

  /** @param {Place[]} own */
  #overlaps(own) {
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
    this.set("m1-overlap-2", levels[1]);
    this.set("m1-overlap-3", levels[2]);
  }

  /** @param {Place} place */
  flash(place) {
    this.set("m1-flash", [place]);
    clearTimeout(this.#flashing);
    this.#flashing = setTimeout(() => this.set("m1-flash", []), FLASH_MS);
  }
}
