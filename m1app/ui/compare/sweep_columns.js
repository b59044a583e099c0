// The columns of a sweep: one pass is one text, and each column a prefix of it. Everything that a model wrote is set as
// text. A column only appends, a paragraph per line; it is written anew when the column to its left ends elsewhere.
const say = (target, text) => {
  if (target.textContent !== text) target.textContent = text;
};

class Column {
  constructor(band, cell) {
    this.band = band;
    this.root = node("article", "m1-column");
    this.root.dataset.cell = cell.key;
    this.root.setAttribute("aria-label", cell.title);
    this.title = node("h4", "", cell.title);
    this.verdict = node("span", "m1-verdict");
    this.ended = node("span", "m1-ended m1-number");
    this.answer = node("div", "m1-pane m1-fork");
    this.answer.tabIndex = 0;
    this.answer.setAttribute("aria-label", `Answer, ${cell.title}`);
    this.pane = node("div", "m1-pane m1-prefix");
    this.pane.tabIndex = 0;
    this.pane.setAttribute("aria-label", `Thinking, ${cell.title}`);
    const head = node("div", "m1-column-head");
    head.append(this.title, this.buttons(cell));
    const result = node("div", "m1-column-result");
    result.append(this.verdict, this.ended);
    this.root.append(head, result, this.answer, this.pane);
    this.isFollowing = true;
    this.restart();
  }
  buttons(cell) {
    const row = node("span", "m1-column-buttons");
    const toggle = (name, className) => {
      const made = button(name, () => {
        made.setAttribute("aria-pressed", this.root.classList.toggle(className));
        this.band.placePinned();
      }, `${name}: ${cell.title}`);
      made.setAttribute("aria-pressed", "false");
      return made;
    };
    row.append(toggle("Widen", "is-wide"), toggle("Pin", "is-pinned"));
    row.append(button("Hide", () => this.band.choose(cell.key, false), `Hide: ${cell.title}`));
    this.annotate = node("a", "m1-annotate-link", "Annotate");
    this.annotate.setAttribute("aria-label", `Annotate: ${cell.title}`);
    row.append(this.annotate);
    return row;
  }
  restart() {
    this.done = 0;
    this.pane.replaceChildren();
    this.line = null;
    this.span = null;
  }
  update(cell, text, waits, sharedEnd) {
    this.cell = cell;
    say(this.verdict, cell.verdict_label);
    this.verdict.dataset.verdict = cell.verdict;
    say(this.ended, cell.ended);
    this.root.title = cell.also;
    say(this.answer, cell.answer);
    this.annotate.hidden = !cell.case;
    this.annotate.href = `/annotate/?case=${cell.case}`;
    const end = cell.at === null ? text.length : cell.at;
    if (end < this.done || sharedEnd !== this.sharedEnd) this.restart();
    this.sharedEnd = sharedEnd;
    this.write(text, end, waits);
  }
  // Text up to `end` in runs of one kind: shared with the left, own, or a "Wait"; and marked or not.
  write(text, end, waits) {
    const marked = this.marked || [0, 0];
    while (this.done < end) {
      const at = this.done;
      const wait = waits.find(([from, to]) => from <= at && at < to);
      const edges = [end, this.sharedEnd, ...marked, ...waits.flat()].filter((edge) => edge > at);
      const kind = [
        wait ? "m1-wait" : "",
        at < this.sharedEnd ? "is-shared" : "is-own",
        at >= marked[0] && at < marked[1] ? "is-found" : "",
      ].filter(Boolean).join(" ");
      this.done = Math.min(...edges);
      this.append(text.slice(at, this.done), kind, wait && at === wait[0]);
    }
  }
  append(text, kind, isNewLine) {
    text.split("\n").forEach((part, i) => {
      if (!this.line || i > 0 || (isNewLine && i === 0)) {
        this.line = node("p");
        this.pane.append(this.line);
        this.span = null;
      }
      if (!part) return;
      if (!this.span || this.span.className !== kind) {
        this.span = node("span", kind);
        this.line.append(this.span);
      }
      const last = this.span.lastChild;
      if (last) last.appendData(part);
      else this.span.append(part);
    });
  }
  mark(start, end) {
    this.marked = [start, end];
    this.restart();
    this.band.show();
    const found = this.pane.querySelector(".is-found");
    if (found) found.scrollIntoView({ block: "center" });
  }
}

