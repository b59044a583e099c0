// Fine-tuning in a job's details: losses and learning rate by step, sample output, the finished model.
import { isNewFor, node, partsOf, say, setText } from "../shell/elements.js";
import { inkOf, loadPlotly, onGroundChange } from "../shell/plotly.js";
import { number } from "../shell/words.js";

/** @typedef {[step: number, value: number]} Point */

/**
 * @typedef {object} TunedModel
 * @property {string} model
 * @property {string} base
 * @property {string} ask The model to ask; empty when it is not served.
 * @property {boolean} can_compare
 * @property {string[]} models
 * @property {string} how
 */

/**
 * @typedef {object} Training
 * @property {Point[]} train
 * @property {Point[]} evaluation
 * @property {Point[]} rate
 * @property {string} said
 * @property {{ step: number, text: string }[]} samples
 * @property {TunedModel | null} tuned
 */

/**
 * @param {Point[]} points
 * @param {string} name
 * @param {object} more
 */
const line = (points, name, more) => ({
  type: "scatter",
  x: points.map(([step]) => step),
  y: points.map(([, value]) => value),
  name,
  ...more,
});

/**
 * @param {Training} value
 * @param {import("../shell/plotly.js").Ink} ink
 */
export function trainingFigure(value, ink) {
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
    yaxis: { ...axis, domain: [0.36, 1], title: { text: "loss" } },
    yaxis2: {
      ...axis,
      domain: [0, 0.24],
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
      delete this.#part("training-chart").dataset.shown;
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
  async #draw(value) {
    const place = this.#part("training-chart");
    const isEmpty = !value.train.length && !value.evaluation.length;
    place.hidden = isEmpty;
    this.#part("training-key").hidden = isEmpty;
    place.setAttribute("aria-label", `Chart: ${value.said}`);
    if (isEmpty || !isNewFor(place, [value.train, value.rate, value.evaluation])) return;
    const wanted = place.dataset.shown;
    try {
      const library = await loadPlotly();
      if (place.dataset.shown !== wanted) return;
      const { data, layout } = trainingFigure(value, this.#ink);
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
    const models = new URLSearchParams({ models: tuned.models.join(",") });
    part("tuned-compare", HTMLAnchorElement).href = `/compare/?${models}`;
    setText(part("tuned-benchmark"), tuned.can_compare ? "Benchmark both" : "Benchmark it");
    say(part("tuned-how"), tuned.how);
  }
}
