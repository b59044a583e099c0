// People: accounts with their roles, and old names whose work an account can claim.
import { all, button, isNewFor, node, option, partsOf, say, setText } from "../shell/elements.js";
import { isFreeEscape } from "../shell/escape.js";
import { plural, shortTime } from "../shell/words.js";
import { askTwice } from "./ask_twice.js";
import { labelled } from "./cells.js";

/**
 * @typedef {object} AccountRow
 * @property {string} id
 * @property {string} name
 * @property {string} role
 * @property {string} login
 * @property {boolean} has_password
 * @property {string} seen In ISO 8601; empty before the first login.
 * @property {boolean} is_disabled
 * @property {boolean} is_own
 */

/** @typedef {{ name: string, cases: number, marks: number }} OldName */

/**
 * @typedef {object} PeopleValue
 * @property {AccountRow[]} [accounts]
 * @property {string[]} [roles]
 * @property {OldName[]} [old_names]
 * @property {number} [number] Number of the request that this answers.
 * @property {{ error?: { message: string, field: string }, done?: string, is_first?: boolean }} [reply]
 */

const LOGIN = `/login?next=${encodeURIComponent("/admin/?tab=people")}`;
const WAIT_MS = 20_000;
const ABOUT =
  "These names have annotations but no account. An account that claims a name takes over its cases, annotations and reviews.";
const NONE = "Every annotation belongs to an account.";

class PeopleTab {
  #element;
  #part;
  #trigger;
  #asked = 0;
  #sent = "";
  /** Whose password is being set. */
  #named = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #waiting;

