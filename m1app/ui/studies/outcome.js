// A started study: its progress, the verdicts on its claims, and what they rest on.
import { isNewFor, link, node, say, setMeter, setText, showFacts } from "../shell/elements.js";
import { placesOf, reachOf } from "./interval.js";

/** @typedef {import("../shell/elements.js").FindPart} FindPart */

/**
 * @typedef {object} Claim
 * @property {string} id
 * @property {string} text
 * @property {string} refuted_by
 * @property {string} verdict
 * @property {string} verdict_label
 * @property {string} why
 * @property {number | null} estimate
 * @property {number | null} low
 * @property {number | null} high
 * @property {number | null} paper
 * @property {string} estimate_words
 * @property {string} over_sets
 * @property {string} paper_words
 * @property {string} paper_place
 * @property {string} p
 * @property {string} n
 * @property {string} test
 */

/** @typedef {{ title: string, note: string, link: string, share: number, state: string, progress: string }} Part */
/** @typedef {{ name: string, source: string, questions: string, official: string, notes: string[] }} SetCheck */

/**
 * @typedef {{ role: string, question: string, fact: string, right: string, verdict: string, link: string }} Fact
 */

/**
 * @typedef {object} Study
 * @property {string} id
 * @property {string} name
 * @property {string} title
 * @property {string} state
 * @property {string} state_label
 * @property {boolean} is_over
 * @property {number} share
 * @property {string} progress
 * @property {string} problem
 * @property {string} demo
 * @property {boolean} can_stop
 * @property {boolean} is_stopping
 * @property {boolean} can_resume
 * @property {boolean} can_extend
 * @property {boolean} can_delete
 * @property {string} job
 * @property {[string, string][]} facts
 * @property {Part[]} parts
 * @property {string} curves
 */

/**
 * @typedef {object} Outcome
 * @property {string} look
 * @property {Claim[]} claims
 * @property {string} facts_note
 * @property {Fact[]} facts
 * @property {string[][]} readings
 * @property {SetCheck[]} sets
 * @property {string[][]} training
 * @property {string[]} differences
 */

/** @param {(Node | string)[]} cells */
export function rowOf(cells) {
  const row = node("tr");
  for (const content of cells) {
    const cell = node("td");
    cell.append(content);
    row.append(cell);
  }
  return row;
}

/** @param {Part} part */
function partRow(part) {
  const row = node("li");
  const title = part.link ? link(part.title, part.link) : node("span", "", part.title);
  const meter = node("div", "m1-meter");
  meter.setAttribute("role", "progressbar");
  meter.setAttribute("aria-label", part.title);
  meter.setAttribute("aria-valuemin", "0");
  meter.setAttribute("aria-valuemax", "100");
  setMeter(meter, part.share);
  const words = [part.state, part.progress, part.note].filter(Boolean).join(", ");
  row.append(title, meter, node("span", "m1-quiet", words));
  return row;
}

/**
 * @param {Claim} claim
 * @param {number} reach
 */
function bar(claim, reach) {
  const places = placesOf(claim, reach);
  if (!places) return "";
  const made = node("div", "m1-interval");
  made.style.setProperty("--low", String(places.low));
  made.style.setProperty("--high", String(places.high));
  made.style.setProperty("--at", String(places.at));
  made.append(node("span", "m1-interval-zero"), node("span", "m1-interval-range"), node("span", "m1-interval-point"));
  if (places.paper !== null) {
    made.style.setProperty("--paper", String(places.paper));
    made.append(node("span", "m1-interval-paper"));
  }
  made.ariaHidden = "true";
  return made;
}

/**
 * @param {Claim} claim
 * @param {number} reach Of all bars.
 */
