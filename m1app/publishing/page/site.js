// What a published page does: draws charts, lists questions, or shows the one question that the page has.

import { node, partsOf, say } from "../../ui/shell/elements.js";
import { drawCharts } from "./charts.js";
import { QuestionList } from "./question_list.js";
import { showQuestion } from "./question_view.js";
import { load, takeData } from "./shards.js";

async function listQuestions() {
  const part = partsOf(document.body);
  try {
    await new QuestionList(document.body, await load("site")).open();
  } catch (problem) {
    say(part("problem"), problem instanceof Error ? problem.message : String(problem));
  }
}

function showOnly() {
  const { question, sources, facts, prompts } = JSON.parse(document.querySelector("#data")?.textContent ?? "{}");
  const place = partsOf(document.body)("question");
  showQuestion(place, question, sources, []);
  const list = node("dl");
  for (const [name, text] of facts) list.append(node("dt", "", name), node("dd", "", text));
  place.append(node("h2", "", "Settings"), list, node("h2", "", "Prompts (from the app, not the model)"));
  for (const [model, text] of prompts) {
    const box = node("pre", "", text);
    box.tabIndex = 0;
    place.append(node("h3", "", model), box);
  }
}

takeData();
if (document.body.dataset.page === "questions") listQuestions();
else if (document.body.dataset.page === "single") showOnly();
else drawCharts();
