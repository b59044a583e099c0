// Histograms of samples: figures come from the server, colours from the page.
import { isNewFor } from "../shell/elements.js";
import { inColours, loadPlotly } from "../shell/plotly.js";

/** @typedef {import("../shell/plotly.js").Figure & { said: string }} Chart */

/**
 * Draws a chart, unless it is there already.
 * @param {HTMLElement} pane
 * @param {Chart} chart
 * @param {import("../shell/plotly.js").Ink} ink
 * @param {boolean} isAnew Whether the colours have changed.
 */
export async function drawChart(pane, chart, ink, isAnew) {
  const library = await loadPlotly();
  if (isAnew) delete pane.dataset.shown;
  if (!isNewFor(pane, chart)) return;
  pane.setAttribute("aria-label", chart.said || "Nothing to show");
  const { data, layout } = inColours(chart, ink, pane.clientWidth);
  await library.react(pane, data, layout, { responsive: true, displayModeBar: false });
}
