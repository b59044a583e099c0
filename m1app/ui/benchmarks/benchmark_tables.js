// The numbers of the curves, and the table of accuracies in both readings.
function showTable(name, value) {
  const text = JSON.stringify(value);
  if (q(name).dataset.shown === text) return null;
  q(name).dataset.shown = text;
  const made = table(value);
  q(name).replaceChildren(made);
  return made;
}
async function showReadings() {
  const budgets = budgetsOf(chosen);
  const at = known(view.at, budgets.map(String), String(budgets[budgets.length - 1]));
  const reply = await askLatest("readings", "readings", {
    runs: chosenIds(), rule: view.rule, model: known(view.model, modelsOf(chosen), ""), budget: at, paper: view.paper === "1",
  });
  if (!reply) return;
  if (reply.error) return notice(reply.error);
  const made = showTable("readings", reply.table);
  if (made) {
    made.classList.add("m1-readings");
    // Two readings of the same model belong together.
    const own = [...made.tBodies[0].rows].filter((row) => !row.classList.contains("is-paper"));
    own.forEach((row, i) => row.classList.add(i % 2 ? "is-second" : "is-first"));
  }
  const how = `Point at a number for its interval. ${reply.note} ${reply.paper_note}`;
  say(q("readings-note"), reply.table.rows.length ? how : nothingYet());
}
