// The columns of a sweep: one pass is one text, and each column a prefix of it. A column only appends, a paragraph per
// line; it is rewritten if the end of the column to its left changes.
import { button, node, partsOf, setText } from "../shell/elements.js";
import { runsOf, standingFor } from "./runs_of_text.js";

/** @typedef {import("./runs_of_text.js").Span} Span */
/** @typedef {import("./charts.js").OpenCell} OpenCell */

/**
 * @typedef {object} ColumnCell
 * @property {string} key "budget-rounds".
 * @property {number} budget
 * @property {number} rounds
 * @property {string} title
 * @property {string} cut Shared by cells that end at the same cut; empty until it is known.
 * @property {number | null} at Where its thinking ends, in UTF-16 code units; null until it is known.
 * @property {string} ended
 * @property {string} also
 * @property {string} verdict
 * @property {string} verdict_label
 * @property {string} basis What the letter rests on.
 * @property {string} answer
 * @property {string} case
 */

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
/** @type {Span} */
const NOTHING = [0, 0];

class Column {
  #band;
  /** @type {Span} */
  #marked = NOTHING;
  #done = 0;
  #sharedEnd = 0;
  /** @type {HTMLParagraphElement | null} */
  #line = null;
  /** @type {HTMLSpanElement | null} */
  #span = null;
  #verdict = node("span", "m1-verdict");
  #ended = node("span", "m1-ended m1-number");
  #answer = node("div", "m1-pane m1-fork");
  #annotate = node("a", "m1-annotate-link", "Annotate");
  isFollowing = true;

