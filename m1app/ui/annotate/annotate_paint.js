// Marks painted over the texts with the CSS Custom Highlight API: the texts' elements never change.
const PAINTS = ["m1-mark-1", "m1-mark-2", "m1-mark-3", "m1-other", "m1-suggested", "m1-current", "m1-pending", "m1-flash"];

// Stretches that are covered at least once, twice, three times: [[start, end], ...] each.
function depths(spans) {
  const edges = spans.flatMap(([start, end]) => [[start, 1], [end, -1]]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const covered = [[], [], []];
  const open = [0, 0, 0];
  let depth = 0;
  for (const [at, change] of edges) {
    const level = change > 0 ? depth : depth - 1;
    depth += change;
    if (level > 2) continue;
    if (change > 0) open[level] = at;
    else if (at > open[level]) covered[level].push([open[level], at]);
  }
  return covered;
}

class Painter {
  constructor(panes) {
    this.panes = panes;
    this.kept = new Map();
  }
  get isAble() {
    return typeof Highlight === "function" && Boolean(CSS.highlights);
  }
  // `spans`: things with part, start and end in code points.
  set(name, spans) {
    if (!this.isAble) return;
    const ranges = [];
    for (const pane of Object.values(this.panes)) {
      for (const { part, start, end } of spans) {
        if (part === pane.part && start !== null && start < end) {
          ranges.push(pane.range(pane.index.units(start), pane.index.units(end)));
        }
      }
    }
    const highlight = new Highlight(...ranges);
    highlight.priority = PAINTS.indexOf(name);
    CSS.highlights.set(name, highlight);
  }
  marks(own, others, suggested) {
    const levels = [[], [], []];
    for (const part of Object.keys(this.panes)) {
      const spans = own.filter((mark) => mark.part === part && mark.start !== null).map(({ start, end }) => [start, end]);
      depths(spans).forEach((covered, i) => levels[i].push(...covered.map(([start, end]) => ({ part, start, end }))));
    }
    levels.forEach((spans, i) => this.set(`m1-mark-${i + 1}`, spans));
    this.set("m1-other", others);
    this.set("m1-suggested", suggested);
  }
  flash(span) {
    this.set("m1-flash", [span]);
    clearTimeout(this.flashing);
    this.flashing = setTimeout(() => this.set("m1-flash", []), 1500);
  }
}
