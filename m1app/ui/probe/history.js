// The list of traces: each row is a link that works on its own; a plain click opens it in this page.
function cell(row, text, className, id) {
  const made = document.createElement("td");
  made.className = className || "";
  const link = document.createElement("a");
  link.href = `/?trace=${id}`;
  link.textContent = text;
  link.tabIndex = className === "m1-stem" ? 0 : -1;
  made.append(link);
  row.append(made);
  return link;
}
function show() {
  const value = props.value || {};
  const rows = (value.rows || []).map((trace) => {
    const row = document.createElement("tr");
    row.dataset.trace = trace.id;
    cell(row, new Date(trace.begun).toLocaleString(), "m1-number", trace.id);
    cell(row, trace.stem, "m1-stem", trace.id);
    cell(row, trace.model, "", trace.id);
    cell(row, trace.budget.toLocaleString("en-US"), "m1-number", trace.id);
    cell(row, String(trace.rounds), "m1-number", trace.id);
    cell(row, trace.thinking_tokens.toLocaleString("en-US"), "m1-number", trace.id);
    const mark = cell(row, trace.verdict_label, "m1-mark", trace.id).parentElement;
    mark.dataset.verdict = trace.verdict;
    cell(row, trace.state_label, "", trace.id);
    return row;
  });
  // A search repaints the list under the keyboard's focus: it stays on the trace that had it.
  const focused = element.contains(document.activeElement) && document.activeElement.closest("tr[data-trace]");
  q("rows").replaceChildren(...rows);
  if (focused) q("rows").querySelector(`tr[data-trace="${focused.dataset.trace}"] .m1-stem a`)?.focus({ preventScroll: true });
  q("empty").textContent = value.empty || "";
}
element.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-trace]");
  if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  trigger("open_trace", { id: row.dataset.trace });
});
watch("value", show);
show();