  /** @param {import("../shell/elements.js").Host} host */
  constructor({ element, trigger }) {
    this.#element = element;
    this.#part = partsOf(element);
    this.#trigger = trigger;
    const addForm = this.#part("add-form", HTMLFormElement);
    addForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask("add", Object.fromEntries(new FormData(addForm)));
    });
    const passwordForm = this.#part("password-form", HTMLFormElement);
    passwordForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask("password", { name: this.#named, ...Object.fromEntries(new FormData(passwordForm)) });
    });
    this.#part("password-cancel").addEventListener("click", () => this.#endPassword());
    passwordForm.addEventListener("keydown", (event) => {
      if (!isFreeEscape(event)) return;
      event.preventDefault();
      this.#endPassword();
    });
  }

  /**
   * @param {string} action
   * @param {object} values
   */
  #ask(action, values) {
    if (this.#waiting !== undefined) {
      // Only the last answer is shown: a second request would hide what became of the first.
      say(this.#part("notice"), "The previous change is still being saved. Try again in a moment.");
      return;
    }
    this.#asked += 1;
    this.#sent = action;
    this.#clear();
    this.#busy(true);
    this.#trigger("ask", { number: this.#asked, action, ...values });
  }

  /** @param {boolean} isBusy */
  #busy(isBusy) {
    clearTimeout(this.#waiting);
    for (const each of all(this.#element, "form button[type=submit]", HTMLButtonElement)) each.disabled = isBusy;
    this.#waiting = isBusy ? setTimeout(() => this.#busy(false), WAIT_MS) : undefined;
  }

  #clear() {
    say(this.#part("notice"), "");
    say(this.#part("done"), "");
    for (const place of all(this.#element, "[data-problem]", HTMLElement)) this.#problem(place, "");
  }

  /**
   * Shows what is wrong at its field.
   * @param {HTMLElement} place
   * @param {string} message
   */
  #problem(place, message) {
    say(place, message);
    const field = place.parentElement?.querySelector("input, select");
    if (message) field?.setAttribute("aria-invalid", "true");
    else field?.removeAttribute("aria-invalid");
    if (message && field instanceof HTMLElement) field.focus();
  }

  /** @param {AccountRow} account */
  #startPassword(account) {
    this.#clear();
    this.#named = account.name;
    setText(this.#part("password-for"), `New password for ${account.name}`);
    const form = this.#part("password-form", HTMLFormElement);
    form.reset();
    form.hidden = false;
    all(form, "input", HTMLInputElement)[0]?.focus();
  }

  #endPassword() {
    const form = this.#part("password-form", HTMLFormElement);
    form.hidden = true;
    form.reset();
    const name = CSS.escape(this.#named);
    all(this.#element, `tr[data-account="${name}"] [data-act="password"]`, HTMLElement)[0]?.focus();
  }

  /**
   * @param {AccountRow} account
   * @param {string[]} roles
   */
  #row(account, roles) {
    const row = node("tr");
    row.dataset.account = account.name;
    const name = node("td", "m1-account-name", account.name);
    if (account.is_own) name.append(" ", node("span", "m1-badge", "you"));
    if (account.is_disabled) {
      const badge = node("span", "m1-badge", "disabled");
      badge.dataset.state = "stopped";
      name.append(" ", badge);
    }
    const seen = node("td", "m1-quiet-cell", account.seen ? shortTime(account.seen) : "Never");
    const login = labelled("Logs in with", node("td", "", account.login));
    row.append(name, this.#role(account, roles), login, labelled("Last login", seen), this.#actions(account));
    return row;
  }

  /**
   * @param {AccountRow} account
   * @param {string[]} roles
   */
  #role(account, roles) {
    const cell = node("td", "m1-account-role");
    const field = node("span", "m1-field");
    const choice = node("select");
    choice.setAttribute("aria-label", `Role of ${account.name}`);
    choice.dataset.act = "role";
    choice.append(...roles.map((role) => option(role, role)));
    choice.value = account.role;
    const change = button("Set role", () => this.#ask("role", { name: account.name, role: choice.value }));
    change.hidden = true;
    // Not at once: the arrow keys pass through all roles on the way.
    choice.addEventListener("change", () => {
      change.hidden = choice.value === account.role;
    });
    field.append(choice);
    cell.append(field, change);
    return cell;
  }

  /** @param {AccountRow} account */
  #actions(account) {
    const cell = node("td", "m1-account-actions");
    if (account.has_password && !account.is_own) {
      const set = button("Set password", () => this.#startPassword(account), `Set password for ${account.name}`);
      set.dataset.act = "password";
      cell.append(set);
    }
    const act = (/** @type {string} */ action) => this.#ask(action, { name: account.name });
    const turn = button(account.is_disabled ? "Enable" : "Disable", () => account.is_disabled && act("enable"));
    turn.dataset.act = "turn";
    if (!account.is_disabled) {
      turn.classList.add("m1-danger");
      askTwice(turn, "Disable and log out?", () => act("disable"));
    }
    cell.append(turn);
    return cell;
  }

  /**
   * @param {OldName} old
   * @param {string[]} accounts
   */
  #oldName(old, accounts) {
    const item = node("li");
    const work =
      old.cases || old.marks ? `${plural(old.cases, "case")}, ${plural(old.marks, "annotation")}` : "reviews";
    item.append(node("b", "", old.name), node("span", "m1-quiet", work));
    if (!accounts.length) return item;
    const field = node("label", "m1-inline-field", "Claim for account ");
    const choice = node("select");
    choice.append(option("", "Choose"), ...accounts.map((name) => option(name, name)));
    const claim = button("Claim", () => {});
    claim.disabled = true;
    choice.addEventListener("change", () => {
      claim.disabled = !choice.value;
    });
    askTwice(claim, "Move all its work?", () => this.#ask("claim", { old: old.name, name: choice.value }));
    field.append(choice);
    const act = node("span", "m1-claim");
    act.append(field, claim);
    item.append(act);
    return item;
  }

  /** @param {AccountRow[]} accounts @param {string[]} roles */
  #showAccounts(accounts, roles) {
    const part = this.#part;
    part("first").hidden = accounts.length > 0;
    part("table").hidden = !accounts.length;
    setText(part("add-title"), accounts.length ? "Add an account" : "Create the first account");
    const choice = all(part("add-form"), "select", HTMLSelectElement)[0];
    if (choice && isNewFor(choice, roles)) {
      choice.replaceChildren(...roles.map((role) => option(role, role)));
    }
    if (!isNewFor(part("rows"), accounts)) return;
    const focused = this.#focused();
    part("rows").replaceChildren(...accounts.map((account) => this.#row(account, roles)));
    if (focused) all(part("rows"), focused, HTMLElement)[0]?.focus({ preventScroll: true });
  }

  /** Where the focus is within the rows, as a selector that holds after they were made anew. */
  #focused() {
    const active = document.activeElement;
    const row = active && this.#part("rows").contains(active) ? active.closest("tr") : null;
    if (!row || !(active instanceof HTMLElement)) return "";
    const act = active.dataset.act ?? "role";
    return `tr[data-account="${CSS.escape(row.dataset.account ?? "")}"] [data-act="${act}"]`;
  }

  /** @param {OldName[]} names @param {string[]} accounts */
  #showOldNames(names, accounts) {
    const part = this.#part;
    setText(part("old-about"), names.length ? ABOUT : NONE);
    if (!isNewFor(part("old"), [names, accounts])) return;
    part("old").replaceChildren(...names.map((old) => this.#oldName(old, accounts)));
  }

  /** @param {{ message: string, field: string }} error */
  #showError({ message, field }) {
    const place = field && all(this.#element, `[data-problem="${CSS.escape(field)}"]`, HTMLElement)[0];
    if (place) this.#problem(place, message);
    else say(this.#part("notice"), message);
  }

  /** @param {PeopleValue} value */
  show({ accounts, roles = [], old_names = [], number: answered, reply = {} }) {
    if (reply.is_first) {
      window.location.assign(LOGIN);
      return;
    }
    if (accounts) {
      this.#showAccounts(accounts, roles);
      this.#showOldNames(
        old_names,
        accounts.map(({ name }) => name),
      );
    }
    if (answered === undefined || answered < this.#asked) return;
    this.#busy(false);
    if (reply.error) this.#showError(reply.error);
    if (!reply.done) return;
    say(this.#part("done"), reply.done);
    if (this.#sent === "add") this.#part("add-form", HTMLFormElement).reset();
    if (this.#sent === "password") this.#endPassword();
  }
}

/** @param {import("../shell/elements.js").Host} host */
export function mount(host) {
  const tab = new PeopleTab(host);
  return (/** @type {PeopleValue} */ value) => tab.show(value);
}
