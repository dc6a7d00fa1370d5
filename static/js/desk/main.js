/** The desk: brings its parts together. */
import "../clock.js";
import { actions } from "./actions.js";
import { compose } from "./composer.js";
import { countReaders, listen } from "./events.js";
import { manage, refresh } from "./updates.js";

const slug = document.querySelector("[data-story]")?.getAttribute("data-story") ?? "";
const composer = document.getElementById("composer");
const update = () => { if (slug) refresh(slug); };

actions();
countReaders();
if (slug && composer instanceof HTMLFormElement) {
  compose(composer, slug, document.body.dataset.editor ?? "", update);
  manage(slug);
}
listen((hint) => { if (hint.target.startsWith(`/api/stories/${slug}`)) update(); }, update);
