// Heat maps, trajectories and flips of a sweep, drawn as SVG so that what is shown is what is exported. All texts are
// set as text; a click or Enter on a cell or a flip asks the columns to open it.
const svg = (tag, attributes, text) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  Object.entries(attributes || {}).forEach(([name, value]) => made.setAttribute(name, value));
  if (text !== undefined) made.textContent = text;
  return made;
};
const number = (value) => Number(value).toLocaleString("en-US");
const percent = (value) => `${(value * 100).toFixed(1)}%`;
const open = (band, cell, start, end) =>
  document.dispatchEvent(new CustomEvent("m1-open-cell", { detail: { band, cell, start, end } }));

const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-size", "font-family", "font-weight", "text-anchor", "dominant-baseline", "fill-opacity"];

// The drawing with its styles written into it, on the page's ground: it looks the same in any program.
function standalone(drawing) {
  const copy = drawing.cloneNode(true);
  const copies = copy.querySelectorAll("*");
  drawing.querySelectorAll("*").forEach((original, i) => {
    const style = getComputedStyle(original);
    STYLES.forEach((name) => copies[i].setAttribute(name, style.getPropertyValue(name)));
  });
  copy.querySelectorAll(".m1-guide").forEach((guide) => guide.remove());
  const [, , width, height] = drawing.getAttribute("viewBox").split(" ");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  const paper = getComputedStyle(element).getPropertyValue("--m1-paper").trim();
  copy.prepend(svg("rect", { width, height, fill: paper }));
  return new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" });
}
function save(blob, name) {
  const link = node("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
async function savePng(drawing, name) {
  const image = new Image();
  const url = URL.createObjectURL(standalone(drawing));
  image.src = url;
  await image.decode();
  const canvas = node("canvas");
  canvas.width = image.width * 2;
  canvas.height = image.height * 2;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(url);
  canvas.toBlob((blob) => save(blob, name), "image/png");
}
// A drawing under its title, with buttons that save it.
function figure(title, name, drawing, ...others) {
  const made = node("figure", "m1-figure");
  const head = node("figcaption", "m1-pane-head");
  const exports = node("span");
  exports.append(...others);
  exports.append(button("SVG", () => save(standalone(drawing), `${name}.svg`)));
  exports.append(button("PNG", () => savePng(drawing, `${name}.png`)));
  head.append(node("h3", "", title), exports);
  const frame = node("div", "m1-drawing");
  frame.append(drawing);
  made.append(head, frame);
  return made;
}

const CELL = { width: 58, height: 30, left: 74, bottom: 58 };
const LEGEND = "✓ right, ✗ wrong, – no option, · not scored, ! failed, … answering, empty: waiting, × not reached";

function heatMap(value, cells, act) {
  const { budgets, rounds } = value;
  const width = Math.max(CELL.left + budgets.length * CELL.width + 4, act ? 560 : 0);
  const height = rounds.length * CELL.height + CELL.bottom;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "m1-heat", role: "group" });
  const across = (budget) => CELL.left + budgets.indexOf(budget) * CELL.width;
  const down = (round) => (rounds.length - 1 - rounds.indexOf(round)) * CELL.height;
  rounds.forEach((round) =>
    drawing.append(svg("text", { x: CELL.left - 8, y: down(round) + 19, "text-anchor": "end" }, `${round} ${round === 1 ? "round" : "rounds"}`)),
  );
  const under = rounds.length * CELL.height;
  budgets.forEach((budget) =>
    drawing.append(svg("text", { x: across(budget) + CELL.width / 2, y: under + 16, "text-anchor": "middle" }, number(budget))),
  );
  drawing.append(svg("text", { x: CELL.left, y: under + 33 }, "thinking budget in tokens"));
  if (act) drawing.append(svg("text", { x: 0, y: under + 51, class: "m1-legend" }, LEGEND));
  cells.forEach((cell, i) => {
    const place = svg("g", { transform: `translate(${across(cell.budget)} ${down(cell.rounds)})`, class: "m1-cell", "data-key": cell.key });
    if (cell.verdict) place.setAttribute("data-verdict", cell.verdict);
    const box = svg("rect", { x: 1, y: 1, width: CELL.width - 3, height: CELL.height - 3, rx: 2 });
    if (cell.share !== undefined) box.style.fillOpacity = cell.share === null ? 0 : 0.08 + 0.42 * cell.share;
    place.append(svg("title", {}, cell.label), box);
    place.append(svg("text", { x: CELL.width / 2 - 1, y: 19, "text-anchor": "middle" }, cell.mark));
    if (act) {
      place.setAttribute("role", "button");
      place.setAttribute("aria-label", cell.label);
      place.setAttribute("tabindex", i ? -1 : 0);
      place.addEventListener("click", () => act(cell.key));
      place.addEventListener("keydown", (event) => moveOrOpen(event, value, cell, act));
    }
    drawing.append(place);
  });
  return drawing;
}
function moveOrOpen(event, { budgets, rounds }, cell, act) {
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    if (!event.ctrlKey) act(cell.key);
    return;
  }
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] || [0, 0];
  const budget = budgets[budgets.indexOf(cell.budget) + dx];
  const round = rounds[rounds.indexOf(cell.rounds) + dy];
  const next = event.currentTarget.parentNode.querySelector(`[data-key="${budget}-${round}"]`);
  if (!(dx || dy) || !next) return;
  event.preventDefault();
  event.currentTarget.setAttribute("tabindex", -1);
  next.setAttribute("tabindex", 0);
  next.focus();
}

