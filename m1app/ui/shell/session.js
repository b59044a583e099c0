// The session of whoever is logged in: when it ends, the login page is shown instead of errors.

/** @typedef {Window & { m1OwnFetch?: typeof fetch }} WatchedWindow The browser's own fetch, after it is replaced. */

function toLogin() {
  const page = window.location.pathname + window.location.search;
  window.location.assign(`/login?next=${encodeURIComponent(page)}`);
}

/** Leads to the login as soon as the app answers that nobody is logged in. */
export function watchSession() {
  const watched = /** @type {WatchedWindow} */ (window);
  if (watched.m1OwnFetch) return;
  const own = window.fetch.bind(window);
  watched.m1OwnFetch = own;
  window.fetch = async (...request) => {
    const answer = await own(...request);
    if (answer.status === 401) toLogin();
    return answer;
  };
}

/**
 * Ends the session and opens the login page.
 * @returns {Promise<boolean>} Whether the session has ended.
 */
export async function logOut() {
  const own = /** @type {WatchedWindow} */ (window).m1OwnFetch ?? fetch;
  const isOut = await own("/logout", { method: "POST" }).then(
    ({ ok }) => ok,
    () => false,
  );
  if (isOut) window.location.assign("/login");
  return isOut;
}
