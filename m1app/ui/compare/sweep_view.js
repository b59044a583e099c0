// Status of a sweep: state, cost, question, links.
import { copyText, node, partsOf, say, setMeter } from "../shell/elements.js";
import { showPrompts } from "../shell/prompts.js";

/** @typedef {import("../shell/elements.js").FindPart} FindPart */

/**
 * @typedef {object} SweepValue
 * @property {string} [id]
 * @property {string} [state]
 * @property {string} [state_label]
 * @property {number} [answered]
 * @property {number} [cells]
 * @property {string} [name] The first words of the question.
 * @property {string} [question]
 * @property {string[]} [options] "A. text".
 * @property {string[]} [targets] Letters.
 * @property {string} [notice]
 * @property {string} [account]
 * @property {string} [sampling]
 * @property {import("../shell/prompts.js").PromptDifference | null} [prompts]
 */

/**
 * @param {FindPart} part
 * @param {string} id
 */
function showAddress(part, id) {
  const url = new URL(window.location.href);
  if (url.searchParams.get("sweep") !== id) {
    url.search = `?sweep=${id}`;
    window.history.pushState(null, "", url);
  }
  part("link", HTMLAnchorElement).href = `/compare/?sweep=${id}`;
  part("json", HTMLAnchorElement).href = `/sweeps/${id}.json`;
  part("csv", HTMLAnchorElement).href = `/sweeps/${id}.csv`;
  part("markdown", HTMLAnchorElement).href = `/sweeps/${id}.md`;
  part("html", HTMLAnchorElement).href = `/sweeps/${id}.html`;
}

/**
 * @param {FindPart} part
 * @param {SweepValue} value
 */
function showQuestion(part, value) {
  part("name").textContent = value.name || "";
  part("question").textContent = value.question || "";
  const options = (value.options || []).map((text) => {
    const isTarget = value.targets?.some((letter) => text.startsWith(`${letter}. `));
    return node("li", "", isTarget ? `${text} (target)` : text);
  });
  part("options").replaceChildren(...options);
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  /** @type {string | undefined} */
  let shownId;
  part("copy").addEventListener("click", () => copyText(part("copy"), part("link", HTMLAnchorElement).href));
  part("example").addEventListener("click", () => trigger("example", {}));

  return (/** @type {SweepValue} */ value) => {
    // A notice can arrive alone: keep the displayed sweep.
    if (value.notice !== undefined) say(part("notice"), value.notice);
    const hasBranches = Boolean(new URLSearchParams(window.location.search).get("branches"));
    part("empty").hidden = Boolean(value.id || value.notice || hasBranches);
    part("sweep").hidden = !value.id && !value.notice;
    if (!value.id) return;
    if (value.id !== shownId) {
      shownId = value.id;
      showAddress(part, value.id);
      showQuestion(part, value);
    }
    const { answered = 0, cells = 0 } = value;
    part("state").textContent = value.state_label || "";
    part("state").dataset.state = value.state || "";
    say(part("answered"), `${answered} of ${cells} cells answered`);
    say(part("account"), value.account);
    say(part("sampling"), value.sampling);
    showPrompts(part("prompts"), value.prompts);
    setMeter(part("meter"), cells ? answered / cells : 0);
  };
}
