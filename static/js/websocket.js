/**
 * The stream over a WebSocket. A transport is a function of this shape; others can stand in for it.
 *
 * @typedef {{ text: (text: string) => void, closed: () => void }} LinkEvents
 *   `closed` is called at most once, and neither after `close()`.
 * @typedef {{ close: () => void }} Link
 * @typedef {(address: string, events: LinkEvents) => Link} Transport
 */

/** @type {Transport} */
export function websocket(address, events) {
  const socket = new WebSocket(address.replace(/^http/, "ws"));
  socket.onmessage = (event) => events.text(event.data);
  socket.onclose = () => events.closed();
  return {
    close() {
      socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
}
