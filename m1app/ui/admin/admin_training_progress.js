// A fine-tuning in a job's detail: losses and learning rate against steps, what the model wrote, the finished model.
const line = (points, name, more) => ({ type: "scatter", x: points.map(([step]) => step), y: points.map(([, value]) => value), name, ...more });
function trainingFigure(value) {
  const axis = { gridcolor: ink("--m1-line"), zeroline: false, fixedrange: true };
  const dots = (points) => (points.length < 2 ? "lines+markers" : "lines");
  const data = [
    line(value.train, "training loss", { mode: dots(value.train), line: { color: ink("--m1-line-0"), width: 1.8 } }),
    line(value.evaluation, "held-out loss", { mode: "lines+markers", marker: { symbol: "diamond", size: 8 }, cliponaxis: false, line: { color: ink("--m1-line-1"), dash: "dash", width: 1.8 } }),
    line(value.rate, "learning rate", { mode: dots(value.rate), yaxis: "y2", hovertemplate: "%{y:.2e}", line: { color: ink("--m1-quiet"), dash: "dot", width: 1.6 } }),
  ];
  const layout = {
    template: "none", paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "x unified",
    font: { color: ink("--m1-quiet"), size: 12 }, margin: { l: 56, r: 8, t: 8, b: 38 },
    hoverlabel: { bgcolor: ink("--m1-paper"), bordercolor: ink("--m1-line"), font: { color: ink("--m1-ink") } },
    xaxis: { ...axis, anchor: "y2", title: { text: "step", standoff: 6 }, rangemode: "tozero" },
    yaxis: { ...axis, domain: [0.36, 1], title: { text: "loss" } },
    yaxis2: { ...axis, domain: [0, 0.24], title: { text: "rate" }, rangemode: "tozero", nticks: 3, exponentformat: "e" },
  };
  return { data, layout };
}
let shownTraining = null;
// Painted anew only when there is something new: a chart that is drawn every second cannot be read.
async function drawTraining(value) {
  const place = q("training-chart");
  const isEmpty = !value.train.length && !value.evaluation.length;
  place.hidden = q("training-key").hidden = isEmpty;
  place.setAttribute("aria-label", `Chart: ${value.said}`);
  const text = JSON.stringify([value.train, value.rate, value.evaluation]);
  if (isEmpty || place.dataset.shown === text) return;
  place.dataset.shown = text;
  try {
    const library = await loadPlotly();
    if (place.dataset.shown !== text) return;
    const { data, layout } = trainingFigure(value);
    await library.react(place, data, layout, { responsive: true, displayModeBar: false });
  } catch (error) {
    say("notice", error.message);
  }
}
function paintSamples(samples) {
  const text = JSON.stringify(samples);
  if (q("samples").dataset.shown === text) return;
  q("samples").dataset.shown = text;
  q("samples-box").hidden = !samples.length;
  q("samples").replaceChildren(
    ...samples.map((sample) => {
      const item = node("li");
      item.append(node("b", "m1-number", sample.step ? `Step ${sample.step.toLocaleString("en-US")}` : "The base model"), node("pre", "", sample.text || "(nothing)"));
      return item;
    }),
  );
}
function paintTuned(tuned) {
  q("tuned").hidden = !tuned;
  if (!tuned) return;
  setText(q("tuned-model"), `${tuned.model}, fine-tuned from ${tuned.base}`);
  q("tuned-ask").hidden = q("tuned-benchmark").hidden = !tuned.ask;
  q("tuned-ask").href = `/?${new URLSearchParams({ model: tuned.ask })}`;
  q("tuned-compare").hidden = !tuned.can_compare;
  q("tuned-compare").href = `/compare/?${new URLSearchParams({ models: tuned.models.join(",") })}`;
  setText(q("tuned-benchmark"), tuned.can_compare ? "Benchmark both" : "Benchmark it");
  say("tuned-how", tuned.how);
}
function paintTraining(value) {
  shownTraining = value || null;
  q("training").hidden = !value;
  if (!value) return;
  paintTuned(value.tuned);
  say("training-said", value.said);
  paintSamples(value.samples);
  drawTraining(value);
}
// The chart follows the page's ground.
new MutationObserver(() => {
  delete q("training-chart").dataset.shown;
  if (shownTraining) drawTraining(shownTraining);
}).observe(document.body, { attributes: true, attributeFilter: ["class"] });
