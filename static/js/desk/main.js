/** The desk: brings its parts together. */
import { Clock, correctByNavigation } from "../clock.js";
import { LiveTime } from "../elements.js";
import { actions } from "./actions.js";
import { compose } from "./composer.js";
import { countReaders, listen } from "./events.js";
import { keys } from "./keys.js";
import { renew } from "./renew.js";
import { manageStory } from "./story.js";
import { manage, refresh } from "./updates.js";

const slug = document.querySelector("[data-story]")?.getAttribute("data-story") ?? "";
const editor = document.body.dataset.editor ?? "";
const composer = document.getElementById("composer");
const isLive = document.querySelector("[data-live]") !== null;
const update = () => {
  if (slug) refresh(slug);
  else if (isLive) renew(location.href, "[data-live]");
};

const clock = new Clock();
correctByNavigation(clock, performance);
LiveTime.run(() => clock.now());
actions();
keys();
countReaders();
if (slug && composer instanceof HTMLFormElement) {
  compose(composer, slug, editor, update);
  manage(slug, editor);
  manageStory(slug, editor);
}
listen((hint) => {
  if (!slug || hint.target.startsWith(`/api/stories/${slug}`)) update();
}, update);
