/**
 * The stream as server-sent events: for networks that let no WebSocket through, or not for long.
 * @type {import("./websocket.js").Transport}
 */
export function events(address, { text, closed }) {
  const source = new EventSource(address);
  source.onmessage = (event) => text(event.data);
  // It would connect again by itself, but without back-off.
  source.onerror = () => {
    source.close();
    closed();
  };
  return source;
}
