// Fine-tuning in a job's details: losses and learning rate by step, sample output, the finished model.
import { cardNodes } from "../shell/card.js";
import { isNewFor, node, partsOf, say, setText } from "../shell/elements.js";
import { inkOf, loadPlotly, onGroundChange } from "../shell/plotly.js";
import { number, percent } from "../shell/words.js";
import { compareAddress } from "./asked_again.js";
import { preferenceFigure, rewardFigure } from "./preference_chart.js";

/** @typedef {[step: number, value: number]} Point */
/** @typedef {[step: number, value: number, low: number, high: number, n: number]} Measured With its 95% interval. */

/**
 * @typedef {object} TunedModel
 * @property {string} model
 * @property {string} base
 * @property {string} ask The model to ask; empty when it is not served.
 * @property {boolean} can_compare
 * @property {string[]} models
 * @property {string} how
 * @property {string} card In Markdown.
 * @property {string} alike What a comparison asks of base and model.
 */

/**
 * @typedef {object} Training
 * @property {Point[]} train
 * @property {Point[]} evaluation
 * @property {Point[]} rate
 * @property {Measured[]} accuracy Step 0 is the base model.
 * @property {import("./preference_chart.js").Preferences | null} preferences Null unless it trains on preference pairs.
 * @property {import("./preference_chart.js").Rewards | null} [rewards] Null unless it trains by rewards.
 * @property {string} said
 * @property {{ step: number, text: string }[]} samples
 * @property {TunedModel | null} tuned
 */

/**
 * @param {Point[]} points
 * @param {string} name
 * @param {object} more
 */
export const line = (points, name, more) => ({
  type: "scatter",
  x: points.map(([step]) => step),
  y: points.map(([, value]) => value),
  name,
  ...more,
});

/**
 * The accuracy of checkpoints, with its intervals.
 * @param {Measured[]} points
 * @param {string} name
 * @param {string} colour
 * @param {object} more
 */
export const accuracyLine = (points, name, colour, more) =>
  line(
    points.map(([step, value]) => [step, value]),
    name,
    {
      mode: "lines+markers",
      marker: { symbol: "square", size: 7 },
      cliponaxis: false,
      line: { color: colour, width: 1.8 },
      error_y: {
        type: "data",
        symmetric: false,
        array: points.map(([, value, , high]) => high - value),
        arrayminus: points.map(([, value, low]) => value - low),
        color: colour,
        thickness: 1.2,
        width: 4,
      },
      text: points.map(([, , low, high, n]) => `${percent(low)} to ${percent(high)}, n = ${number(n)}`),
      hovertemplate: "%{y:.1%} (%{text})",
      ...more,
    },
  );

/**
 * @param {Training} value
 * @param {import("../shell/plotly.js").Ink} ink
 */
function trainingFigure(value, ink) {
  const axis = { gridcolor: ink("--m1-line"), zeroline: false, fixedrange: true };
  const dots = (/** @type {Point[]} */ points) => (points.length < 2 ? "lines+markers" : "lines");
  const data = [
    line(value.train, "training loss", {
      mode: dots(value.train),
      line: { color: ink("--m1-line-0"), width: 1.8 },
    }),
    line(value.evaluation, "held-out loss", {
      mode: "lines+markers",
      marker: { symbol: "diamond", size: 8 },
      cliponaxis: false,
      line: { color: ink("--m1-line-1"), dash: "dash", width: 1.8 },
    }),
    line(value.rate, "learning rate", {
      mode: dots(value.rate),
      yaxis: "y2",
      hovertemplate: "%{y:.2e}",
      line: { color: ink("--m1-quiet"), dash: "dot", width: 1.6 },
    }),
  ];
  const hasAccuracy = value.accuracy.length > 0;
  if (hasAccuracy) data.push(accuracyLine(value.accuracy, "accuracy", ink("--m1-line-2"), { yaxis: "y3" }));
  const label = { bgcolor: ink("--m1-paper"), bordercolor: ink("--m1-line"), font: { color: ink("--m1-ink") } };
  const layout = {
    template: "none",
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    showlegend: false,
    hovermode: "x unified",
    font: { color: ink("--m1-quiet"), size: 12 },
    margin: { l: 56, r: 8, t: 8, b: 38 },
    hoverlabel: label,
    xaxis: { ...axis, anchor: "y2", title: { text: "step", standoff: 6 }, rangemode: "tozero" },
    yaxis: { ...axis, domain: [hasAccuracy ? 0.6 : 0.36, 1], title: { text: "loss" } },
    ...(hasAccuracy && {
      yaxis3: {
        ...axis,
        domain: [0.26, 0.52],
        title: { text: "accuracy" },
        range: [0, 1],
        tickvals: [0, 0.5, 1],
        tickformat: ".0%",
      },
    }),
    yaxis2: {
      ...axis,
      domain: [0, hasAccuracy ? 0.16 : 0.24],
      title: { text: "rate" },
      rangemode: "tozero",
      nticks: 3,
      exponentformat: "e",
    },
  };
  return { data, layout };
}

