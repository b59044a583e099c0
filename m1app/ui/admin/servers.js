// The servers that the app can ask, and what each can do.
import { isNewFor, node, partsOf, say } from "../shell/elements.js";

/**
 * @typedef {object} ServerRow
 * @property {string} id
 * @property {string} title
 * @property {string} address
 * @property {string} hardware
 * @property {string} kind
 * @property {string} models
 * @property {string} context
 * @property {[name: string, word: string][]} abilities
 * @property {string[]} instead What the app does where the server lacks something.
 * @property {string} problem
 */

/**
 * @typedef {object} ServersValue
 * @property {ServerRow[]} [servers]
 * @property {string} [broken] Why nothing can be shown.
 * @property {boolean} [looked] Whether this answers a request to examine them.
 */

/** @param {ServerRow} server */
function serverBlock(server) {
  const block = node("article", "m1-server");
  block.dataset.server = server.id;
  block.append(node("h3", "", server.title));
  const facts = [server.kind, server.models, server.context, server.hardware, server.address];
  block.append(node("p", "", facts.filter(Boolean).join(" · ") || "No address yet."));
  if (server.abilities.length) {
    const list = node("ul", "m1-abilities");
    list.append(...server.abilities.map(abilityItem));
    block.append(list);
  }
  if (server.instead.length) {
    const list = node("ul", "m1-notes m1-quiet");
    list.append(...server.instead.map((way) => node("li", "", way)));
    block.append(list);
  }
  if (server.problem) block.append(node("p", "m1-notice", server.problem));
  return block;
}

/** @param {[name: string, word: string]} ability */
function abilityItem([name, word]) {
  const item = node("li", "m1-badge");
  item.dataset.ability = name;
  if (word !== "no" && word !== "unknown") item.dataset.state = "succeeded";
  item.textContent = `${name}: ${word}`;
  return item;
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger, signal }) {
  const part = partsOf(element);
  const again = part("look", HTMLButtonElement);
  let isLooking = false;
  let hasUnknown = false;
  const look = (/** @type {boolean} */ anew) => {
    if (isLooking) return;
    isLooking = true;
    again.disabled = true;
    trigger("look", { anew });
  };
  again.addEventListener("click", () => look(true));
  // Examining costs a few tokens: only what somebody looks at is examined.
  let isInView = false;
  const watching = new IntersectionObserver((entries) => {
    isInView = entries.some((entry) => entry.isIntersecting);
    if (isInView && hasUnknown) look(false);
  });
  watching.observe(element);
  signal.addEventListener("abort", () => watching.disconnect());

  return (/** @type {ServersValue} */ { servers, broken, looked }) => {
    if (looked) {
      isLooking = false;
      again.disabled = false;
    }
    say(part("notice"), broken);
    if (!servers) return;
    if (isNewFor(part("servers"), servers)) part("servers").replaceChildren(...servers.map(serverBlock));
    hasUnknown = servers.some((each) => each.kind && !each.abilities.length && !each.problem);
    if (hasUnknown && isInView) look(false);
  };
}
