// Shows that the packages are there and load: prints the names of what tests use of them.
import { Centrifuge } from "centrifuge";
import { WebSocket } from "ws";

console.log(Centrifuge.name, WebSocket.name);
