/** Keys that work on every page of the desk. */
import { call } from "./api.js";
import { say } from "./say.js";

export function keys() {
  const help = /** @type {HTMLDialogElement | null} */ (document.getElementById("keys"));
  document.getElementById("show-keys")?.addEventListener("click", () => help?.showModal());
  document.addEventListener("keydown", (event) => {
    const types = event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
    if (event.altKey && event.shiftKey && event.code === "KeyC") clearNotice();
    else if (event.key === "?" && !types && !document.querySelector("dialog[open]")) help?.showModal();
  });
}

async function clearNotice() {
  const answer = await call("DELETE", "/api/notice");
  if (answer.ok) say("The breaking notice is cleared.");
  else say(answer.status === 404 ? "There is no breaking notice." : answer.detail);
}
