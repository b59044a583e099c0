// A text that can be marked: shown exactly (with its line ends), selected by mouse or by keyboard, and painted over.
// Positions are code points outside of this file, UTF-16 code units inside, as the browser counts them.
class TextIndex {
  constructor(text) {
    this.text = text;
    this.pairs = [];
    for (let i = 0; i < text.length; i += 1) {
      if (text.codePointAt(i) > 0xffff) {
        this.pairs.push(i);
        i += 1;
      }
    }
  }
  // Number of pairs for which `isBefore(place, number)` holds; it holds for the first ones.
  count(isBefore) {
    let [low, high] = [0, this.pairs.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(this.pairs[middle], middle)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
  points(units) {
    return units - this.count((place) => place < units);
  }
  units(points) {
    return points + this.count((place, number) => place - number < points);
  }
}

const segmented = (text, granularity) => {
  const found = [];
  for (const { segment, index, isWordLike } of new Intl.Segmenter(undefined, { granularity }).segment(text)) {
    const blank = segment.length - segment.trimStart().length;
    const kept = segment.trim();
    if (kept && (granularity !== "word" || isWordLike)) found.push([index + blank, index + blank + kept.length]);
  }
  return found;
};

class TextPane {
  constructor(part, onSelect, onOpen) {
    this.part = part;
    this.root = q(part);
    this.onSelect = onSelect;
    this.onOpen = onOpen;
    this.show("", []);
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    this.root.addEventListener("click", (event) => this.onClick(event));
    // The browser would copy what it shows; what is wanted is the text.
    this.root.addEventListener("copy", (event) => {
      const found = this.selected();
      if (!found) return;
      event.preventDefault();
      event.clipboardData.setData("text/plain", this.text.slice(...found));
    });
  }
  show(text, waits, hash) {
    this.text = text;
    this.hash = hash;
    this.index = new TextIndex(text);
    this.waits = waits.map(([start, end]) => [this.index.units(start), this.index.units(end)]);
    this.places = [];
    this.segments = {};
    this.caret = null;
    const lines = text.match(/[^\n]*\n|[^\n]+$/g) || [];
    let at = 0;
    this.root.replaceChildren(
      ...lines.map((text) => {
        const line = node("p");
        this.fill(line, at, at + text.length);
        at += text.length;
        return line;
      }),
    );
    this.root.scrollTop = 0;
  }
  // A line keeps its "\n" and "\r": what stands in the page is the text, character for character.
  fill(line, start, end) {
    for (let at = start; at < end; ) {
      const wait = this.waits.find(([from, to]) => from <= at && at < to);
      const edges = this.waits.flat().filter((edge) => edge > at);
      const stop = Math.min(end, ...edges);
      const text = document.createTextNode(this.text.slice(at, stop));
      const run = wait ? node("span", stop === wait[1] ? "m1-wait" : "m1-wait is-going-on") : line;
      if (wait) {
        run.title = "Inserted to force another round of thinking";
        line.append(run);
      }
      run.append(text);
      this.places.push({ at, text });
      at = stop;
    }
  }
  place(units) {
    let [low, high] = [0, this.places.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.places[middle].at <= units) low = middle;
      else high = middle - 1;
    }
    const found = this.places[low];
    return found ? [found.text, Math.min(units - found.at, found.text.length)] : [this.root, 0];
  }
  range(start, end) {
    const [startContainer, startOffset] = this.place(start);
    const [endContainer, endOffset] = this.place(end);
    return new StaticRange({ startContainer, startOffset, endContainer, endOffset });
  }
  unitsOf(container, offset) {
    const known = this.places.find(({ text }) => text === container);
    if (known) return known.at + offset;
    // Between elements: what comes first after that point.
    const next = container.childNodes[offset];
    if (!next) {
      const inside = this.places.filter(({ text }) => container.contains(text)).pop();
      return inside ? inside.at + inside.text.length : 0;
    }
    const first = this.places.find(({ text }) => next.contains(text));
    return first ? first.at : this.text.length;
  }
  // What the browser has selected in this text, without white space at its ends; null when there is nothing.
  selected() {
    const selection = document.getSelection();
    if (!selection.rangeCount || selection.isCollapsed || !this.root.contains(selection.anchorNode)) return null;
    const range = selection.getRangeAt(0);
    const isIn = (container) => this.root.contains(container);
    let start = isIn(range.startContainer) ? this.unitsOf(range.startContainer, range.startOffset) : 0;
    let end = isIn(range.endContainer) ? this.unitsOf(range.endContainer, range.endOffset) : this.text.length;
    while (start < end && /\s/.test(this.text[start])) start += 1;
    while (end > start && /\s/.test(this.text[end - 1])) end -= 1;
    return end > start ? [start, end] : null;
  }
  readSelection() {
    const found = this.selected();
    if (!found) return;
    this.caret = { anchor: found, focus: found };
    this.onSelect(this.part, ...this.pointsOf(found));
  }
  pointsOf([start, end]) {
    // A selection never ends within a character of two code units.
    const from = this.index.points(start);
    const to = this.index.points(end);
    return [from, this.index.units(to) < end ? to + 1 : to];
  }
  onClick(event) {
    if (!document.getSelection().isCollapsed) return;
    const at = document.caretPositionFromPoint
      ? document.caretPositionFromPoint(event.clientX, event.clientY)
      : document.caretRangeFromPoint(event.clientX, event.clientY);
    if (!at) return;
    const units = this.unitsOf(at.offsetNode || at.startContainer, at.offset ?? at.startOffset);
    this.caret = { anchor: [units, units], focus: [units, units] };
    this.onOpen(this.part, this.index.points(units));
  }
  // Arrow keys go by word and by sentence; with Shift they extend; with Ctrl and Shift the end moves by a character.
  onKey(event) {
    const kind = { ArrowLeft: "word", ArrowRight: "word", ArrowUp: "sentence", ArrowDown: "sentence" }[event.key];
    if (!kind || event.altKey || event.metaKey || (event.ctrlKey && !event.shiftKey)) return;
    event.preventDefault();
    const isForward = event.key === "ArrowRight" || event.key === "ArrowDown";
    if (event.ctrlKey) this.nudge(isForward);
    else this.step(kind, isForward, event.shiftKey);
  }
  step(kind, isForward, isExtending) {
    const all = (this.segments[kind] ||= segmented(this.text, kind));
    const [start, end] = this.caret ? this.caret.focus : [0, 0];
    const next = isForward ? all.find(([from]) => from >= end) : all.findLast(([, to]) => to <= start);
    if (!next) return;
    this.choose({ anchor: isExtending && this.caret ? this.caret.anchor : next, focus: next });
  }
  nudge(isForward) {
    if (!this.caret) return;
    const [start, end] = this.span();
    const near = isForward ? this.text.slice(end, end + 64) : this.text.slice(Math.max(start, end - 64), end);
    const characters = [...new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(near)];
    const one = (isForward ? characters[0] : characters.pop())?.segment.length || 0;
    const to = isForward ? end + one : end - one;
    if (to > start) this.choose({ anchor: [start, to], focus: [start, to] });
  }
  span() {
    const { anchor, focus } = this.caret;
    return [Math.min(anchor[0], focus[0]), Math.max(anchor[1], focus[1])];
  }
  choose(caret) {
    this.caret = caret;
    const span = this.span();
    const [from, to] = [this.place(span[0]), this.place(span[1])];
    document.getSelection().setBaseAndExtent(...from, ...to);
    this.place(caret.focus[0])[0].parentElement.scrollIntoView({ block: "nearest" });
    this.onSelect(this.part, ...this.pointsOf(span));
  }
  jump(start, end) {
    const units = [this.index.units(start), this.index.units(end)];
    this.caret = { anchor: units, focus: units };
    this.place(units[0])[0].parentElement.scrollIntoView({ block: "nearest" });
    // A line can be longer than the window.
    const made = document.createRange();
    made.setStart(...this.place(units[0]));
    made.setEnd(...this.place(units[1]));
    const [box, frame] = [made.getBoundingClientRect(), this.root.getBoundingClientRect()];
    this.root.scrollTop += box.top - frame.top - frame.height / 3;
  }
  quote(start, end) {
    return this.text.slice(this.index.units(start), this.index.units(end));
  }
}
