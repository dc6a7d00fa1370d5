/** The site's style sheets for a shadow root in another site's page. */

const SHEETS = ["../css/live.css", "../css/embed.css"];
/** A length in rem, or the head of a media query, where rem means the browser's own size and stays. */
const REM = /@media[^{]*|(\d*\.?\d+)rem\b/g;

/** @type {Promise<CSSStyleSheet[]> | null} */
let kept = null;

/** The sheets, fetched once for all stories of a page; none if they cannot be had. */
export function stylesheets() {
  kept ??= Promise.all(SHEETS.map(fetched)).catch(() => {
    kept = null;
    return [];
  });
  return kept;
}

/** @param {string} path */
async function fetched(path) {
  const response = await fetch(new URL(path, import.meta.url), { credentials: "omit" });
  if (!response.ok) throw new TypeError(`${path}: ${response.status}`);
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(sized(await response.text()));
  return sheet;
}

/**
 * In a shadow root a rem is still the other page's: all lengths in it are made multiples of a size of our own.
 * @param {string} css
 */
export function sized(css) {
  return css.replace(REM, (found, number) => (number === undefined ? found : `calc(${number} * var(--size))`));
}
