// The summary's bars and the table of agreement. All texts are set as text; a bar asks the queue for its cases.
const notice = (name, text) => {
  q(name).textContent = text || "";
  q(name).hidden = !text;
};

function bar(each, most) {
  const row = node("li");
  const made = node("button", "m1-bar-row");
  made.type = "button";
  made.title = each.title;
  const track = node("span", "m1-bar-track");
  const fill = node("span", "m1-bar-fill");
  fill.style.setProperty("--share", most ? each.size / most : 0);
  track.append(fill);
  made.append(node("span", "m1-bar-name", each.name), track, node("span", "m1-number", each.value));
  made.setAttribute("aria-label", `${each.name}: ${each.value}. Show its cases`);
  made.addEventListener("click", () => document.dispatchEvent(new CustomEvent("m1-annotate-filter", { detail: each.filter })));
  row.append(made);
  return row;
}
function chart({ title, note, most, bars }) {
  const made = node("section", "m1-bar-chart");
  const list = node("ol");
  list.append(...bars.map((each) => bar(each, most)));
  made.append(node("h3", "", title));
  if (note) made.append(node("p", "m1-quiet", note));
  made.append(list);
  return made;
}
function showSummary(value) {
  notice("summary-notice", value.error);
  if (value.error) return;
  q("summary-head").textContent = value.head;
  q("charts").replaceChildren(...value.charts.map(chart));
}
function showAgreement(value) {
  q("compute").disabled = false;
  clearInterval(counting);
  q("progress").textContent = "";
  notice("agreement-notice", value.error);
  if (value.error) return;
  const table = node("table", "m1-table m1-agreement");
  const head = node("thead");
  const names = node("tr");
  names.append(node("th", "", "What"), node("th", "m1-number", "Agreement"), node("th", "m1-number", "95% interval"), node("th", "m1-number", "Items"), node("th", "", "Note"));
  head.append(names);
  const body = node("tbody");
  value.rows.forEach((each) => {
    const row = node("tr");
    row.append(node("td", "", each.name), node("td", "m1-number", each.value), node("td", "m1-number", each.interval), node("td", "m1-number", each.items), node("td", "", each.note));
    body.append(row);
  });
  table.append(head, body);
  const frame = node("div", "m1-history");
  frame.append(table);
  q("report").replaceChildren(node("p", "", value.head), frame);
}

let counting;
q("compute").addEventListener("click", () => {
  q("compute").disabled = true;
  const begun = Date.now();
  const count = () => (q("progress").textContent = `Computing, ${Math.round((Date.now() - begun) / 1000)} s`);
  count();
  counting = setInterval(count, 1000);
  trigger("compute", {});
});
document.addEventListener("m1-annotate-view", ({ detail }) => {
  q("summary").hidden = detail.name !== "summary";
  q("agreement").hidden = detail.name !== "agreement";
  if (detail.name === "summary") trigger("summary", {});
});
function show() {
  const value = props.value || {};
  if (value.kind === "summary") showSummary(value);
  if (value.kind === "agreement") showAgreement(value);
}
watch("value", show);
show();
