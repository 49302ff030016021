// The npm package `centrifuge`, unmodified: says on stdout, one JSON object a line, what happens
// to it. Arguments: the URL of the socket, and the channels to subscribe to. A URL of http means a
// stream, and requests beside it.
import { Centrifuge } from "centrifuge";
import WebSocket from "ws";

const [url, ...channels] = process.argv.slice(2);
const say = (event, more = {}) => console.log(JSON.stringify({ event, ...more }));

const endpoint = url.startsWith("http")
  ? [{ transport: "http_stream", endpoint: `${url}/http_stream` }]
  : url;
const centrifuge = new Centrifuge(endpoint, {
  websocket: WebSocket,
  emulationEndpoint: `${url}/emulation`,
  token: process.env.TOKEN ?? "",
  minReconnectDelay: 20,
  maxReconnectDelay: 100,
});
centrifuge.on("connecting", ({ code }) => say("connecting", { code }));
centrifuge.on("connected", () => say("connected"));
centrifuge.on("disconnected", ({ code, reason }) => say("disconnected", { code, reason }));

for (const channel of channels) {
  const subscription = centrifuge.newSubscription(channel, { minResubscribeDelay: 20 });
  subscription.on("subscribing", ({ code }) => say("subscribing", { channel, code }));
  subscription.on("subscribed", ({ wasRecovering, recovered }) =>
    say("subscribed", { channel, wasRecovering, recovered }),
  );
  subscription.on("unsubscribed", ({ code }) => say("unsubscribed", { channel, code }));
  subscription.on("publication", ({ offset, data }) =>
    say("publication", { channel, offset, label: data.label }),
  );
  subscription.subscribe();
}
centrifuge.connect();

// One word a line on stdin asks for more.
process.stdin.on("data", async (words) => {
  if (String(words).trim() === "history") {
    const { publications, offset } = await centrifuge.history(channels[0], { limit: 2 });
    say("history", { offsets: publications.map((each) => each.offset), offset });
  }
});
process.stdin.on("end", () => process.exit(0));
