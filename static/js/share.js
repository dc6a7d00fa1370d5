/** The buttons that hand on the address of an update. */

const SHOWN = 2_000;

/** @param {(text: string) => void} say tells what the button did */
export function sharing(say) {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-share]") : null;
    if (button instanceof HTMLElement) void share(button, say);
  });
}

/**
 * @param {HTMLElement} button
 * @param {(text: string) => void} say
 */
async function share(button, say) {
  const url = new URL(button.dataset.share ?? "", location.href).href;
  try {
    // A phone's own sheet; at a desk the clipboard is quicker.
    if (typeof navigator.share === "function" && matchMedia("(pointer: coarse)").matches) {
      return await navigator.share({ url, title: document.title });
    }
    await navigator.clipboard.writeText(url);
  } catch {
    return; // dismissed, or not allowed: the time beside it is a link too
  }
  const words = button.textContent;
  if (button.classList.contains("done")) return;
  button.classList.add("done");
  button.textContent = "Link copied";
  say("Link copied");
  setTimeout(() => {
    button.classList.remove("done");
    button.textContent = words;
  }, SHOWN);
}