const PLOT = { width: 640, height: 250, left: 40, right: 606, top: 18, bottom: 206 };

function trajectory(value, band, isLog) {
  const { width, height, left, right, top, bottom } = PLOT;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "m1-trajectory", tabindex: 0, role: "img" });
  drawing.setAttribute("aria-label", "Probability of each option against thinking tokens. Left and right arrow keys read the values.");
  const scale = (tokens) => (isLog ? Math.log2(Math.max(1, tokens)) : tokens);
  const points = band.points.filter((point) => point.probabilities);
  const seen = [...value.budgets, ...points.map((point) => point.tokens)];
  const [low, high] = [isLog ? scale(Math.min(...seen)) : 0, scale(Math.max(...seen))];
  const x = (tokens) => left + 8 + ((scale(tokens) - low) / (high - low || 1)) * (right - left - 16);
  const y = (share) => bottom - share * (bottom - top);
  [0, 0.25, 0.5, 0.75, 1].forEach((share) => {
    drawing.append(svg("line", { x1: left, x2: right, y1: y(share), y2: y(share), class: "m1-grid" }));
    drawing.append(svg("text", { x: left - 6, y: y(share) + 4, "text-anchor": "end" }, `${share * 100}%`));
  });
  let free = -Infinity;
  value.budgets.forEach((budget) => {
    drawing.append(svg("line", { x1: x(budget), x2: x(budget), y1: bottom, y2: bottom + 5, class: "m1-tick" }));
    if (x(budget) - free < 34) return;
    free = x(budget);
    drawing.append(svg("text", { x: x(budget), y: bottom + 18, "text-anchor": "middle" }, number(budget)));
  });
  drawing.append(svg("text", { x: left, y: height - 6 }, `thinking tokens, ${isLog ? "logarithmic" : "linear"}; ticks are budgets, W marks a Wait`));
  band.waits.filter((tokens) => scale(tokens) >= low && scale(tokens) <= high).forEach((tokens) => {
    drawing.append(svg("line", { x1: x(tokens), x2: x(tokens), y1: top, y2: bottom, class: "m1-wait-mark" }));
    drawing.append(svg("text", { x: x(tokens), y: top - 4, "text-anchor": "middle", class: "m1-wait-name" }, "W"));
  });
  drawLines(drawing, value, points, x, y);
  const guide = svg("line", { y1: top, y2: bottom, class: "m1-guide", visibility: "hidden" });
  drawing.append(guide);
  return { drawing, points, x, guide };
}
function drawLines(drawing, value, points, x, y) {
  const last = points[points.length - 1];
  const letters = Object.keys(value.options);
  const names = letters.map((letter) => ({ letter, y: y(last.probabilities[letter] || 0) })).sort((a, b) => b.y - a.y);
  names.forEach((name, i) => (name.at = Math.min(name.y + 4, i ? names[i - 1].at - 12 : Infinity)));
  letters.forEach((letter, i) => {
    const line = svg("g", { class: `m1-line m1-line-${i % 8} ${letter === value.target ? "is-target" : ""}` });
    const path = points.map((point) => `${x(point.tokens)},${y(point.probabilities[letter] || 0)}`);
    line.append(svg("polyline", { points: path.join(" ") }));
    points.forEach((point) => line.append(svg("circle", { cx: x(point.tokens), cy: y(point.probabilities[letter] || 0), r: letter === value.target ? 3.5 : 2.5 })));
    const name = names.find((each) => each.letter === letter);
    line.append(svg("text", { x: x(last.tokens) + 8, y: name.at }, letter === value.target ? `${letter} ◎` : letter));
    drawing.append(line);
  });
}
const said = (value, point) =>
  `${number(point.tokens)} tokens: ` +
  Object.keys(value.options).map((letter) => `${letter}${letter === value.target ? " (target)" : ""} ${percent(point.probabilities[letter] || 0)}`).join(", ") +
  `; answer ${point.answer}`;

