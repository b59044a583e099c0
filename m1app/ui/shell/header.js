// Engine status: engine, model, tokens per second.
import { Answering, CHECK_MS } from "./answering.js";
import { all, partsOf, say, setText, showFacts } from "./elements.js";
import { logOut, watchSession } from "./session.js";

/**
 * @typedef {object} HeaderValue
 * @property {string} [state]
 * @property {string} [label]
 * @property {string} [work]
 * @property {string} [message]
 * @property {string} [damage] Why nothing is saved.
 * @property {string} [demo]
 * @property {string} [better] What this machine could run instead of the demo model.
 * @property {string} [log]
 * @property {string} [restart] The text of the button.
 * @property {string} [person] Who is logged in.
 * @property {boolean} [has_password] The person has a password of this app.
 * @property {boolean} [has_session] The person logged in to this app, not at a proxy.
 * @property {boolean} [can_restart]
 * @property {boolean} [can_stop]
 * @property {[name: string, text: string][]} [facts]
 */

/** @type {HeaderValue} What is shown while the app is down; Gradio reloads the page once it is back. */
const SILENT = {
  state: "failed",
  label: "The app is not responding",
  message: "The app is not responding, so nothing can be run or saved. This page reloads when the app is back.",
};

/** @param {import("./elements.js").Host} host */
export function mount({ element, trigger, signal }) {
  const part = partsOf(element);
  const here = window.location.pathname.replace(/\/*$/, "/");
  for (const link of all(element, ".m1-nav a", HTMLAnchorElement)) {
    if (link.getAttribute("href") !== here) continue;
    link.setAttribute("aria-current", "page");
    setText(part("title"), link.textContent);
  }
  const nav = element.querySelector(".m1-nav");
  const open = (/** @type {boolean} */ isOpen) => {
    part("menu").setAttribute("aria-expanded", String(isOpen));
    nav?.classList.toggle("is-open", isOpen);
  };
  part("menu").addEventListener("click", () => open(part("menu").getAttribute("aria-expanded") !== "true"));
  element.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !nav?.classList.contains("is-open")) return;
    open(false);
    part("menu").focus();
  });
  // A change of the address's fragment would reload the page, as going back does.
  part("skip").addEventListener("click", (event) => {
    event.preventDefault();
    part("title").focus();
  });
  watchSession();
  part("log-out").addEventListener("click", async () => {
    const isOut = await logOut();
    say(part("log-out-problem"), isOut ? "" : "You are still logged in, because the app did not respond. Try again.");
  });
  part("restart").addEventListener("click", () => trigger("restart_engine", {}));
  part("stop").addEventListener("click", () => trigger("stop_engine", {}));

  const show = (/** @type {HeaderValue} */ value) => {
    part("dot").dataset.state = value.state || "";
    setText(part("engine"), value.label || "Engine");
    for (const name of /** @type {const} */ (["work", "message", "demo", "log", "restart"])) {
      setText(part(name), value[name]);
    }
    setText(part("person"), value.person);
    part("account").hidden = !value.person;
    part("change-password").hidden = !value.has_password;
    part("log-out").hidden = !value.has_session;
    part("at-proxy").hidden = Boolean(value.has_session);
    say(part("better"), value.better);
    say(part("damage"), value.damage);
    part("restart").hidden = !value.can_restart;
    part("stop").hidden = !value.can_stop;
    showFacts(part("facts"), value.facts || []);
  };

  const answering = new Answering();
  let shown = /** @type {HeaderValue} */ ({});
  const watch = setInterval(async () => {
    // Who is logged in does not change.
    if (await answering.isSilent()) show({ ...shown, ...SILENT, work: "", can_restart: false, can_stop: false });
  }, CHECK_MS);
  signal.addEventListener("abort", () => clearInterval(watch));

  return (/** @type {HeaderValue} */ value) => {
    answering.hear();
    shown = value;
    show(value);
  };
}
