// The departure board of one airport.

import { connect } from "../../static/trivet_realtime/live.js";
import { Flaps } from "./flaps.js";

const WIDTHS = { time: 5, destination: 16, flight: 7, gate: 4, status: 14 };
const AHEAD_MS = 3 * 3_600_000; // how far ahead the board shows
const JUMP_MS = 3 * 3_600_000; // a report this far from our time: ask what time it is
const ASK_AGAIN_MS = 5_000;
const OFFLINE_AFTER_MS = 15_000;
const REFUSED_MS = 60_000; // nothing is final for a board on a wall: it asks again after this
const STATES = {
  live: "Live",
  reconnecting: "Reconnecting",
  offline: "Offline",
};

const airport = document.body.dataset.airport;
const flights = new Map(); // id -> the newest row of it
const lines = new Map(); // id -> its line on the board
const body = document.getElementById("rows");
const clock = new Flaps(document.getElementById("clock"), 5);
let places = {};
let local = null; // formats instants by the airport's clocks
let stands = { asOf: 0, since: 0 }; // the board's time, and when it was that
let completeUntil = 0;
let askedAt = 0;
let drawing = false;
let flightsOfAirport = null; // the subscription
let lost = 0; // the timer after which an outage is one

function now() {
  return stands.asOf + (performance.now() - stands.since);
}

function setClock(instant) {
  stands = { asOf: instant, since: performance.now() };
}

// What is, and where in the channel it was read.
async function snapshot(signal) {
  askedAt = performance.now();
  const url = new URL(`../api/departures/board/${airport}`, document.baseURI);
  const answer = await fetch(url, { cache: "no-store", signal });
  if (!answer.ok) throw new Error(`the board answered ${answer.status}`);
  return answer.json();
}

function showBoard(board) {
  places = board.places;
  local = formats(board.airport.time_zone);
  completeUntil = Date.parse(board.complete_until);
  setClock(Date.parse(board.as_of));
  flights.clear();
  for (const row of board.rows) flights.set(row.id, row);
  drawSoon();
}

function publication({ data: event }) {
  if (event.type === "flight_removed") {
    flights.delete(event.id);
  } else {
    flights.set(event.row.id, event.row);
    if (event.as_of) follow(Date.parse(event.as_of));
    if (lines.has(event.row.id)) announce(event);
  }
  drawSoon();
}

// Reports carry the time at which the board stands.
function follow(asOf) {
  if (Math.abs(asOf - now()) > JUMP_MS) askAgain();
  else if (asOf > now()) setClock(asOf);
}

// The timetable beyond what we have, or the time itself: no publication tells those.
function askAgain() {
  if (performance.now() - askedAt > ASK_AGAIN_MS) flightsOfAirport.refresh();
}

// Many publications may come at once: the board is drawn when the browser draws.
function drawSoon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(draw);
}

function draw() {
  drawing = false;
  if (!local) return;
  const time = now();
  for (const [id, row] of flights) if (Date.parse(row.until) <= time) flights.delete(id);
  const shown = [...flights.values()]
    .filter((row) => Date.parse(row.scheduled_departure) <= time + AHEAD_MS)
    .sort(byDeparture);
  arrange(shown.map((row) => row.id));
  for (const row of shown) lines.get(row.id).show(row);
  document.getElementById("empty").hidden = shown.length > 0;
  clock.show(local.clock.format(time));
  document.getElementById("day").textContent = local.day.format(time);
}

// A line for each of `ids`, in that order, and for no other.
function arrange(ids) {
  if (ids.join() === [...lines.keys()].join()) return;
  slide(() => {
    const before = new Map(lines);
    lines.clear();
    for (const id of ids) lines.set(id, before.get(id) ?? newLine());
    body.replaceChildren(...[...lines.values()].map((line) => line.element));
  });
}

function byDeparture(a, b) {
  return (
    a.scheduled_departure.localeCompare(b.scheduled_departure) ||
    a.carrier.localeCompare(b.carrier) ||
    a.number - b.number
  );
}

