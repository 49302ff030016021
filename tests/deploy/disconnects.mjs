// Many clients of the npm package `centrifuge`, unmodified, on one channel, whose wires are cut at
// no particular moments. Arguments: the URL, how many clients, the channel, how many cuts of clients
// that had connected; some more are cut before. Says "ready" when all are subscribed. A line on
// stdin begins the cuts; "cut" says that there were enough. Another line is an offset: when every client has it, a line of JSON tells what each got.
import { Centrifuge } from "centrifuge";
import WebSocket from "ws";

const [url, count, channel, enough] = process.argv.slice(2);
const LONGEST = 120; // ms that a connection lives
const EARLY = 0.15; // of the wires are cut in the middle of the handshake, or of connect
const clients = [];
let subscribed = 0;
let cuts = 0;
let isCutting = false;

function wiresOf(seen) {
  return class extends WebSocket {
    constructor(...given) {
      super(...given);
      seen.wire = this;
      if (isCutting && Math.random() < EARLY) setTimeout(() => this.terminate(), Math.random() * 20);
      this.once("message", (data) => {
        const [, node] = /"node":"([^"]+)"/.exec(String(data));
        seen.nodes[node] = (seen.nodes[node] ?? 0) + 1;
        this.cutSoon();
      });
    }
    cutSoon() {
      setTimeout(() => {
        if (!isCutting || this.readyState !== WebSocket.OPEN) return;
        this.terminate();
        if (++cuts === Number(enough)) {
          isCutting = false;
          console.log("cut");
        }
      }, Math.random() * LONGEST);
    }
  };
}

for (let n = 0; n < Number(count); n++) {
  const seen = { offsets: [], labels: [], lost: 0, ended: [], nodes: {} };
  clients.push(seen);
  const centrifuge = new Centrifuge(url, {
    websocket: wiresOf(seen),
    minReconnectDelay: 5,
    maxReconnectDelay: 50,
  });
  centrifuge.on("disconnected", ({ code }) => seen.ended.push(code));
  const subscription = centrifuge.newSubscription(channel);
  subscription.on("subscribed", ({ wasRecovering, recovered }) => {
    if (wasRecovering && !recovered) seen.lost++;
    if (!wasRecovering && ++subscribed === Number(count)) console.log("ready");
  });
  subscription.on("unsubscribed", ({ code }) => seen.ended.push(code));
  subscription.on("publication", ({ offset, data }) => {
    seen.offsets.push(offset);
    seen.labels.push(data.label);
  });
  subscription.subscribe();
  centrifuge.connect();
}

process.stdin.on("data", (line) => {
  if (cuts === 0) {
    isCutting = true;
    for (const { wire } of clients) wire.cutSoon();
    return;
  }
  const top = Number(String(line).trim());
  const wait = setInterval(() => {
    if (clients.every(({ offsets }) => offsets[offsets.length - 1] >= top)) {
      clearInterval(wait);
      console.log(JSON.stringify(clients.map(({ wire, ...seen }) => seen)));
    }
  }, 20);
});
process.stdin.on("end", () => process.exit(0));