function claimRow(claim, reach) {
  const said = node("div", "", claim.text);
  said.append(node("span", "m1-claim-why", claim.why));
  const verdict = node("span", "m1-verdict-label", claim.verdict_label);
  verdict.dataset.verdict = claim.verdict;
  const ours = node("div", "", claim.estimate_words);
  ours.append(bar(claim, reach));
  if (claim.over_sets) ours.append(node("span", "m1-claim-why", claim.over_sets));
  const paper = node("div", "", claim.paper_words);
  if (claim.paper_place) paper.append(node("span", "m1-claim-why", claim.paper_place));
  const p = node("div", "", claim.p);
  if (claim.test) p.append(node("span", "m1-claim-why", claim.test));
  const row = rowOf([said, verdict, ours, paper, p, claim.n]);
  row.dataset.claim = claim.id;
  row.lastElementChild?.classList.add("m1-number");
  return row;
}

/** @param {Fact} fact */
function factRow(fact) {
  const said = node("div", "", fact.fact);
  said.append(node("span", "m1-claim-why", fact.question));
  return rowOf([said, fact.role, fact.link ? link(fact.verdict, fact.link) : fact.verdict, fact.right]);
}

/** @param {SetCheck} check */
function setRow(check) {
  const row = rowOf([check.name, check.source, check.questions, check.official, check.notes.join("; ")]);
  for (const place of [2, 3]) row.children[place].classList.add("m1-number");
  return row;
}

/**
 * Shows how far a study is.
 * @param {FindPart} part
 * @param {Study} study
 */
export function showProgress(part, study) {
  setText(part("study-name"), study.name);
  setText(part("study-title"), study.title);
  setText(part("state"), study.state_label);
  part("state").dataset.state = study.state;
  setText(part("progress"), study.progress);
  setMeter(part("meter"), study.share);
  say(part("study-problem"), study.problem);
  say(part("demo"), study.demo);
  part("stop").hidden = !study.can_stop;
  part("stop", HTMLButtonElement).disabled = study.is_stopping;
  setText(part("stop"), study.is_stopping ? "Stopping…" : "Stop");
  part("resume").hidden = !study.can_resume;
  part("extend").hidden = !study.can_extend;
  part("delete").hidden = !study.can_delete;
  part("job").hidden = !study.job;
  part("job", HTMLAnchorElement).href = `/admin/?job=${study.job}`;
  part("curves").hidden = !study.curves;
  part("curves", HTMLAnchorElement).href = study.curves || "/benchmarks/";
  for (const kind of ["html", "pdf", "zip", "json"])
    part(`report-${kind}`, HTMLAnchorElement).href = `/study-reports/${study.id}.${kind}`;
  if (isNewFor(part("parts"), study.parts)) part("parts").replaceChildren(...study.parts.map(partRow));
  showFacts(part("study-facts"), study.facts);
}

/**
 * Shows the verdicts, and what they rest on.
 * @param {FindPart} part
 * @param {Outcome} outcome
 */
export function showOutcome(part, outcome) {
  part("outcome").hidden = false;
  say(part("computing"), "");
  say(part("look"), outcome.look);
  const reach = reachOf(outcome.claims);
  if (isNewFor(part("claims"), outcome.claims))
    part("claims").replaceChildren(...outcome.claims.map((each) => claimRow(each, reach)));
  part("facts-frame").hidden = outcome.facts.length === 0;
  setText(part("facts-note"), outcome.facts_note);
  if (isNewFor(part("facts"), outcome.facts)) part("facts").replaceChildren(...outcome.facts.map(factRow));
  part("no-readings").hidden = outcome.readings.length > 0;
  part("readings-frame").hidden = outcome.readings.length === 0;
  if (isNewFor(part("readings"), outcome.readings)) part("readings").replaceChildren(...outcome.readings.map(rowOf));
  if (isNewFor(part("sets"), outcome.sets)) part("sets").replaceChildren(...outcome.sets.map(setRow));
  part("no-training").hidden = outcome.training.length > 0;
  part("training-frame").hidden = outcome.training.length === 0;
  if (isNewFor(part("training"), outcome.training)) part("training").replaceChildren(...outcome.training.map(rowOf));
  const differences = outcome.differences.length ? outcome.differences : ["None were found."];
  if (isNewFor(part("differences"), differences))
    part("differences").replaceChildren(...differences.map((each) => node("li", "", each)));
}
