/** The updates that a long story's page does not have yet. */

import { parse } from "./html.js";

/** @param {string} id an update's ID */
const address = (id) => `${location.pathname}?from=${id}#u-${id}`;

/**
 * The next part of the story, or null if it cannot be had just now.
 * @param {HTMLAnchorElement} link to older updates
 * @returns {Promise<Document | null>}
 */
export async function next(link) {
  const url = new URL(link.href);
  url.pathname += "/older";
  try {
    const response = await fetch(url, { cache: "no-cache" });
    return response.ok ? parse(await response.text()) : null;
  } catch {
    return null;
  }
}

/**
 * Goes to the page of the story that has an update, if there is one.
 * @param {string} id
 */
export async function seek(id) {
  const response = await fetch(`${location.pathname}/older?from=${id}`).catch(() => null);
  if (response?.ok) location.replace(address(id));
}
