// The questions of one run, a page at a time, with links to their sweeps and to annotation.
const PAGE = 50;
const VERDICTS = [["", "All"], ["right", "Right"], ["wrong", "Wrong"], ["unanswered", "No option chosen"], ["failed", "Failed"]];
const CHANGES = [["right-right", "Stayed right"], ["right-wrong", "Right became wrong"], ["wrong-right", "Wrong became right"], ["wrong-wrong", "Stayed wrong"]];

function questionChoice() {
  const run = oneRun();
  const cells = cellsOf(run);
  const from = known(view.from, cells, "");
  const verdicts = [...VERDICTS, ...(from ? CHANGES : [])];
  return {
    run,
    verdicts,
    from,
    than: from && known(view.than, run.models, ""),
    model: known(view.model, run.models, ""),
    set: known(view.set, run.sets, ""),
    cell: known(view.cell, cells, cells[cells.length - 1]),
    verdict: known(view.verdict, verdicts.map(([id]) => id), ""),
  };
}
async function showQuestions() {
  const { run, model, set, cell, from, than, verdict } = questionChoice();
  const offset = Math.max(0, (Number(view.part) || 1) - 1) * PAGE;
  const reply = await askLatest("questions", "questions", { run: run.id, rule: view.rule, model, set, cell, before: from, before_model: than, verdict, text: view.text, offset });
  if (!reply) return;
  if (reply.error) return notice(reply.error);
  const text = JSON.stringify([reply, from, than]);
  if (q("questions").dataset.shown === text) return;
  q("questions").dataset.shown = text;
  q("before-head").hidden = !from;
  if (from) say(q("before-head"), than ? `${than}, ${cellText(from)}` : `At ${cellText(from)}`);
  q("questions").replaceChildren(...reply.rows.map((each) => questionRow(each, Boolean(from))));
  q("questions").closest("table").hidden = !reply.rows.length;
  q("no-questions").hidden = reply.rows.length > 0;
  say(q("no-questions"), view.text ? "No question has these words and fits the filter." : "No question fits the filter.");
  const last = Math.min(offset + reply.rows.length, reply.total);
  say(q("place"), reply.rows.length ? `${number(offset + 1)} – ${number(last)} of ${number(reply.total)}` : "");
  q("earlier").disabled = offset === 0;
  q("later").disabled = last >= reply.total;
  q("pager").hidden = reply.total <= PAGE && offset === 0 && !reply.rows.length;
}
function questionRow(each, hasBefore) {
  const row = node("tr");
  row.dataset.item = each.item;
  const cell = (content, className) => {
    const made = node("td", className);
    made.append(content);
    row.append(made);
    return made;
  };
  cell(each.has_sweep ? link(each.stem, `/compare/?sweep=${each.item}`) : node("span", "", each.stem), "m1-stem");
  cell(each.set);
  cell(each.model, "m1-list");
  cell(each.target);
  if (hasBefore) cell(each.before_label, "m1-mark").dataset.verdict = each.before;
  cell(each.verdict_label, "m1-mark").dataset.verdict = each.verdict;
  cell(each.tokens, "m1-number");
  const links = cell("");
  if (each.case) links.append(link("Annotate", `/annotate/?case=${each.case}`, `Annotate the answer to: ${each.stem}`));
  if (each.error) row.title = each.error;
  return row;
}
const turn = (step) => {
  const page = Math.max(1, (Number(view.part) || 1) + step);
  view.part = page > 1 ? String(page) : "";
  showAddress(true);
  showQuestions();
};
q("earlier").addEventListener("click", () => turn(-1));
q("later").addEventListener("click", () => turn(1));
q("questions-filter").addEventListener("submit", (event) => event.preventDefault());
