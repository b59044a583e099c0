// A log that follows its end unless the user has scrolled away.
import { setText } from "../shell/elements.js";

const NEAR_END_PIXELS = 8;

/**
 * @param {HTMLElement} log
 * @param {string} text
 * @param {boolean} [isNew] Whether it is a different log.
 */
export function showLog(log, text, isNew = false) {
  const isAtEnd = isNew || log.scrollTop + log.clientHeight >= log.scrollHeight - NEAR_END_PIXELS;
  setText(log, text);
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}
