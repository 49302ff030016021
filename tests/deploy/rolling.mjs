// Many clients of the npm package `centrifuge`, unmodified, on one channel. Arguments: the URL, how
// many, the channel. Says "ready" when all are subscribed. Asked by a line on stdin, it waits until
// every client has the offset of that line, and prints what became of all of them as JSON.
import { Centrifuge } from "centrifuge";
import WebSocket from "ws";

const [url, count, channel] = process.argv.slice(2);
const clients = [];
let subscribed = 0;

for (let n = 0; n < Number(count); n++) {
  const seen = { offsets: [], closes: [], lost: 0, came: [], errors: [] };
  clients.push(seen);
  const centrifuge = new Centrifuge(url, {
    websocket: WebSocket,
    minReconnectDelay: 50,
    maxReconnectDelay: 500,
  });
  centrifuge.on("connecting", ({ code }) => seen.closes.push(code));
  centrifuge.on("connected", () => seen.came.push(Date.now()));
  centrifuge.on("disconnected", ({ code }) => seen.errors.push(code));
  const subscription = centrifuge.newSubscription(channel);
  subscription.on("subscribed", ({ wasRecovering, recovered }) => {
    if (wasRecovering && !recovered) seen.lost++;
    if (!wasRecovering && ++subscribed === Number(count)) console.log("ready");
  });
  subscription.on("unsubscribed", ({ code }) => seen.errors.push(code));
  subscription.on("publication", ({ offset }) => seen.offsets.push(offset));
  subscription.subscribe();
  centrifuge.connect();
}

process.stdin.on("data", (line) => {
  const top = Number(String(line).trim());
  const wait = setInterval(() => {
    if (clients.every(({ offsets }) => offsets[offsets.length - 1] >= top)) {
      clearInterval(wait);
      console.log(JSON.stringify(clients));
    }
  }, 20);
});
process.stdin.on("end", () => process.exit(0));
