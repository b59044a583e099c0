// The list of fact tests, newest first.
import { isNewFor, link, linkedRow, partsOf, say, setText } from "../shell/elements.js";
import { number, shortTime } from "../shell/words.js";

/**
 * @typedef {object} TestRow
 * @property {string} id
 * @property {string} begun In ISO 8601.
 * @property {string} stem
 * @property {string} fact
 * @property {string} model
 * @property {number} seeds
 * @property {string} verdict
 * @property {boolean} names_target
 * @property {boolean} is_of_study
 */

/**
 * @typedef {object} Waiting
 * @property {string} [said] Missing if nothing waits, or nothing may be launched.
 * @property {[number, number]} [seeds] Least and most.
 * @property {number} [count]
 */

/**
 * @typedef {object} ListValue
 * @property {TestRow[]} [tests]
 * @property {Waiting} [waiting]
 * @property {string} [problem]
 * @property {string} [launch_problem]
 * @property {string} [job] Id of the job that was launched.
 * @property {string} [job_name]
 */

/**
 * @param {import("../shell/elements.js").FindPart} part
 * @param {Waiting} waiting
 */
function showWaiting(part, waiting) {
  part("waiting").hidden = !waiting.said;
  if (!waiting.said || !waiting.seeds) return;
  setText(part("waiting-said"), waiting.said);
  const seeds = part("waiting", HTMLFormElement).elements.namedItem("seeds");
  if (!(seeds instanceof HTMLInputElement)) return;
  const [least, most] = waiting.seeds;
  Object.assign(seeds, { min: String(least), max: String(most) });
  seeds.value ||= String(least);
}

/** @param {TestRow} test */
function rowOf(test) {
  return linkedRow(`/facts/?fact=${test.id}`, [
    [shortTime(test.begun), "m1-number"],
    [test.stem, "m1-stem"],
    [test.fact, "m1-wide"],
    [test.model],
    [number(test.seeds), "m1-number"],
    [
      test.verdict +
        (test.names_target ? " (the fact names the target)" : "") +
        (test.is_of_study ? " (made by a study)" : ""),
    ],
  ]);
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  const form = part("waiting", HTMLFormElement);
  const start = form.querySelector("button");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (start) start.disabled = true;
    trigger("launch", { seeds: new FormData(form).get("seeds") });
  });
  return (/** @type {ListValue} */ value) => {
    if (value.launch_problem !== undefined || value.job) {
      say(part("launch-problem"), value.launch_problem);
      if (start) start.disabled = Boolean(value.job);
      if (value.job)
        part("launched").replaceChildren("Started: ", link(value.job_name ?? "", `/admin/?job=${value.job}`));
      return;
    }
    say(part("problem"), value.problem);
    if (!value.tests) return;
    part("none").hidden = value.tests.length > 0;
    part("frame").hidden = value.tests.length === 0;
    showWaiting(part, value.waiting ?? {});
    if (isNewFor(part("rows"), value.tests)) part("rows").replaceChildren(...value.tests.map(rowOf));
  };
}