function chart(value, band, name) {
  const title = "Probability of each option";
  const made = node("div", "m1-figure");
  if (band.no_chart) {
    made.append(node("h3", "", title), node("p", "m1-quiet", band.no_chart));
    return made;
  }
  const draw = () => {
    const { drawing, points, x, guide } = trajectory(value, band, isLogarithmic);
    const readout = node("p", "m1-readout m1-number", value.target ? `◎ is the target, option ${value.target}. Point at the chart to read its values.` : "Point at the chart to read its values.");
    readout.setAttribute("aria-live", "polite");
    let at = -1;
    const read = (i) => {
      at = Math.max(0, Math.min(points.length - 1, i));
      ["x1", "x2"].forEach((edge) => guide.setAttribute(edge, x(points[at].tokens)));
      guide.setAttribute("visibility", "visible");
      readout.textContent = said(value, points[at]);
    };
    drawing.addEventListener("pointermove", (event) => {
      const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse()).x;
      const far = points.map((point) => Math.abs(x(point.tokens) - place));
      read(far.indexOf(Math.min(...far)));
    });
    drawing.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, Home: -points.length, End: points.length }[event.key];
      if (step) {
        event.preventDefault();
        read(at + step);
      }
    });
    const other = button(isLogarithmic ? "Linear axis" : "Logarithmic axis", () => {
      isLogarithmic = !isLogarithmic;
      paint(true);
    });
    made.append(figure(title, `${name}-trajectory`, drawing, other), readout);
  };
  draw();
  return made;
}

function flips(band) {
  const made = node("div", "m1-flips");
  made.append(node("h3", "", "Flips"));
  if (!band.flips.length) made.append(node("p", "m1-quiet", band.no_flips));
  const list = node("ol");
  band.flips.forEach((flip) => {
    const item = node("li");
    const link = button("", () => open(band.id, flip.cell, flip.start, flip.end));
    const kind = node("span", "m1-verdict", flip.kind);
    kind.dataset.verdict = flip.verdict;
    link.append(kind, node("b", "", ` ${flip.change} `), node("span", "m1-quiet m1-number", flip.between), node("q", "", flip.sentence));
    const annotate = node("a", "m1-annotate-link", "Annotate this sentence");
    const [start, end] = flip.code_points;
    annotate.href = `/annotate/?case=${flip.case}&start=${start}&end=${end}`;
    item.append(link, annotate);
    list.append(item);
  });
  if (band.flips.length) made.append(list);
  return made;
}

let isLogarithmic = true;
const root = element.querySelector('[data-part="charts"]');
const painted = new Map();
let paintedId = null;

// Draws what changed; a cell keeps the keyboard's focus.
function paint(isForced) {
  const value = props.value || {};
  if (value.id !== paintedId) painted.clear();
  paintedId = value.id;
  const parts = [
    ...(value.bands || []).map((band) => ({ id: band.id, data: band, draw: () => bandOf(value, band) })),
    ...(value.shares || []).map((share) => ({ id: `share ${share.title}`, data: share, draw: () => shareOf(value, share) })),
  ];
  const focused = document.activeElement?.closest?.(".m1-cell");
  const [band, key] = [focused?.closest("[data-chart]")?.dataset.chart, focused?.dataset.key];
  const kept = parts.map(({ id, data, draw }) => {
    const text = JSON.stringify(data);
    if (!isForced && painted.get(id)?.text === text) return painted.get(id).drawn;
    const drawn = draw();
    drawn.dataset.chart = id;
    painted.set(id, { text, drawn });
    return drawn;
  });
  if (kept.length !== root.childElementCount || kept.some((drawn, i) => root.children[i] !== drawn)) root.replaceChildren(...kept);
  if (key) root.querySelector(`[data-chart="${CSS.escape(band)}"] [data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}
function bandOf(value, band) {
  const made = node("div", "m1-chart-band");
  const name = `m1-sweep-${band.id.slice(0, 8)}`;
  const map = heatMap(value, band.cells, (key) => open(band.id, key));
  const left = node("div");
  left.append(figure("Answer of each cell", `${name}-cells`, map), flips(band));
  made.append(node("h2", "", band.title), left, chart(value, band, name));
  return made;
}
function shareOf(value, share) {
  const made = node("div", "m1-chart-band m1-share");
  made.append(figure(share.title, `m1-sweep-${value.id.slice(0, 8)}-share`, heatMap(value, share.cells, null)));
  return made;
}
watch("value", () => paint(false));
paint(false);
