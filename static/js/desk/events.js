/** What others do, and how many read: the desk keeps itself up to date without touching what is being typed. */
import { call } from "./api.js";

const READERS_EVERY = 5_000;

/**
 * @param {(hint: { target: string, action: string, who: string }) => void} heard
 * @param {() => void} ready whenever nothing is missed from here on: what was before is to be asked for
 */
export function listen(heard, ready) {
  const source = new EventSource("/desk/events");
  source.onmessage = (event) => heard(JSON.parse(event.data));
  source.addEventListener("ready", ready);
}

export async function countReaders() {
  const answer = await call("GET", "/api/readers");
  if (answer.ok) {
    const count = (/** @type {number} */ number) => `${number.toLocaleString("en")} reading`;
    const total = document.getElementById("readers");
    if (total) total.textContent = count(answer.body.total);
    for (const place of document.querySelectorAll("[data-readers]")) {
      const number = answer.body.stories[place.getAttribute("data-readers") ?? ""] ?? 0;
      place.textContent = number ? `· ${count(number)}` : "";
    }
  }
  setTimeout(countReaders, READERS_EVERY);
}
