/** Parts of a page as the server has them now, put in place of what is shown; the focus stays where it was. */
import { parse } from "../html.js";
import { call } from "./api.js";

/**
 * @param {string} address of a page that has the parts
 * @param {string} selector of the parts, each of which has an ID
 */
export async function renew(address, selector) {
  const answer = await call("GET", address);
  if (!answer.ok) return;
  const fresh = parse(answer.body);
  const focused = document.activeElement;
  for (const old of document.querySelectorAll(selector)) {
    const part = fresh.getElementById(old.id);
    if (part) old.replaceWith(part);
  }
  if (focused && !focused.isConnected) likeness(focused)?.focus();
}

/** The element that does what another did: in the entry, or the row, of the same name. @param {Element} gone @returns {HTMLElement | null} */
function likeness(gone) {
  for (const name of ["data-act", "data-post", "data-delete", "data-duplicate", "href"]) {
    const value = gone.getAttribute(name);
    if (!value) continue;
    const entry = gone.closest(".entry")?.id;
    return document.querySelector(`${entry ? `#${CSS.escape(entry)} ` : ""}[${name}="${CSS.escape(value)}"]`);
  }
  return null;
}