class Band {
  constructor(value, isOpen) {
    this.columns = new Map();
    this.chosen = null;
    this.root = node("details", "m1-band");
    this.root.dataset.band = value.id;
    this.root.open = isOpen;
    this.title = node("summary");
    this.status = node("span", "m1-quiet m1-number");
    this.chooser = node("details", "m1-chooser");
    this.chosenLine = node("summary");
    this.boxes = node("div", "m1-chooser-grid");
    this.chooser.append(this.chosenLine, this.boxes, button("Each distinct cut once", () => this.choose(null)));
    this.strip = node("div", "m1-strip");
    this.name = node("b", "", value.title);
    this.title.append(this.name, this.status);
    this.root.append(this.title, this.chooser, this.strip);
    this.root.addEventListener("toggle", () => this.show());
    ["wheel", "touchstart", "pointerdown", "keydown", "focusin"].forEach((kind) =>
      this.strip.addEventListener(kind, (event) => (this.leader = event.target.closest(".m1-prefix")), { passive: true }),
    );
    this.strip.addEventListener("scroll", (event) => this.scrollTogether(event.target), { capture: true, passive: true });
  }
  update(value) {
    this.value = value;
    say(this.status, ` ${value.status}`);
    if (this.root.open) this.show();
  }
  cellsShown() {
    const keys = this.chosen || new Set(this.value.shown);
    return this.value.cells.filter((cell) => keys.has(cell.key));
  }
  show() {
    if (!this.value || !this.root.open) return;
    const cells = this.cellsShown();
    this.arrange(cells);
    let before = 0;
    cells.forEach((cell) => {
      this.columns.get(cell.key).update(cell, this.value.text, this.value.waits, before);
      before = cell.at === null ? Infinity : cell.at;
    });
    cells.forEach((cell) => {
      const column = this.columns.get(cell.key);
      if (column.isFollowing && cell.at === null) column.pane.scrollTop = 1e9;
    });
    this.showChooser(cells);
  }
  arrange(cells) {
    const keys = cells.map((cell) => cell.key);
    if (keys.join() === this.arranged) return;
    this.arranged = keys.join();
    for (const [key, column] of this.columns) {
      if (keys.includes(key)) continue;
      column.root.remove();
      this.columns.delete(key);
    }
    let last = null;
    cells.forEach((cell) => {
      if (!this.columns.has(cell.key)) this.columns.set(cell.key, new Column(this, cell));
      const { root } = this.columns.get(cell.key);
      // What stands right already is not moved: moving an element loses its scroll position.
      if ((last ? last.nextElementSibling : this.strip.firstElementChild) !== root) {
        last ? last.after(root) : this.strip.prepend(root);
      }
      last = root;
    });
    this.placePinned();
  }
  placePinned() {
    let left = 0;
    for (const root of this.strip.children) {
      const isPinned = root.classList.contains("is-pinned");
      root.style.left = isPinned ? `${left}px` : "";
      if (isPinned) left += root.offsetWidth;
    }
  }
  showChooser(cells) {
    const hidden = this.value.distinct - new Set(cells.map((cell) => cell.cut || cell.key)).size;
    const more = hidden > 0 ? `; ${hidden} more distinct ${hidden === 1 ? "cut" : "cuts"}` : "";
    say(this.chosenLine, `Columns: ${cells.length} of ${this.value.cells.length} cells${more}`);
    if (!this.boxes.childElementCount) {
      const byGrid = [...this.value.cells].sort((a, b) => a.rounds - b.rounds || a.budget - b.budget);
      this.boxes.append(...byGrid.map((cell) => {
        const label = node("label", "m1-check");
        const box = node("input");
        box.type = "checkbox";
        box.dataset.key = cell.key;
        box.addEventListener("change", () => this.choose(cell.key, box.checked));
        label.append(box, ` ${cell.title}`);
        return label;
      }));
    }
    const keys = new Set(cells.map((cell) => cell.key));
    this.boxes.querySelectorAll("input").forEach((box) => (box.checked = keys.has(box.dataset.key)));
  }
  choose(key, isShown) {
    if (key === null) this.chosen = null;
    else {
      this.chosen = this.chosen || new Set(this.cellsShown().map((cell) => cell.key));
      isShown ? this.chosen.add(key) : this.chosen.delete(key);
    }
    this.show();
  }
  scrollTogether(pane) {
    // Only the column that a person scrolls leads: the others' own movement would drag it back.
    if (pane !== this.leader) return;
    const top = pane.scrollTop;
    const isAtEnd = pane.scrollHeight - top - pane.clientHeight < 48;
    this.columns.forEach((column) => {
      if (column.pane !== pane && !q("together").checked) return;
      column.isFollowing = isAtEnd;
      if (column.pane !== pane) column.pane.scrollTop = top;
    });
  }
  // The column that shows `key`, or another cell with the same cut; a new one when there is none.
  open(key) {
    this.root.open = true;
    const wanted = this.value.cells.find((cell) => cell.key === key);
    const shown = this.cellsShown();
    const found = shown.find((cell) => cell.key === key) || shown.find((cell) => cell.cut && cell.cut === wanted.cut);
    if (!found) this.choose(key, true);
    this.show();
    const column = this.columns.get((found || wanted).key);
    column.root.scrollIntoView({ block: "nearest", inline: "nearest" });
    column.root.classList.remove("is-opened");
    requestAnimationFrame(() => column.root.classList.add("is-opened"));
    column.pane.focus({ preventScroll: true });
    return column;
  }
}

const bands = new Map();
let shownId = null;

function show() {
  const value = props.value || {};
  element.querySelector("section").hidden = !(value.bands || []).length;
  if (value.id !== shownId) {
    bands.clear();
    q("bands").replaceChildren();
    shownId = value.id;
  }
  (value.bands || []).forEach((each, i) => {
    if (!bands.has(each.id)) {
      bands.set(each.id, new Band(each, i < 4));
      q("bands").append(bands.get(each.id).root);
    }
    bands.get(each.id).update(each);
  });
}

// The charts ask for a column, or for a sentence in one.
document.addEventListener("m1-open-cell", ({ detail }) => {
  const column = bands.get(detail.band)?.open(detail.cell);
  if (column && detail.end > detail.start) column.mark(detail.start, detail.end);
});
window.addEventListener("resize", () => bands.forEach((band) => band.placePinned()));
watch("value", show);
show();
