// Draws the charts of a page when they come into view; the chart library is loaded after the page is there.

import { added } from "./shards.js";

/**
 * The library that `assets/plotly.js` brings.
 * @typedef {{ newPlot: (place: HTMLElement, data: any[], layout: any, options: any) => void,
 *   relayout: (place: HTMLElement, changes: any) => void }} Plotly
 */

/** @type {Promise<unknown> | null} */
let loading = null;
const DRAWN_AHEAD = "300px";

/** Waits for charts to come into view, and draws them; all of them before the page is printed. */
export function drawCharts() {
  const places = [...document.querySelectorAll(".plot")].filter((found) => found instanceof HTMLElement);
  if (!places.length) return;
  const seen = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting || !(target instanceof HTMLElement)) continue;
        seen.unobserve(target);
        requestAnimationFrame(() => setTimeout(() => draw(target)));
      }
    },
    { rootMargin: DRAWN_AHEAD },
  );
  for (const place of places) seen.observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => places.forEach(recolour));
  addEventListener("beforeprint", () => places.forEach(draw));
}

/** @param {HTMLElement} place */
async function draw(place) {
  if (place.dataset.drawn) return;
  place.dataset.drawn = "loading";
  loading ??= added("assets/plotly.js");
  try {
    await loading;
  } catch (problem) {
    place.textContent = problem instanceof Error ? problem.message : String(problem);
    return;
  }
  const { data, layout } = JSON.parse(place.nextElementSibling?.textContent ?? "{}");
  const ink = inkOf();
  layout.font.color = ink;
  for (const trace of data) if (trace.textfont) trace.textfont.color = ink;
  plotly().newPlot(place, data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
  place.dataset.drawn = "yes";
}

/** @param {HTMLElement} place */
function recolour(place) {
  if (place.dataset.drawn === "yes") plotly().relayout(place, { "font.color": inkOf() });
}

function inkOf() {
  return getComputedStyle(document.body).color;
}

/** @returns {Plotly} */
function plotly() {
  return Reflect.get(globalThis, "Plotly");
}