// Let the lines that stay glide from where they were to where they are.
function slide(change) {
  const before = new Map([...lines].map(([id, line]) => [id, line.element.offsetTop]));
  change();
  if (matchMedia("(prefers-reduced-motion: reduce)").matches || document.hidden) return;
  for (const [id, { element }] of lines) {
    const moved = before.has(id) ? before.get(id) - element.offsetTop : 0;
    if (moved) {
      const from = { transform: `translateY(${moved}px)` };
      element.animate([from, { transform: "none" }], { duration: 450, easing: "ease-in-out" });
    }
  }
}

function newLine() {
  const element = document.createElement("tr");
  element.setAttribute("role", "row");
  const cells = {};
  for (const [name, width] of Object.entries(WIDTHS)) {
    const cell = document.createElement("td");
    cell.setAttribute("role", "cell");
    cell.className = name;
    cells[name] = new Flaps(cell.appendChild(document.createElement("span")), width);
    element.append(cell);
  }
  return { element, show: (row) => show(element, cells, row) };
}

function show(element, cells, row) {
  const quietly = !element.dataset.status; // a line turns when it changes, not when it appears
  element.dataset.status = row.status;
  element.dataset.flight = `${row.carrier}${row.number}`;
  const options = { quietly };
  cells.time.show(local.clock.format(Date.parse(row.scheduled_departure)), options);
  cells.destination.show(places[row.destination] ?? row.destination, options);
  cells.flight.show(`${row.carrier} ${row.number}`, options);
  cells.gate.show(row.gate ?? "", { ...options, spoken: row.gate ?? "not assigned" });
  cells.status.show(status(row), options);
}

function status(row) {
  const at = Date.parse(row.expected_departure);
  const expected = local.clock.format(at);
  switch (row.status) {
    case "scheduled":
      return at > now() ? "On time" : "Departing";
    case "delayed":
      return at > now() ? `Delayed ${expected}` : "Departing";
    case "cancelled":
      return "Cancelled";
    default:
      return `Departed ${expected}`;
  }
}

// For who cannot see the tiles turn: what passengers must know, and nothing else.
function announce({ type, row }) {
  const news = {
    gate_assigned: row.gate ? `now at gate ${row.gate}` : "without a gate now",
    flight_delayed: status(row),
    flight_cancelled: "cancelled",
  }[type];
  if (!news) return;
  const place = places[row.destination] ?? row.destination;
  const item = document.createElement("p");
  item.textContent = `${row.carrier} ${row.number} to ${place}: ${news}.`;
  const log = document.getElementById("announcements");
  log.append(item);
  while (log.children.length > 5) log.firstChild.remove();
}

function formats(timeZone) {
  const zone = { timeZone: timeZone ?? "UTC" };
  return {
    clock: new Intl.DateTimeFormat("en-GB", { ...zone, hour: "2-digit", minute: "2-digit" }),
    day: new Intl.DateTimeFormat("en-GB", { ...zone, dateStyle: "full" }),
  };
}

function state(name) {
  const element = document.getElementById("state");
  if (element.dataset.state === name) return;
  element.dataset.state = document.body.dataset.state = name;
  element.textContent = STATES[name];
}

function tick() {
  draw();
  if (local && now() + AHEAD_MS > completeUntil) askAgain();
}

function watch() {
  const live = connect({ name: "departure board", status: () => {} });
  const status = (status) => tellStatus(status, live);
  const options = { snapshot, show: showBoard, publication, status };
  flightsOfAirport = live.state(`departures:${airport}`, options);
  lost = setTimeout(() => state("offline"), OFFLINE_AFTER_MS);
}

function tellStatus(status, live) {
  clearTimeout(lost);
  if (status === "subscribed") return state("live");
  if (status === "ended") {
    live.close();
    setTimeout(watch, REFUSED_MS);
  }
  const isOffline = status === "ended" || !navigator.onLine;
  state(isOffline ? "offline" : "reconnecting");
  if (!isOffline) lost = setTimeout(() => state("offline"), OFFLINE_AFTER_MS);
}

watch();
setInterval(tick, 1_000);
