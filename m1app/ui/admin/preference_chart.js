// What a training on preferences is followed by: margin and accuracy of pairs, or the share of right answers, by step.

/** @typedef {[step: number, value: number | null]} Point */

/**
 * @typedef {object} Preferences
 * @property {Point[]} margin Of the pairs that are trained on: reward of the better response minus that of the other.
 * @property {Point[]} margin_held_out
 * @property {Point[]} accuracy Share of pairs whose better response has the higher reward.
 * @property {Point[]} accuracy_held_out
 */

/**
 * @typedef {object} Rewards
 * @property {Point[]} right Share of right answers to the questions that are trained on.
 * @property {Point[]} right_held_out
 */

/** @typedef {import("../shell/plotly.js").Ink} Ink */

const PERCENT = "%{y:.0%}";

/** @param {Ink} ink */
const lines = (ink) => ({
  trained: { line: { color: ink("--m1-line-0"), width: 1.8 } },
  heldOut: {
    mode: "lines+markers",
    marker: { symbol: "diamond", size: 8 },
    cliponaxis: false,
    line: { color: ink("--m1-line-1"), dash: "dash", width: 1.8 },
  },
});

/** @param {Ink} ink */
const common = (ink) => ({
  template: "none",
  paper_bgcolor: "rgba(0,0,0,0)",
  plot_bgcolor: "rgba(0,0,0,0)",
  showlegend: false,
  hovermode: "x unified",
  font: { color: ink("--m1-quiet"), size: 12 },
  margin: { l: 56, r: 8, t: 8, b: 38 },
  hoverlabel: { bgcolor: ink("--m1-paper"), bordercolor: ink("--m1-line"), font: { color: ink("--m1-ink") } },
});

/** @param {Ink} ink */
const axisOf = (ink) => ({ gridcolor: ink("--m1-line"), zeroline: false, fixedrange: true });

/**
 * @param {Rewards} value
 * @param {Ink} ink
 */
export function rewardFigure(value, ink) {
  const { trained, heldOut } = lines(ink);
  const axis = axisOf(ink);
  const data = [
    series(value.right, "right answers", { ...trained, hovertemplate: PERCENT }),
    series(value.right_held_out, "right answers, held out", { ...heldOut, hovertemplate: PERCENT }),
  ];
  const layout = {
    ...common(ink),
    xaxis: { ...axis, title: { text: "step", standoff: 6 }, rangemode: "tozero" },
    yaxis: { ...axis, title: { text: "right answers" }, range: [-0.03, 1.03], tickformat: ".0%" },
  };
  return { data, layout };
}

/**
 * @param {Preferences} value
 * @param {Ink} ink
 */
export function preferenceFigure(value, ink) {
  const { trained, heldOut } = lines(ink);
  const data = [
    series(value.margin, "margin", trained),
    series(value.margin_held_out, "margin, held out", heldOut),
    series(value.accuracy, "pairs right", { ...trained, yaxis: "y2", hovertemplate: PERCENT }),
    series(value.accuracy_held_out, "pairs right, held out", { ...heldOut, yaxis: "y2", hovertemplate: PERCENT }),
  ];
  const axis = axisOf(ink);
  const layout = {
    ...common(ink),
    xaxis: { ...axis, anchor: "y2", title: { text: "step", standoff: 6 }, rangemode: "tozero" },
    yaxis: { ...axis, domain: [0.55, 1], title: { text: "margin" }, zeroline: true, zerolinecolor: ink("--m1-quiet") },
    yaxis2: { ...axis, domain: [0, 0.42], title: { text: "pairs right" }, range: [-0.03, 1.03], tickformat: ".0%" },
  };
  return { data, layout };
}

/**
 * @param {Point[]} points
 * @param {string} name
 * @param {object} more
 */
const series = (points, name, more) => ({
  type: "scatter",
  mode: points.length < 2 ? "lines+markers" : "lines",
  x: points.map(([step]) => step),
  y: points.map(([, value]) => value),
  name,
  ...more,
});
