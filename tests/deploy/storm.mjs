// Many clients of the npm package `centrifuge`, unmodified, each on the same many channels.
// Arguments: the URL, how many clients, how many channels. Says "ready" when all are subscribed. A
// line on stdin cuts all their wires; when everybody has everything back it prints a line of JSON:
// the milliseconds, and how many recoveries failed and subscribes timed out.
import { Centrifuge } from "centrifuge";
import WebSocket from "ws";

const [url, count, channels] = process.argv.slice(2);
const all = Number(count) * Number(channels);
const SUBSCRIBE_TIMEOUT = 3; // of the SDK's codes, `connectingCodes`
const wires = new Set();
let subscribed = 0;
let begun = 0;
let lost = 0;
let timeouts = 0;

class Wire extends WebSocket {
  constructor(...given) {
    super(...given);
    wires.add(this);
    this.on("close", () => wires.delete(this));
  }
}

const note = ({ wasRecovering, recovered }) => {
  if (wasRecovering && !recovered) lost++;
  if (++subscribed !== all) return;
  console.log(begun ? JSON.stringify({ ms: Date.now() - begun, lost, timeouts }) : "ready");
};

for (let n = 0; n < Number(count); n++) {
  const centrifuge = new Centrifuge(url, {
    websocket: Wire,
    minReconnectDelay: 10,
    maxReconnectDelay: 100,
  });
  centrifuge.on("connecting", ({ code }) => (timeouts += code === SUBSCRIBE_TIMEOUT ? 1 : 0));
  for (let m = 0; m < Number(channels); m++) {
    const subscription = centrifuge.newSubscription(`crates:storm-${m}`);
    subscription.on("subscribed", note);
    subscription.on("error", () => timeouts++);
    subscription.subscribe();
  }
  centrifuge.connect();
}

process.stdin.on("data", () => {
  subscribed = 0;
  begun = Date.now();
  for (const wire of [...wires]) wire.terminate();
});
process.stdin.on("end", () => process.exit(0));
