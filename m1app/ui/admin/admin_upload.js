// Files go to a route of their own, which answers with what became of them.
// XMLHttpRequest and not fetch: it tells how much has been sent.
function upload(place, file, values, done) {
  const request = new XMLHttpRequest();
  request.open("POST", `/admin/${place}?${new URLSearchParams({ file: file.name, ...values })}`);
  request.responseType = "json";
  request.upload.addEventListener("progress", (event) => {
    const share = Math.round((event.loaded / event.total) * 100);
    busy(share < 100 ? `Sending ${file.name}: ${share}%` : `Reading ${file.name}…`);
  });
  request.addEventListener("load", () => {
    busy("");
    if (request.status === 401) return window.location.assign("/admin/login?next=/admin/");
    if (request.status !== 200) return say("notice", request.response?.error || `The app refused the file (${request.status}).`);
    done(request.response);
  });
  request.addEventListener("error", () => {
    busy("");
    say("notice", "The file could not be sent: the app does not answer. Try again in a moment.");
  });
  busy(`Sending ${file.name}…`);
  request.send(file);
}
