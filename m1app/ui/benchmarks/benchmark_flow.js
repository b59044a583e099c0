// Transitions between two cells of one run, of one model or of two: the flow, its counts in words, and the comparisons along the curve.
function transitionChoice() {
  const run = oneRun();
  const cells = cellsOf(run);
  const first = `${run.budgets[0]}-${run.rounds[0]}`;
  const model = known(view.model, run.models, run.models[0]);
  return {
    run,
    model,
    other: view.other === model ? "" : known(view.other, run.models, ""),
    set: known(view.set, run.sets, ""),
    before: known(view.before, cells, first),
    after: known(view.after, cells, `${run.budgets[run.budgets.length - 1]}-${run.rounds[0]}`),
  };
}
async function showTransitions() {
  const { run, model, other, set, before, after } = transitionChoice();
  const question = { run: run.id, rule: view.rule, model, other, set, before, after };
  const reply = await askLatest("transitions", "transitions", question);
  if (!reply) return;
  if (reply.error) {
    say(q("comparison"), reply.error);
    ["ways", "curve", "flow-exports"].forEach((name) => {
      q(name).replaceChildren();
      q(name).dataset.shown = "";
    });
    say(q("flow-head"), `From ${cellText(before)} to ${cellText(after)}`);
    if (window.Plotly && q("flow").m1Figure) window.Plotly.purge(q("flow"));
    q("flow").m1Figure = null;
    return;
  }
  say(q("flow-head"), reply.head);
  say(q("comparison"), reply.comparison);
  q("ways").replaceChildren(...reply.ways.map((way) => wayRow(way, set)));
  q("flow-exports").replaceChildren(...exports(q("flow"), fileName(`transitions ${before} ${after}`)));
  q("flow").setAttribute("aria-label", `${reply.head} ${reply.comparison}`);
  try {
    await draw(q("flow"), reply.figure);
  } catch (error) {
    notice(error.message);
    return;
  }
  q("flow").removeAllListeners("plotly_click");
  q("flow").on("plotly_click", ({ points }) => {
    const verdict = reply.figure.data[0].link.customdata[points[0].index ?? points[0].pointNumber];
    if (points[0].source !== undefined && verdict) openQuestions(verdict);
  });
  await showAlong(question);
}
// Each budget against the one before: read after the flow, which should not wait for it.
async function showAlong(question) {
  const reply = await askLatest("along", "along", question);
  if (!reply) return;
  if (reply.error) notice(reply.error);
  else if (reply.table.rows.length) showTable("curve", reply.table);
  else {
    q("curve").dataset.shown = "";
    q("curve").replaceChildren(node("p", "m1-quiet", "There is one budget only."));
  }
}
function wayRow(way) {
  const row = node("tr");
  row.dataset.way = way.verdict;
  const words = node("td");
  words.append(node("span", "m1-way-mark"), way.words);
  const act = node("td");
  if (way.count) act.append(button("Questions", () => openQuestions(way.verdict), `Show the questions: ${way.words}`));
  row.append(words, node("td", "m1-number", number(way.count)), node("td", "m1-number", way.share), act);
  return row;
}
function openQuestions(verdict) {
  const { run, model, other, set, before, after } = transitionChoice();
  const two = { model: other || model, than: other && model };
  Object.assign(view, { tab: "questions", of: run.id, ...two, set, from: before, cell: after, verdict, text: "", part: "" });
  showAddress(true);
  showPane();
}
