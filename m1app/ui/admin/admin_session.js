// The session of the Admin page: when it is over, the login page comes instead of errors.
const logOut = element.querySelector('[data-part="log-out"]');
const toLogin = () => {
  const page = window.location.pathname + window.location.search;
  window.location.assign(`/admin/login?next=${encodeURIComponent(page)}`);
};
if (!window.m1AdminFetch) {
  window.m1AdminFetch = window.fetch;
  window.fetch = async (...request) => {
    const answer = await window.m1AdminFetch(...request);
    if (answer.status === 401) toLogin();
    return answer;
  };
}
logOut.addEventListener("click", async () => {
  await window.m1AdminFetch("/admin/logout", { method: "POST" });
  window.location.assign("/admin/login");
});
const show = () => (logOut.hidden = !(props.value || {}).has_password);
watch("value", show);
show();
