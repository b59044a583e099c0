// The list of sweeps: each row is a link that works on its own; a plain click opens it in this page.
function rowOf(sweep) {
  const row = document.createElement("tr");
  row.dataset.sweep = sweep.id;
  const cell = (text, className) => {
    const made = document.createElement("td");
    made.className = className || "";
    const link = document.createElement("a");
    link.href = `/compare/?sweep=${sweep.id}`;
    link.textContent = text;
    link.tabIndex = className === "m1-stem" ? 0 : -1;
    made.append(link);
    row.append(made);
  };
  cell(new Date(sweep.begun).toLocaleString(), "m1-number");
  cell(sweep.stem, "m1-stem");
  cell(sweep.models);
  cell(sweep.budgets);
  cell(sweep.rounds);
  cell(String(sweep.passes), "m1-number");
  cell(sweep.tokens.toLocaleString("en-US"), "m1-number");
  cell(sweep.state);
  return row;
}
function show() {
  const value = props.value || {};
  // A search repaints the list under the keyboard's focus: it stays on the sweep that had it.
  const focused = element.contains(document.activeElement) && document.activeElement.closest("tr[data-sweep]");
  q("rows").replaceChildren(...(value.rows || []).map(rowOf));
  if (focused) q("rows").querySelector(`tr[data-sweep="${focused.dataset.sweep}"] .m1-stem a`)?.focus({ preventScroll: true });
  q("empty").textContent = value.empty || "";
}
element.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-sweep]");
  if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  trigger("open_sweep", { id: row.dataset.sweep });
});
watch("value", show);
show();
