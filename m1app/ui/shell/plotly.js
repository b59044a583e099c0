// Loads the app's copy of Plotly, and colours figures from the server to match the page.

/**
 * A figure from the server. `meta.colour` of a trace is its index in the palette, null for the quiet colour;
 * `meta.is_band` marks an area; `meta.ink` names another colour of the page.
 * @typedef {{ data: any[], layout: any }} Figure
 */

/**
 * The part of plotly.js in use.
 * @typedef {object} Plotly
 * @property {(place: HTMLElement, data: any[], layout: object, config?: object) => Promise<void>} react
 * @property {(figure: object, options: object) => Promise<string>} toImage
 * @property {(place: HTMLElement) => void} purge
 * @property {{ hover: (place: HTMLElement, points: object[]) => void, unhover: (place: HTMLElement) => void }} Fx
 */

/**
 * An element with a Plotly chart.
 * @typedef {HTMLElement & {
 *   on: (event: string, act: (event: any) => void) => void,
 *   removeAllListeners: (event: string) => void,
 * }} PlotElement
 */

/** @typedef {(name: string) => string} Ink The value of a colour of the page, such as `--m1-quiet`. */

/** @type {Promise<Plotly> | null} */
let loading = null;

/** Loaded once, when the first chart is drawn. */
export function loadPlotly() {
  loading ??= new Promise((done, fail) => {
    const script = document.createElement("script");
    script.src = "/plotly.min.js";
    script.addEventListener("load", () => done(/** @type {any} */ (window).Plotly));
    script.addEventListener("error", () => fail(new Error("The charts could not be loaded; reload the page.")));
    document.head.append(script);
  });
  return loading;
}

/**
 * @param {HTMLElement} element
 * @returns {Ink}
 */
export function inkOf(element) {
  const ground = element.firstElementChild ?? element;
  return (name) => getComputedStyle(ground).getPropertyValue(name).trim();
}

/**
 * Calls `repaint` whenever dark mode changes.
 * @param {() => void} repaint
 * @param {AbortSignal} signal
 */
export function onGroundChange(repaint, signal) {
  const observer = new MutationObserver(repaint);
  observer.observe(document.body, { attributes: true, attributeFilter: ["class"] });
  signal.addEventListener("abort", () => observer.disconnect());
}

/**
 * @param {string} colour As "#rrggbb".
 * @param {number} share
 */
export function seeThrough(colour, share) {
  return `rgba(${[1, 3, 5].map((i) => Number.parseInt(colour.slice(i, i + 2), 16)).join(",")},${share})`;
}

/**
 * Thins out axis labels: keeps every second or third, counted from the last.
 * @param {string[]} labels
 * @param {number} width Width of the whole chart, in pixels.
 */
export function roomy(labels, width) {
  const step = Math.ceil((labels.length * 44) / Math.max(1, width - 70));
  return labels.map((label, i) => ((labels.length - 1 - i) % step ? "" : label));
}

/**
 * A copy of the figure in the page's colours.
 * @param {Figure} figure
 * @param {Ink} ink
 * @param {number} width In pixels.
 * @returns {Figure}
 */
export function inColours(figure, ink, width) {
  const copy = structuredClone(figure);
  for (const trace of copy.data) colourTrace(trace, ink);
  const { xaxis, font } = copy.layout;
  if (xaxis?.ticktext) xaxis.ticktext = roomy(xaxis.ticktext, width);
  font.color = ink("--m1-quiet");
  const label = { bgcolor: ink("--m1-paper"), bordercolor: ink("--m1-line"), font: { color: ink("--m1-ink") } };
  copy.layout.hoverlabel = { ...label, align: "left" };
  return copy;
}

/**
 * @param {any} trace
 * @param {Ink} ink
 */
function colourTrace(trace, ink) {
  const place = trace.meta?.colour;
  if (trace.type === "sankey") {
    trace.textfont.color = ink("--m1-ink");
    return;
  }
  const isQuiet = place === null || place === undefined;
  const colour = isQuiet ? ink(trace.meta?.ink ?? "--m1-quiet") : ink(`--m1-line-${place % 8}`);
  if (trace.meta?.is_band) trace.fillcolor = seeThrough(colour, 0.13);
  else if (trace.line) trace.line.color = colour;
  if (trace.textfont) trace.textfont.color = colour;
  if (trace.error_y) trace.error_y.color = colour;
  if (!trace.marker) return;
  if (place !== null) trace.marker.color = colour;
  else trace.marker.line.color = colour;
}

/**
 * Saves a figure as it would be drawn at this size.
 * @param {Figure} figure In the page's colours.
 * @param {string} name Of the file, without extension.
 * @param {"svg" | "png"} format
 * @param {{ width: number, height: number }} size
 * @param {string} paper The background.
 */
export async function saveFigure(figure, name, format, size, paper) {
  const library = await loadPlotly();
  const layout = { ...figure.layout, ...size, paper_bgcolor: paper };
  const scale = format === "png" ? 2 : 1;
  const image = await library.toImage({ data: figure.data, layout }, { format, scale, ...size });
  const made = document.createElement("a");
  made.href = image;
  made.download = `${name}.${format}`;
  made.click();
}
