// Node's `ws`, sending each message to every client; fed from Redis over a plain socket.
//   node ws.mjs PORT REDIS_PORT CHANNEL
import { connect } from "node:net";
import { WebSocketServer } from "ws";

const [port, redisPort, channel] = process.argv.slice(2);
const server = new WebSocketServer({ port: Number(port), host: "127.0.0.1", backlog: 4096 });
const mark = `\r\n${channel}\r\n$`;
const redis = connect(Number(redisPort), "127.0.0.1", () => redis.write(`SUBSCRIBE ${channel}\r\n`));
let held = "";
redis.setEncoding("latin1");
redis.on("data", (data) => {
  held += data;
  for (;;) {
    const found = held.indexOf(mark);
    const end = held.indexOf("\r\n", found + mark.length);
    if (found < 0 || end < 0) return;
    const size = Number(held.slice(found + mark.length, end));
    if (held.length < end + size + 4) return;
    const payload = held.slice(end + 2, end + 2 + size);
    held = held.slice(end + size + 4);
    for (const client of server.clients) client.send(payload);
  }
});
