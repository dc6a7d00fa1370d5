/** The list of a story's key events, kept in step with its updates. */

const TITLE_LENGTH = 110;

/** @param {HTMLElement} update as it is now; it need not be on the page */
export function list(update) {
  const events = document.getElementById("key-events");
  const id = update.id.replace("u-", "");
  const old = events?.querySelector(`[data-update="${id}"]`);
  const time = update.querySelector(".permalink live-time");
  if (!update.classList.contains("update-key") || !time) return old?.remove();
  const item = document.createElement("li");
  item.dataset.update = id;
  const link = document.createElement("a");
  link.href = old?.querySelector("a")?.getAttribute("href") ?? `#${update.id}`;
  link.textContent = title(update);
  const meta = document.createElement("span");
  meta.className = "meta";
  meta.append(time.cloneNode(true));
  item.append(link, " ", meta);
  if (old) old.replaceWith(item);
  else events?.insertBefore(item, [...events.children].find((each) => rank(each) < id) ?? null);
}

/** The same for one that waits to be shown: it changes what is listed already, and no more. @param {HTMLElement} update */
export function revise(update) {
  if (document.querySelector(`#key-events [data-update="${update.id.replace("u-", "")}"]`)) list(update);
}

/** @param {Element} item */
function rank(item) {
  return /** @type {HTMLElement} */ (item).dataset.update ?? "";
}

/** @param {Element} update */
function title(update) {
  const headline = update.querySelector(".update-headline")?.textContent;
  if (headline) return headline;
  const text = (update.querySelector(".body")?.textContent ?? "").trim().replace(/\s+/g, " ");
  return text.length > TITLE_LENGTH ? `${text.slice(0, TITLE_LENGTH).replace(/\s\S*$/, "")}…` : text;
}
