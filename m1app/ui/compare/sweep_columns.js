// The columns of a sweep: one pass is one text, and each column a prefix of it.
import { button, node, partsOf, say, setText } from "../shell/elements.js";
import { plural } from "../shell/words.js";
import { Nearness } from "./nearness.js";
import { standingFor } from "./runs_of_text.js";
import { Column } from "./sweep_column.js";

/** @typedef {import("./runs_of_text.js").Span} Span */
/** @typedef {import("./sweep_column.js").ColumnCell} ColumnCell */
/** @typedef {import("./charts.js").OpenCell} OpenCell */

/**
 * @typedef {object} BandColumns
 * @property {string} id
 * @property {string} title
 * @property {string} status
 * @property {string} text
 * @property {Span[]} waits
 * @property {ColumnCell[]} cells
 * @property {string[]} shown Keys of the initial columns.
 * @property {number} distinct Cuts.
 */

/** @typedef {{ id?: string, bands?: BandColumns[] }} ColumnsValue */

const NEAR_END_PIXELS = 48;
const OPEN_AT_FIRST = 4;

class Band {
  /** @type {Map<string, Column>} */
  #columns = new Map();
  /** @type {Set<string> | null} Null: those that the server shows at first. */
  #chosen = null;
  #arranged = "";
  /** @type {Element | null} The column that a person scrolls. */
  #leader = null;
  #value;
  #isTogether;
  #nearness;
  #status = node("span", "m1-quiet m1-number");
  #chosenLine = node("summary");
  #boxes = node("div", "m1-chooser-grid");
  #strip = node("div", "m1-strip");
  /** On paper only: which columns are missing there. */
  #printed = node("p", "m1-print-only");

