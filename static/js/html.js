/**
 * The only place where text from the server becomes DOM: the one Trusted Types policy of the site.
 * The server's templates have escaped it; nothing else may pass here.
 *
 * @typedef {{ createHTML: (html: string) => string }} Policy
 */

/** @type {Policy} */
const AS_IT_IS = { createHTML: (html) => html };
/** @type {Policy} */
const policy =
  /** @type {any} */ (globalThis).trustedTypes?.createPolicy("live", AS_IT_IS) ?? AS_IT_IS;

/**
 * A page, or the body of one, as a document of its own: nothing in it runs or loads before it is moved into the page.
 * @param {string} html
 */
export function parse(html) {
  return new DOMParser().parseFromString(policy.createHTML(html), "text/html");
}
