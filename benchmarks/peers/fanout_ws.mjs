// Fan-out with the npm package `ws`: a loop over the clients, as its documents show it.
// Arguments: where `ws` is installed, and the port.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const [modules, port] = process.argv.slice(2);
const { WebSocketServer } = createRequire(`${modules}/`)("ws");

const http = createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  if (url.pathname === "/publish") {
    const text = "@" + "x".repeat(Number(url.searchParams.get("size")) - 1);
    for (let n = 0; n < Number(url.searchParams.get("count")); n++) {
      for (const client of sockets.clients) client.send(text);
    }
  }
  response.end("ok");
});
const sockets = new WebSocketServer({ server: http, perMessageDeflate: false });
http.listen(Number(port), "127.0.0.1", 4096);