  /**
   * @param {BandColumns} value
   * @param {boolean} isOpen
   * @param {() => boolean} isTogether Whether the columns scroll together.
   * @param {Nearness} nearness Tells which columns are near the window.
   */
  constructor(value, isOpen, isTogether, nearness) {
    this.#value = value;
    this.#isTogether = isTogether;
    this.#nearness = nearness;
    this.root = node("details", "m1-band");
    this.root.dataset.band = value.id;
    this.root.open = isOpen;
    const title = node("summary");
    title.append(node("b", "", value.title), this.#status);
    const chooser = node("details", "m1-chooser");
    chooser.append(
      this.#chosenLine,
      this.#boxes,
      button("Each distinct cut once", () => this.choose(null)),
      button("All cells", () => this.#chooseAll()),
    );
    this.root.append(title, chooser, this.#printed, this.#strip);
    this.root.addEventListener("toggle", () => this.show());
    for (const kind of ["wheel", "touchstart", "pointerdown", "keydown", "focusin"]) {
      this.#strip.addEventListener(
        kind,
        ({ target }) => {
          this.#leader = target instanceof Element ? target.closest(".m1-prefix") : null;
        },
        { passive: true },
      );
    }
    const follow = (/** @type {Event} */ { target }) => this.#scrollTogether(target);
    this.#strip.addEventListener("scroll", follow, { capture: true, passive: true });
  }

  /** @param {BandColumns} value */
  update(value) {
    this.#value = value;
    setText(this.#status, ` ${value.status}`);
    this.show();
  }

  #cellsShown() {
    const keys = this.#chosen ?? new Set(this.#value.shown);
    return this.#value.cells.filter((cell) => keys.has(cell.key));
  }

  show() {
    if (!this.root.open)
      return say(this.#printed, "The columns of this pass are collapsed on the page, so they are not printed.");
    const cells = this.#cellsShown();
    this.#arrange(cells);
    let before = 0;
    for (const cell of cells) {
      this.#columns.get(cell.key)?.update(cell, this.#value.text, this.#value.waits, before);
      before = cell.at ?? Number.POSITIVE_INFINITY;
    }
    for (const cell of cells) {
      const column = this.#columns.get(cell.key);
      if (column?.isFollowing && cell.at === null) column.scrollTo(1e9);
    }
    this.#showChooser(cells);
  }

  /** @param {ColumnCell[]} cells */
  #arrange(cells) {
    const keys = new Set(cells.map((cell) => cell.key));
    const arranged = [...keys].join();
    if (arranged === this.#arranged) return;
    this.#arranged = arranged;
    for (const [key, column] of this.#columns) {
      if (keys.has(key)) continue;
      this.#nearness.leave(column);
      column.root.remove();
      this.#columns.delete(key);
    }
    let last = /** @type {HTMLElement | null} */ (null);
    for (const cell of cells) {
      const column = this.#columns.get(cell.key) ?? this.#newColumn(cell);
      // Elements already in place are not moved, because moving loses their scroll position.
      /** @type {Element | null} */
      const next = last ? last.nextElementSibling : this.#strip.firstElementChild;
      if (next !== column.root) this.#strip.insertBefore(column.root, next);
      last = column.root;
    }
    this.placePinned();
  }

  /** @param {ColumnCell} cell */
  #newColumn(cell) {
    const column = new Column(this, cell);
    this.#columns.set(cell.key, column);
    this.#nearness.watch(column);
    return column;
  }

  placePinned() {
    let left = 0;
    for (const { root } of this.#columnsInOrder()) {
      const isPinned = root.classList.contains("is-pinned");
      root.style.left = isPinned ? `${left}px` : "";
      if (isPinned) left += root.offsetWidth;
    }
  }

  #columnsInOrder() {
    return this.#cellsShown().flatMap((cell) => this.#columns.get(cell.key) ?? []);
  }

  /** @param {ColumnCell[]} cells */
  #showChooser(cells) {
    const hidden = this.#value.distinct - new Set(cells.map((cell) => cell.cut || cell.key)).size;
    const missing = `Only columns open on the page are printed. ${plural(hidden, "more distinct cut")} of this pass ${hidden === 1 ? "is" : "are"} not.`;
    say(this.#printed, hidden > 0 ? missing : "");
    const more = hidden > 0 ? `; ${hidden} more distinct ${hidden === 1 ? "cut" : "cuts"}` : "";
    setText(this.#chosenLine, `Columns: ${cells.length} of ${this.#value.cells.length} cells${more}`);
    if (!this.#boxes.childElementCount) {
      const byGrid = this.#value.cells.toSorted((a, b) => a.rounds - b.rounds || a.budget - b.budget);
      this.#boxes.append(...byGrid.map((cell) => this.#box(cell)));
    }
    const keys = new Set(cells.map((cell) => cell.key));
    for (const box of this.#boxes.querySelectorAll("input")) box.checked = keys.has(box.dataset.key ?? "");
  }

  /** @param {ColumnCell} cell */
  #box(cell) {
    const label = node("label", "m1-check");
    const box = node("input");
    box.type = "checkbox";
    box.dataset.key = cell.key;
    box.addEventListener("change", () => this.choose(cell.key, box.checked));
    label.append(box, ` ${cell.title}`);
    return label;
  }

  /**
   * @param {string | null} key Null means the initial columns.
   * @param {boolean} [isShown]
   */
  choose(key, isShown) {
    if (key === null) this.#chosen = null;
    else {
      this.#chosen ??= new Set(this.#cellsShown().map((cell) => cell.key));
      if (isShown) this.#chosen.add(key);
      else this.#chosen.delete(key);
    }
    this.show();
  }

  #chooseAll() {
    this.#chosen = new Set(this.#value.cells.map((cell) => cell.key));
    this.show();
  }

  /** @param {EventTarget | null} pane */
  #scrollTogether(pane) {
    // Only the column scrolled by the user leads: the others' scroll events would drag it back.
    if (!(pane instanceof HTMLElement) || pane !== this.#leader) return;
    const top = pane.scrollTop;
    const isAtEnd = pane.scrollHeight - top - pane.clientHeight < NEAR_END_PIXELS;
    for (const column of this.#columns.values()) {
      if (column.pane !== pane && !this.#isTogether()) continue;
      column.isFollowing = isAtEnd;
      if (column.pane !== pane) column.scrollTo(top);
    }
  }

  /**
   * Shows the column of a cell, or of another with the same cut; adds one if there is none.
   * @param {OpenCell} asked
   */
  open({ cell: key, start = 0, end = 0 }) {
    this.root.open = true;
    const found = standingFor(key, this.#value.cells, this.#cellsShown());
    if (!found) this.choose(key, true);
    this.show();
    const column = this.#columns.get(found?.key ?? key);
    if (!column) return;
    column.root.scrollIntoView({ block: "nearest", inline: "nearest" });
    column.root.classList.remove("is-opened");
    requestAnimationFrame(() => column.root.classList.add("is-opened"));
    column.pane.focus({ preventScroll: true });
    if (end > start) column.mark([start, end]);
  }
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, signal }) {
  const part = partsOf(element);
  const together = part("together", HTMLInputElement);
  const section = element.querySelector("section");
  const nearness = new Nearness();
  signal.addEventListener("abort", () => nearness.end());
  /** @type {Map<string, Band>} */
  const bands = new Map();
  /** @type {string | null | undefined} */
  let shownId = null;

  // The charts request a column, or a sentence in one.
  const onOpen = (/** @type {Event} */ event) => {
    const { detail } = /** @type {CustomEvent<OpenCell>} */ (event);
    bands.get(detail.band)?.open(detail);
  };
  document.addEventListener("m1-open-cell", onOpen, { signal });
  const onResize = () => {
    for (const band of bands.values()) band.placePinned();
  };
  window.addEventListener("resize", onResize, { signal });

  return (/** @type {ColumnsValue} */ value) => {
    if (section) section.hidden = !value.bands?.length;
    if (value.id !== shownId) {
      bands.clear();
      nearness.clear();
      part("bands").replaceChildren();
      shownId = value.id;
    }
    (value.bands || []).forEach((each, i) => {
      const band = bands.get(each.id) ?? new Band(each, i < OPEN_AT_FIRST, () => together.checked, nearness);
      if (!bands.has(each.id)) {
        bands.set(each.id, band);
        part("bands").append(band.root);
      }
      band.update(each);
    });
  };
}