  /**
   * @param {Band} band
   * @param {ColumnCell} cell
   */
  constructor(band, cell) {
    this.#band = band;
    this.root = node("article", "m1-column");
    this.root.dataset.cell = cell.key;
    this.root.setAttribute("aria-label", cell.title);
    this.#answer.tabIndex = 0;
    this.#answer.setAttribute("role", "group");
    this.#answer.setAttribute("aria-label", `Answer, ${cell.title}`);
    this.pane = node("div", "m1-pane m1-prefix");
    this.pane.tabIndex = 0;
    this.pane.setAttribute("role", "group");
    this.pane.setAttribute("aria-label", `Thinking, ${cell.title}`);
    const head = node("div", "m1-column-head");
    head.append(node("h3", "", cell.title), this.#buttons(cell));
    const result = node("div", "m1-column-result");
    result.append(this.#verdict, this.#ended);
    this.root.append(head, result, this.#answer, this.pane);
  }

  /** @param {ColumnCell} cell */
  #buttons(cell) {
    const row = node("span", "m1-column-buttons");
    row.append(this.#toggle("Widen", "is-wide", cell), this.#toggle("Pin", "is-pinned", cell));
    row.append(button("Hide", () => this.#band.choose(cell.key, false), `Hide: ${cell.title}`));
    this.#annotate.setAttribute("aria-label", `Annotate: ${cell.title}`);
    row.append(this.#annotate);
    return row;
  }

  /**
   * @param {string} name
   * @param {string} className
   * @param {ColumnCell} cell
   */
  #toggle(name, className, cell) {
    const act = () => {
      made.setAttribute("aria-pressed", String(this.root.classList.toggle(className)));
      this.#band.placePinned();
    };
    const made = button(name, act, `${name}: ${cell.title}`);
    made.setAttribute("aria-pressed", "false");
    return made;
  }

  #restart() {
    this.#done = 0;
    this.pane.replaceChildren();
    this.#line = null;
    this.#span = null;
  }

  /**
   * @param {ColumnCell} cell
   * @param {string} text
   * @param {Span[]} waits
   * @param {number} sharedEnd Where the column to the left ends.
   */
  update(cell, text, waits, sharedEnd) {
    setText(this.#verdict, cell.verdict_label);
    this.#verdict.dataset.verdict = cell.verdict;
    this.#verdict.title = cell.basis;
    setText(this.#ended, cell.ended);
    this.root.title = cell.also;
    setText(this.#answer, cell.answer);
    this.#annotate.hidden = !cell.case;
    this.#annotate.href = `/annotate/?case=${cell.case}`;
    const end = cell.at ?? text.length;
    if (end < this.#done || sharedEnd !== this.#sharedEnd) this.#restart();
    this.#sharedEnd = sharedEnd;
    for (const run of runsOf(text, [this.#done, end], { waits, sharedEnd, marked: this.#marked })) this.#append(run);
    this.#done = Math.max(this.#done, end);
  }

  /** @param {import("./runs_of_text.js").Run} run */
  #append({ text, kind, beginsWait }) {
    text.split("\n").forEach((part, i) => {
      if (!this.#line || i > 0 || beginsWait) {
        this.#line = node("p");
        this.pane.append(this.#line);
        this.#span = null;
      }
      if (!part) return;
      if (this.#span?.className !== kind) {
        this.#span = node("span", kind);
        this.#line.append(this.#span);
      }
      const last = this.#span?.lastChild;
      if (last instanceof Text) last.appendData(part);
      else this.#span?.append(part);
    });
  }

  /** @param {Span} marked Shown so that it is found at once. */
  mark(marked) {
    this.#marked = marked;
    this.#restart();
    this.#band.show();
    this.pane.querySelector(".is-found")?.scrollIntoView({ block: "center" });
  }
}

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
  #status = node("span", "m1-quiet m1-number");
  #chosenLine = node("summary");
  #boxes = node("div", "m1-chooser-grid");
  #strip = node("div", "m1-strip");

  /**
   * @param {BandColumns} value
   * @param {boolean} isOpen
   * @param {() => boolean} isTogether Whether the columns scroll together.
   */
  constructor(value, isOpen, isTogether) {
    this.#value = value;
    this.#isTogether = isTogether;
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
    );
    this.root.append(title, chooser, this.#strip);
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
    if (this.root.open) this.show();
  }

  #cellsShown() {
    const keys = this.#chosen ?? new Set(this.#value.shown);
    return this.#value.cells.filter((cell) => keys.has(cell.key));
  }

  show() {
    if (!this.root.open) return;
    const cells = this.#cellsShown();
    this.#arrange(cells);
    let before = 0;
    for (const cell of cells) {
      this.#columns.get(cell.key)?.update(cell, this.#value.text, this.#value.waits, before);
      before = cell.at ?? Number.POSITIVE_INFINITY;
    }
    for (const cell of cells) {
      const column = this.#columns.get(cell.key);
      if (column?.isFollowing && cell.at === null) column.pane.scrollTop = 1e9;
    }
    this.#showChooser(cells);
  }

  /** @param {ColumnCell[]} cells */
  #arrange(cells) {
    const keys = cells.map((cell) => cell.key);
    if (keys.join() === this.#arranged) return;
    this.#arranged = keys.join();
    for (const [key, column] of this.#columns) {
      if (keys.includes(key)) continue;
      column.root.remove();
      this.#columns.delete(key);
    }
    let last = /** @type {HTMLElement | null} */ (null);
    for (const cell of cells) {
      const column = this.#columns.get(cell.key) ?? new Column(this, cell);
      this.#columns.set(cell.key, column);
      // Elements already in place are not moved, because moving loses their scroll position.
      /** @type {Element | null} */
      const next = last ? last.nextElementSibling : this.#strip.firstElementChild;
      if (next !== column.root) this.#strip.insertBefore(column.root, next);
      last = column.root;
    }
    this.placePinned();
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

  /** @param {EventTarget | null} pane */
  #scrollTogether(pane) {
    // Only the column scrolled by the user leads: the others' scroll events would drag it back.
    if (!(pane instanceof HTMLElement) || pane !== this.#leader) return;
    const top = pane.scrollTop;
    const isAtEnd = pane.scrollHeight - top - pane.clientHeight < NEAR_END_PIXELS;
    for (const column of this.#columns.values()) {
      if (column.pane !== pane && !this.#isTogether()) continue;
      column.isFollowing = isAtEnd;
      if (column.pane !== pane) column.pane.scrollTop = top;
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
      part("bands").replaceChildren();
      shownId = value.id;
    }
    (value.bands || []).forEach((each, i) => {
      const band = bands.get(each.id) ?? new Band(each, i < OPEN_AT_FIRST, () => together.checked);
      if (!bands.has(each.id)) {
        bands.set(each.id, band);
        part("bands").append(band.root);
      }
      band.update(each);
    });
  };
}
