// The summary's bars and the table of agreement. A bar asks the queue for its cases.
import { node, partsOf, say } from "../shell/elements.js";

/** @typedef {{ name: string, title: string, size: number, value: string, filter: object }} Bar */
/** @typedef {{ title: string, note: string, most: number, bars: Bar[] }} BarChart */
/** @typedef {{ name: string, value: string, interval: string, items: string, note: string }} AgreementRow */
/** @typedef {{ kind: "summary", error?: string, head: string, charts: BarChart[] }} SummaryValue */
/** @typedef {{ kind: "agreement", error?: string, head: string, rows: AgreementRow[] }} AgreementValue */

const HEADS = /** @type {const} */ ([
  ["What", ""],
  ["Agreement", "m1-number"],
  ["95% interval", "m1-number"],
  ["Items", "m1-number"],
  ["Note", ""],
]);

/**
 * @param {Bar} each
 * @param {number} most
 */
function barRow(each, most) {
  const row = node("li");
  const made = node("button", "m1-bar-row");
  made.type = "button";
  made.title = each.title;
  const track = node("span", "m1-bar-track");
  const fill = node("span", "m1-bar-fill");
  fill.style.setProperty("--share", String(most ? each.size / most : 0));
  track.append(fill);
  made.append(node("span", "m1-bar-name", each.name), " ", track, node("span", "m1-number", each.value));
  made.setAttribute("aria-label", `${each.name} ${each.value}. Show its cases`);
  made.addEventListener("click", () =>
    document.dispatchEvent(new CustomEvent("m1-annotate-filter", { detail: each.filter })),
  );
  row.append(made);
  return row;
}

/** @param {BarChart} chart */
function barChart({ title, note, most, bars }) {
  const made = node("section", "m1-bar-chart");
  const list = node("ol");
  list.append(...bars.map((each) => barRow(each, most)));
  made.append(node("h3", "", title));
  if (note) made.append(node("p", "m1-quiet", note));
  made.append(list);
  return made;
}

/** @param {AgreementRow[]} rows */
function agreementTable(rows) {
  const table = node("table", "m1-table m1-agreement");
  const head = node("thead");
  const names = node("tr");
  names.append(...HEADS.map(([text, className]) => node("th", className, text)));
  head.append(names);
  const body = node("tbody");
  for (const each of rows) {
    const row = node("tr");
    const texts = [each.name, each.value, each.interval, each.items, each.note];
    row.append(...texts.map((text, i) => node("td", HEADS[i][1], text)));
    body.append(row);
  }
  table.append(head, body);
  const frame = node("div", "m1-history");
  frame.append(table);
  return frame;
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger, signal }) {
  const part = partsOf(element);
  const compute = part("compute", HTMLButtonElement);
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let counting;

  compute.addEventListener("click", () => {
    compute.disabled = true;
    const begun = Date.now();
    const count = () => {
      part("progress").textContent = `Computing, ${Math.round((Date.now() - begun) / 1000)} s`;
    };
    count();
    counting = setInterval(count, 1000);
    trigger("compute", {});
  });
  const onView = (/** @type {Event} */ event) => {
    const { name } = /** @type {CustomEvent<{ name: string }>} */ (event).detail;
    part("summary").hidden = name !== "summary";
    part("agreement").hidden = name !== "agreement";
    if (name === "summary") trigger("summary", {});
  };
  document.addEventListener("m1-annotate-view", onView, { signal });

  /** @param {SummaryValue} value */
  const showSummary = (value) => {
    say(part("summary-notice"), value.error);
    if (value.error) return;
    part("summary-head").textContent = value.head;
    part("charts").replaceChildren(...value.charts.map(barChart));
  };
  /** @param {AgreementValue} value */
  const showAgreement = (value) => {
    compute.disabled = false;
    clearInterval(counting);
    part("progress").textContent = "";
    say(part("agreement-notice"), value.error);
    if (value.error) return;
    part("report").replaceChildren(node("p", "", value.head), agreementTable(value.rows));
  };
  return (/** @type {SummaryValue | AgreementValue | { kind?: undefined }} */ value) => {
    if (value.kind === "summary") showSummary(value);
    if (value.kind === "agreement") showAgreement(value);
  };
}
