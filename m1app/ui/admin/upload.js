// Files go to a separate route, which responds with the result.

/**
 * @typedef {object} UploadActs
 * @property {(text: string) => void} busy Progress; empty when done.
 * @property {(message: string) => void} notice
 * @property {(reply: any) => void} done
 */

/**
 * @param {string} place Of the route, below /admin/.
 * @param {File} file
 * @param {Record<string, string>} values
 * @param {UploadActs} acts
 */
export function upload(place, file, values, { busy, notice, done }) {
  // XMLHttpRequest instead of fetch, because it reports upload progress.
  const request = new XMLHttpRequest();
  request.open("POST", `/admin/${place}?${new URLSearchParams({ file: file.name, ...values })}`);
  request.responseType = "json";
  request.upload.addEventListener("progress", (event) => {
    const share = Math.round((event.loaded / event.total) * 100);
    busy(share < 100 ? `Sending ${file.name}: ${share}%` : `Reading ${file.name}…`);
  });
  request.addEventListener("load", () => {
    busy("");
    if (request.status === 401) window.location.assign("/admin/login?next=/admin/");
    else if (request.status === 200) done(request.response);
    else notice(request.response?.error || `The app refused the file (${request.status}).`);
  });
  request.addEventListener("error", () => {
    busy("");
    notice("The file could not be sent because the app is not responding. Try again in a moment.");
  });
  busy(`Sending ${file.name}…`);
  request.send(file);
}
