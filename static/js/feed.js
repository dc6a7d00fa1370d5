/**
 * Lists of articles as feeds: https://www.w3.org/WAI/ARIA/apg/patterns/feed/. Page Down and Page Up move from article to
 * article, Ctrl+End and Ctrl+Home leave.
 */

const FEEDS = ["updates", "stream"];
const FOCUSABLE = "a[href], button, input, select, [tabindex='0']";

/** Tells how many articles each feed has, and which of them each is. */
export function number() {
  for (const id of FEEDS) {
    const feed = document.getElementById(id);
    const articles = feed ? [...feed.querySelectorAll(":scope > article")] : [];
    if (!feed || !articles.length) {
      feed?.removeAttribute("role");
      continue;
    }
    set(feed, "role", "feed");
    set(feed, "aria-labelledby", id === "updates" ? "updates-heading" : "stream-heading");
    const size = id === "updates" && document.querySelector("#older a") ? "-1" : `${articles.length}`;
    articles.forEach((article, at) => {
      set(article, "aria-posinset", `${at + 1}`);
      set(article, "aria-setsize", size);
      set(article, "tabindex", "-1");
    });
  }
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string} value
 */
function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Listens for the keys. */
export function keys() {
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.metaKey || event.shiftKey || !(event.target instanceof Element)) return;
    const feed = event.target.closest("[role=feed]");
    const article = event.target.closest("[role=feed] > article");
    const target = feed && (event.ctrlKey ? beyond(feed, event.key) : beside(article, event.key));
    if (!(target instanceof HTMLElement)) return;
    event.preventDefault();
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: event.ctrlKey ? "nearest" : "start" });
  });
}

/**
 * @param {Element | null} article
 * @param {string} key
 */
function beside(article, key) {
  if (key === "PageDown") return article?.nextElementSibling;
  return key === "PageUp" ? article?.previousElementSibling : null;
}

/**
 * What can be focused next to a feed.
 * @param {Element} feed
 * @param {string} key
 */
function beyond(feed, key) {
  const all = [...document.querySelectorAll(FOCUSABLE)].filter((each) => !feed.contains(each) && each.checkVisibility());
  const follows = (/** @type {Element} */ each) => feed.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_FOLLOWING;
  if (key === "End") return all.find(follows);
  return key === "Home" ? all.filter((each) => !follows(each)).at(-1) : null;
}
