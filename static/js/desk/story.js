/** The story's own fields, in the form beside its updates. */
import { edit } from "./editing.js";
import { follow } from "./receipt.js";
import { say } from "./say.js";

/** @param {string} slug @param {string} editor */
export function manageStory(slug, editor) {
  const form = document.getElementById("story-form");
  if (!(form instanceof HTMLFormElement)) return;
  const record = JSON.parse(form.dataset.record ?? "");
  const path = `/api/stories/${slug}`;
  const name = `live-desk:${editor}:${path}`;

  /** @param {any} from */
  const open = (from) => {
    const task = edit({ form, path, record: from, name, saved });
    form.onsubmit = (event) => {
      event.preventDefault();
      task.save();
    };
    addEventListener("pagehide", task.end);
  };

  /** @param {import("./api.js").Answer} answer */
  const saved = (answer) => {
    say("Saved.");
    const heading = document.querySelector("h1");
    if (heading) heading.textContent = answer.body.headline;
    if (answer.cursor && answer.body.pubStatus === "usable") follow(answer.cursor, (words) => say(`Saved: ${words}`));
    open(answer.body);
  };

  open(record);
}
