/**
 * A live story in another site's page (docs/protocol.md):
 *
 *     <script type="module" src="https://news.example/embed.js"></script>
 *     <live-story src="https://news.example/story/flood"><a href="https://news.example/story/flood">Flood</a></live-story>
 *
 * What stands in the element is shown until the story is there. The story is in a shadow root: styles of the page do not
 * reach it, but for the custom properties that css/embed.css names.
 */

import { EmbeddedStory } from "./embedded-story.js";

/** Stories come from where this module does: their HTML is trusted as it is. */
const HOME = new URL(import.meta.url).origin;
const STORY = /^\/story\/[^/]+$/;

export class LiveStory extends HTMLElement {
  static observedAttributes = ["src"];

  #root = this.attachShadow({ mode: "open" });
  /** @type {EmbeddedStory | null} */ #story = null;
  #onvisible = () => document.hidden || this.#story?.wake();
  #ononline = () => this.#story?.wake();

  connectedCallback() {
    document.addEventListener("visibilitychange", this.#onvisible);
    addEventListener("online", this.#ononline);
    this.#show();
  }

  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.#onvisible);
    removeEventListener("online", this.#ononline);
    this.#leave();
  }

  attributeChangedCallback() {
    if (this.isConnected) this.#show();
  }

  #show() {
    this.#leave();
    this.#root.replaceChildren(document.createElement("slot"));
    const address = addressOf(this.getAttribute("src") ?? "");
    if (!address) return;
    this.#story = new EmbeddedStory(this.#root, address);
    void this.#story.start();
  }

  #leave() {
    this.#story?.stop();
    this.#story = null;
  }
}

/**
 * @param {string} src
 * @returns {URL | null} null for what is not a story of this module's site
 */
function addressOf(src) {
  if (!URL.canParse(src, document.baseURI)) return null;
  const address = new URL(src, document.baseURI);
  address.search = address.hash = "";
  if (address.origin === HOME && STORY.test(address.pathname)) return address;
  console.warn(`<live-story>: ${address.href} is not the address of a story at ${HOME}.`);
  return null;
}

if (!customElements.get("live-story")) customElements.define("live-story", LiveStory);
