// The session of the Admin page: when it ends, the login page is shown instead of errors.
import { partsOf } from "../shell/elements.js";

/** @typedef {Window & { m1AdminFetch?: typeof fetch }} AdminWindow The browser's own fetch, after it is replaced. */

function toLogin() {
  const page = window.location.pathname + window.location.search;
  window.location.assign(`/admin/login?next=${encodeURIComponent(page)}`);
}

/** @returns {typeof fetch} The browser's own. */
function watchFetch() {
  const admin = /** @type {AdminWindow} */ (window);
  if (admin.m1AdminFetch) return admin.m1AdminFetch;
  const own = window.fetch.bind(window);
  admin.m1AdminFetch = own;
  window.fetch = async (...request) => {
    const answer = await own(...request);
    if (answer.status === 401) toLogin();
    return answer;
  };
  return own;
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element }) {
  const logOut = partsOf(element)("log-out");
  const own = watchFetch();
  logOut.addEventListener("click", async () => {
    await own("/admin/logout", { method: "POST" });
    window.location.assign("/admin/login");
  });
  return (/** @type {{ has_password?: boolean }} */ value) => {
    logOut.hidden = !value.has_password;
  };
}