export class TrainingDetail {
  #part;
  #ink;
  /** @type {Training | null} */
  #shown = null;

  /** @param {import("../shell/elements.js").Host} host */
  constructor({ element, signal }) {
    this.#part = partsOf(element);
    this.#ink = inkOf(element);
    onGroundChange(() => {
      for (const name of ["training-chart", "preferences-chart"]) delete this.#part(name).dataset.shown;
      if (this.#shown) this.#draw(this.#shown);
    }, signal);
  }

  /** @param {Training | null} value */
  show(value) {
    this.#shown = value;
    this.#part("training").hidden = !value;
    if (!value) return;
    this.#showTuned(value.tuned);
    say(this.#part("training-said"), value.said);
    this.#showSamples(value.samples);
    this.#draw(value);
  }

  /**
   * Draws only new data: a chart redrawn every second is unreadable.
   * @param {Training} value
   */
  #draw(value) {
    const { train, rate, evaluation, accuracy, preferences, rewards } = value;
    const isEmpty = !train.length && !evaluation.length && !accuracy.length;
    this.#part("training-chart").hidden = isEmpty;
    this.#part("training-key").hidden = isEmpty;
    this.#part("training-key-accuracy").hidden = !accuracy.length;
    this.#part("training-chart").classList.toggle("has-accuracy", accuracy.length > 0);
    const shown = [train, rate, evaluation, accuracy];
    if (!isEmpty) this.#drawAt("training-chart", value.said, shown, () => trainingFigure(value, this.#ink));
    this.#part("preferences").hidden = !preferences && !rewards;
    setText(this.#part("preferences-title"), rewards ? "Right answers" : "Preference pairs");
    const name = "preferences-chart";
    if (rewards) this.#drawAt(name, value.said, rewards, () => rewardFigure(rewards, this.#ink));
    else if (preferences) this.#drawAt(name, value.said, preferences, () => preferenceFigure(preferences, this.#ink));
  }

  /**
   * @param {string} name
   * @param {string} said
   * @param {unknown} shown What the figure is made of.
   * @param {() => { data: object[], layout: object }} figure
   */
  async #drawAt(name, said, shown, figure) {
    const place = this.#part(name);
    place.setAttribute("aria-label", `Chart: ${said}`);
    if (!isNewFor(place, shown)) return;
    const wanted = place.dataset.shown;
    try {
      const library = await loadPlotly();
      if (place.dataset.shown !== wanted) return;
      const { data, layout } = figure();
      await library.react(place, data, layout, { responsive: true, displayModeBar: false });
    } catch (error) {
      say(this.#part("notice"), error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {Training["samples"]} samples */
  #showSamples(samples) {
    if (!isNewFor(this.#part("samples"), samples)) return;
    this.#part("samples-box").hidden = !samples.length;
    const items = samples.map((sample) => {
      const item = node("li");
      const when = sample.step ? `Step ${number(sample.step)}` : "The base model";
      item.append(node("b", "m1-number", when), node("pre", "", sample.text || "(nothing)"));
      return item;
    });
    this.#part("samples").replaceChildren(...items);
  }

  /** @param {TunedModel | null} tuned */
  #showTuned(tuned) {
    const part = this.#part;
    part("tuned").hidden = !tuned;
    if (!tuned) return;
    setText(part("tuned-model"), `${tuned.model}, fine-tuned from ${tuned.base}`);
    part("tuned-ask").hidden = !tuned.ask;
    part("tuned-benchmark").hidden = !tuned.ask;
    part("tuned-ask", HTMLAnchorElement).href = `/?${new URLSearchParams({ model: tuned.ask })}`;
    part("tuned-compare").hidden = !tuned.can_compare;
    part("tuned-compare", HTMLAnchorElement).href = compareAddress(tuned.models);
    if (isNewFor(part("tuned-card"), tuned.card)) part("tuned-card").replaceChildren(...cardNodes(tuned.card));
    part("tuned-card-box").hidden = !tuned.card;
    setText(part("tuned-benchmark"), tuned.can_compare ? "Benchmark both" : "Benchmark it");
    say(part("tuned-how"), tuned.how);
    say(part("tuned-alike"), tuned.alike);
  }
}
