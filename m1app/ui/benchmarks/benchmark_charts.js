// The curves: figures come from the server, colours from the page's ground.
const seeThrough = (colour, share) => `rgba(${[1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)).join(",")},${share})`;
// Labels of an axis with room between them: every second or third, counted from the last.
function roomy(labels, width) {
  const step = Math.ceil((labels.length * 44) / Math.max(1, width - 70));
  return labels.map((label, i) => ((labels.length - 1 - i) % step ? "" : label));
}
function painted(figure, width) {
  const copy = structuredClone(figure);
  copy.data.forEach((trace) => {
    const count = trace.meta?.colour;
    if (trace.type === "sankey") {
      trace.textfont.color = ink("--m1-ink");
      return;
    }
    const colour = count === null || count === undefined ? ink("--m1-quiet") : ink(`--m1-line-${count % 8}`);
    if (trace.meta?.is_band) trace.fillcolor = seeThrough(colour, 0.13);
    else trace.line.color = colour;
    if (trace.error_y) trace.error_y.color = colour;
    if (count !== null && trace.marker) trace.marker.color = colour;
    if (count === null && trace.marker) trace.marker.line.color = colour;
  });
  if (copy.layout.xaxis) copy.layout.xaxis.ticktext = roomy(copy.layout.xaxis.ticktext, width);
  copy.layout.font.color = ink("--m1-quiet");
  copy.layout.hoverlabel = { bgcolor: ink("--m1-paper"), bordercolor: ink("--m1-line"), font: { color: ink("--m1-ink") }, align: "left" };
  return copy;
}
const SHOWN = { responsive: true, displayModeBar: false, doubleClick: "reset" };
async function draw(place, figure) {
  const library = await loadPlotly();
  const { data, layout } = painted(figure, place.clientWidth);
  place.m1Figure = figure;
  await library.react(place, data, { ...layout, showlegend: false }, SHOWN);
}
async function saveFigure(place, name, format) {
  const library = await loadPlotly();
  const size = { width: Math.max(640, place.clientWidth), height: place.clientHeight + 60 };
  const { data, layout } = painted(place.m1Figure, size.width);
  const image = await library.toImage({ data, layout: { ...layout, ...size, paper_bgcolor: ink("--m1-paper") } }, { format, scale: format === "png" ? 2 : 1, ...size });
  const made = link("", image);
  made.download = `${name}.${format}`;
  made.click();
}
const exports = (place, name) => ["SVG", "PNG"].map((text) => button(text, () => saveFigure(place, name, text.toLowerCase()), `Save the chart as ${text}`));
const fileName = (text) => `m1-${text}`.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/-+$/, "");

const DASHES = { solid: "", dash: "7 4", dot: "2 3", dashdot: "7 3 2 3", longdash: "11 4", longdashdot: "11 3 2 3" };
function keyEntry({ name, colour, dash }) {
  const made = node("li");
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  drawing.setAttribute("viewBox", "0 0 26 8");
  drawing.setAttribute("aria-hidden", "true");
  const stroke = document.createElementNS("http://www.w3.org/2000/svg", "line");
  Object.entries({ x1: 0, x2: 26, y1: 4, y2: 4, "stroke-width": 2, "stroke-dasharray": DASHES[dash] || "" }).forEach(([key, value]) => stroke.setAttribute(key, value));
  stroke.style.stroke = colour === null ? "var(--m1-quiet)" : `var(--m1-line-${colour % 8})`;
  drawing.append(stroke);
  made.append(drawing, node("span", "", name));
  return made;
}
function panelOf(value) {
  const found = [...q("panels").children].find((each) => each.dataset.set === value.question_set);
  const made = found || node("figure", "m1-figure m1-chart-panel");
  if (!found) {
    made.dataset.set = value.question_set;
    const head = node("figcaption", "m1-pane-head");
    const place = node("div", "m1-plot");
    const files = node("span");
    head.append(node("h3", "", value.title), files);
    files.append(...exports(place, fileName(`${view.chart} ${value.title}`)));
    place.setAttribute("role", "img");
    made.append(head, place, node("ul", "m1-key"), node("p", "m1-quiet"));
  }
  made.querySelector(".m1-plot").setAttribute("aria-label", `Chart of ${value.title}: the numbers are in the table below`);
  const key = JSON.stringify(value.key);
  const list = made.querySelector(".m1-key");
  if (list.dataset.shown !== key) {
    list.dataset.shown = key;
    list.replaceChildren(...value.key.map(keyEntry));
  }
  say(made.querySelector(".m1-quiet"), value.note);
  return made;
}
const NOTES = {
  budget: "Bands are 95% intervals (Wilson; for averages and for several passes a bootstrap over questions, widened where few were asked). Unanswered and failed questions count as wrong.",
  rounds: "Bars are 95% intervals. A force round turns the model's wish to stop into “Wait”.",
  cost: "Tokens are those that a run of the cell alone generates for a question, mean. Bars are 95% intervals.",
  thinking: "Thinking tokens that the answers were given, mean, against what was allowed.",
  answered: "The share of questions in whose answer the scoring rule found an option.",
};
const curvesQuestion = () => ({
  runs: chosenIds(), rule: view.rule, chart: view.chart, sets: panelSets(), model: known(view.model, modelsOf(chosen), ""),
  rounds: known(view.rounds, roundsOf(chosen).map(String), ""),
  budget: view.chart === "rounds" ? known(view.budget, budgetsOf(chosen).map(String), "") : "", paper: view.paper === "1",
});
async function showCurves() {
  if (!q("panels").childElementCount) say(q("curves-note"), "Reading the results …");
  const reply = await askLatest("curves", "curves", curvesQuestion());
  if (!reply) return;
  if (reply.error) return notice(reply.error);
  const made = reply.panels.map(panelOf);
  const isSame = made.length === q("panels").childElementCount && made.every((each, i) => q("panels").children[i] === each);
  if (!isSame) q("panels").replaceChildren(...made);
  q("panels").classList.toggle("is-grid", made.length > 1);
  say(q("curves-note"), made.length ? `${NOTES[view.chart]} ${leftOut()}`.trim() : nothingYet());
  q("points-box").hidden = !made.length;
  try {
    for (const [i, each] of made.entries()) await draw(each.querySelector(".m1-plot"), reply.panels[i].figure);
  } catch (error) {
    notice(error.message);
  }
  await showPoints();
}
// The numbers are read only when they are looked at.
async function showPoints() {
  if (!q("points-box").open || q("points-box").hidden) return;
  const reply = await askLatest("points", "points", curvesQuestion());
  if (reply?.error) notice(reply.error);
  else if (reply) showTable("points", reply.table);
}
q("points-box").addEventListener("toggle", showPoints);
// A run of one set has no average over sets: its absence must not look like a missing result.
function leftOut() {
  const without = panelSets().join() === "" ? chosen.filter((run) => run.sets.length === 1).map((run) => run.name) : [];
  return without.length ? `Not in the macro average, with one set only: ${without.join(", ")}.` : "";
}
const nothingYet = () =>
  chosen.some((run) => run.is_live) ? "No answer yet: the curves begin with the first question that is done." : "There is no answer for what is chosen. Choose another set, model or number of rounds.";
// The charts follow the page's ground.
new MutationObserver(() => element.querySelectorAll(".m1-plot").forEach((place) => place.m1Figure && draw(place, place.m1Figure))).observe(document.body, { attributes: true, attributeFilter: ["class"] });
