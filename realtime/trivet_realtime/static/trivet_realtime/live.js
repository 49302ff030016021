// Live data in a page: a client of the Centrifuge protocol (version 2, JSON), without a build step.
//
//     import { connect } from "/static/trivet_realtime/live.js";
//
//     const live = connect();
//     for await (const { data } of live.subscribe("chat:den")) show(data);
//
// Its rules. A publication is given to the page once, and in the order of its channel. After an
// outage the server is asked for what was missed, by the position (epoch and offset) of the last
// publication; what it cannot give is told, never passed over. Whatever may pass is tried again
// after a random pause that grows; what the server calls final (a revoked session, a refused
// channel) ends, with its code. docs/realtime.md has the page about it.

const PAUSE_MS = { least: 500, most: 20_000 };
const GRACE_MS = 10_000; // how much later than promised a ping may come
const REPLY_MS = 10_000; // for the first bytes of a connection, and for a reply
const SNAPSHOT_MS = 30_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const RESUBSCRIBE = 2500; // unsubscribe codes from here on: come again
const STATE_INVALIDATED = 2502;
const NO_STATUS = 1006; // a connection that ended without a word (RFC 6455, 7.1.5)
const TOO_BIG = 1009;
const UNAUTHORIZED = 101;
const TOKEN_EXPIRED = 109;
const UNRECOVERABLE = 112;
const REJECT_UNRECOVERED = 2; // a subscribe's flag: an error rather than a hole

/**
 * @typedef {object} Position A place in a channel.
 * @property {string} epoch
 * @property {number} offset
 */

/**
 * @typedef {object} Publication What the protocol calls so.
 * @property {any} data
 * @property {number} [offset] Counts from 1 in its channel. An ephemeral publication has none.
 * @property {Record<string, string>} [tags]
 * @property {{user?: string, client?: string, conn_info?: any}} [info] Who published it.
 * @property {number} [time] Milliseconds since 1970.
 */

/**
 * @typedef {string | (() => string | Promise<string>)} Token A token, or a function that gets one,
 *   asked again whenever a new one is needed. It may throw a LiveError, or return "", to give up;
 *   after any other error it is asked again later.
 */

/** @typedef {"connecting" | "connected" | "ended"} ConnectionStatus */

/** @typedef {"subscribing" | "subscribed" | "ended"} SubscriptionStatus */

/**
 * @typedef {object} ConnectOptions
 * @property {string | URL} [url] The address of the sockets, http(s) or ws(s). By default `/ws` of
 *   the site that this module came from.
 * @property {Token} [token] Without it the session's cookie says who it is.
 * @property {any} [data] For the server.
 * @property {string} [name] What the server calls this program in its lists.
 * @property {(status: ConnectionStatus, error?: LiveError) => void} [status] Called when it
 *   changes. `ended` is final; the error says why, and is absent after `close()`.
 */

/**
 * @typedef {object} SubscribeOptions
 * @property {(publication: Publication) => void} [publication] Called with each one. Without it,
 *   the subscription is a thing to loop over, by `for await`.
 * @property {() => void} [gap] Called when publications were missed that nobody has any more: what
 *   the page shows has to be read anew. A loop ends with error 112 instead.
 * @property {(status: SubscriptionStatus, error?: LiveError) => void} [status]
 * @property {Position} [since] Begin after this position. By default: after now.
 * @property {Token} [token] A subscription token, for channels that begin with `$`.
 */

/**
 * @template {Position} S
 * @typedef {object} StateOptions
 * @property {(signal: AbortSignal) => Promise<S>} snapshot Reads what is, with the position in the
 *   channel at which it was read. It may throw a LiveError to give up; after any other error it is
 *   asked again later.
 * @property {(snapshot: S) => void} show Puts it in the place of whatever the page shows.
 * @property {(publication: Publication) => void} publication Called with each one after that.
 * @property {(status: SubscriptionStatus, error?: LiveError) => void} [status]
 * @property {Token} [token]
 */

/** Why a connection or a subscription ended: a number of the protocol, and its words. */
export class LiveError extends Error {
  name = "LiveError";

  /**
   * @param {number} code
   * @param {string} [message]
   * @param {boolean} [temporary]
   */
  constructor(code, message = "", temporary = false) {
    super(`${code} ${message}`.trim());
    this.code = code;
    this.temporary = temporary || code < 100;
  }
}

/**
 * Open a connection, which comes back by itself after every outage. A page needs one.
 *
 * @param {ConnectOptions} [options]
 * @returns {Live}
 */
export function connect(options = {}) {
  return new Live(options);
}

/** A connection to the server. */
export class Live {
  #options;
  #url;
  /** @type {Map<string, Stream>} */
  #streams = new Map();
  /** @type {Wire | null} */
  #wire = null;
  #isOpening = false;
  #pauses = new Pauses();
  #refreshing = 0;
  #listening = new AbortController();
  #status = new Status("connecting", "The connection");

  /** @param {ConnectOptions} options */
  constructor(options) {
    this.#options = options;
    this.#status.listener = options.status;
    this.#url = new URL(options.url ?? "../../ws", options.url ? location.href : import.meta.url);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    const { signal } = this.#listening;
    const open = () => this.#open();
    // A network that comes, or a visitor who does, ends the pause. Where one goes, a socket can
    // look open for minutes.
    addEventListener("online", open, { signal });
    addEventListener("offline", () => this.#wire?.end(NO_STATUS, "offline"), { signal });
    globalThis.document?.addEventListener("visibilitychange", () => document.hidden || open(), {
      signal,
    });
    open();
  }

  /** @returns {ConnectionStatus} */
  get status() {
    return this.#status.value;
  }

  /**
   * The publications of a channel, one after the other.
   *
   * @param {string} channel
   * @param {SubscribeOptions} [options]
   * @returns {Subscription}
   */
  subscribe(channel, options = {}) {
    return this.#begin(channel, options);
  }

  /**
   * Keep what the page shows true: read a snapshot, and take the publications from its position on.
   * Where they cannot be had any more, the snapshot is read anew.
   *
   * @template {Position} S
   * @param {string} channel
   * @param {StateOptions<S>} options
   * @returns {Subscription}
   */
  state(channel, options) {
    for (const name of ["snapshot", "show", "publication"]) {
      if (typeof options?.[name] !== "function") throw new TypeError(`state() needs ${name}()`);
    }
    return this.#begin(channel, options);
  }

  /** End the connection and every subscription. */
  close() {
    this.#end();
  }

  #begin(channel, options) {
    if (this.#status.isOver) throw new Error("this connection has ended");
    if (this.#streams.has(channel)) throw new Error(`${channel} has a subscription already`);
    const stream = new Stream(channel, options, () => this.#streams.delete(channel));
    this.#streams.set(channel, stream);
    stream.opened(this.#wire?.isOpen ? this.#wire : null);
    return new Subscription(stream);
  }

  async #open() {
    if (this.#wire || this.#isOpening || this.#status.isOver) return;
    this.#pauses.stop();
    this.#isOpening = true;
    let token;
    try {
      token = await tokenOf(this.#options);
    } catch (error) {
      return error instanceof LiveError ? this.#end(error) : this.#later();
    } finally {
      this.#isOpening = false;
    }
    if (this.#status.isOver) return;
    const wire = new Wire(this.#url, {
      opened: () => this.#greet(wire, token),
      pushed: (push) => this.#pushed(push),
      ended: (code, reason) => this.#lost(code, reason),
    });
    this.#wire = wire;
  }

  // Everything that is to be said goes in one frame.
  #greet(wire, token) {
    const { data, name = "trivet live.js" } = this.#options;
    wire.ask({ connect: { token, data, name } }, (result, error) => {
      if (error) this.#refused(wire, error);
      else this.#connected(wire, result);
    });
    for (const stream of this.#streams.values()) stream.opened(wire);
  }

  #connected(wire, result) {
    wire.expectPings(result);
    this.#pauses.reset();
    this.#refreshLater(wire, result);
    this.#status.set("connected");
  }

  #refused(wire, error) {
    if (isTemporary(error, this.#options)) wire.end(NO_STATUS, "refused");
    else this.#end(error);
  }

  #refreshLater(wire, { expires, ttl }) {
    clearTimeout(this.#refreshing);
    if (!expires || typeof this.#options.token !== "function") return;
    this.#refreshing = setTimeout(() => this.#refresh(wire), limited(ttl * 1000));
  }

  // If nothing comes of it, the server ends the connection, and the next one asks for a token.
  async #refresh(wire) {
    try {
      const token = await tokenOf(this.#options);
      if (wire !== this.#wire) return;
      wire.ask({ refresh: { token } }, (result) => result && this.#refreshLater(wire, result));
    } catch (error) {
      if (wire === this.#wire && error instanceof LiveError) this.#end(error);
    }
  }

  #pushed({ channel, pub, unsubscribe, disconnect }) {
    if (disconnect) this.#wire?.end(disconnect.code, disconnect.reason);
    else if (pub) this.#streams.get(channel)?.published(pub);
    else if (unsubscribe) this.#streams.get(channel)?.unsubscribed(unsubscribe);
  }

  #lost(code, reason) {
    this.#wire = null;
    clearTimeout(this.#refreshing);
    if (isFinal(code)) return this.#end(new LiveError(code, reason));
    for (const stream of this.#streams.values()) stream.lost();
    this.#later();
  }

  #later() {
    if (this.#status.isOver) return;
    this.#status.set("connecting");
    this.#pauses.wait(() => this.#open());
  }

  /** @param {LiveError} [error] */
  #end(error) {
    if (this.#status.isOver) return;
    this.#status.set("ended", error);
    this.#listening.abort();
    this.#pauses.stop();
    clearTimeout(this.#refreshing);
    for (const stream of [...this.#streams.values()]) stream.end(error);
    this.#wire?.end(1000, "");
    this.#wire = null;
  }
}

/** A subscription to a channel. It outlasts the outages of its connection. */
export class Subscription {
  #stream;

  /** @param {Stream} stream */
  constructor(stream) {
    this.#stream = stream;
  }

  /** @returns {string} */
  get channel() {
    return this.#stream.channel;
  }

  /** @returns {SubscriptionStatus} */
  get status() {
    return this.#stream.status.value;
  }

  /** Read the snapshot of a state anew, for what no publication tells. Harmless at any time. */
  refresh() {
    this.#stream.refresh();
  }

  /** Unsubscribe. */
  close() {
    this.#stream.end();
  }

  /**
   * Each publication, in turn. Those that come while the loop is busy wait for it. Leaving the
   * loop unsubscribes; a LiveError in it says what ended the subscription.
   *
   * @returns {AsyncGenerator<Publication, void, void>}
   */
  async *[Symbol.asyncIterator]() {
    try {
      for (;;) {
        const publication = await this.#stream.next();
        if (!publication) return;
        yield publication;
      }
    } finally {
      this.close();
    }
  }
}

// One channel: where the page stands in it, and what is next.
//
// `idle` waits for its snapshot, its pause or a connection; `asking` has sent a subscribe; `live`
// is given publications. Publications count in `live` alone: whatever comes before belongs to an
// earlier subscription, and is in the history that the new one begins with.
class Stream {
  #options;
  #forget;
  /** @type {Wire | null} */
  #wire = null;
  #phase = "idle";
  /** @type {Position | null} */
  #position = null;
  #countsAll = false;
  #hasBegun = false;
  #attempt = 0;
  #pauses = new Pauses();
  /** @type {AbortController | null} */
  #reading = null;
  /** @type {Publication[]} */
  #waiting = [];
  #wake = () => {};
  #error;

  constructor(channel, options, forget) {
    this.channel = channel;
    this.#options = options;
    this.#forget = forget;
    this.status = new Status("subscribing", `The subscription to ${channel}`);
    // A loop is thrown what ended it.
    this.status.listener = options.status ?? (options.publication ? undefined : () => {});
    if (options.since) this.#position = positionOf(options.since);
    this.#hasBegun = this.#position !== null;
  }

  // The connection is there; null: not yet.
  opened(wire) {
    this.#wire = wire;
    if (wire) this.#pauses.stop();
    this.#proceed();
  }

  lost() {
    this.#wire = null;
    this.#idle();
    this.status.set("subscribing");
  }

  unsubscribed({ code, reason }) {
    if (this.#phase !== "live") return; // the server ended one that is not asked for any more
    if (code < RESUBSCRIBE) return this.end(new LiveError(code, reason));
    this.#idle();
    this.status.set("subscribing");
    if (code === STATE_INVALIDATED) this.#beginAnew();
    else this.#proceed();
  }

  published(publication) {
    if (this.#phase !== "live") return;
    const { offset } = publication;
    if (offset && this.#position) {
      if (offset <= this.#position.offset) return;
      // The history fills the hole. Where rows are kept from the reader, there are only gaps.
      const isHole = this.#countsAll && offset > this.#position.offset + 1;
      if (isHole) return this.#restart(this.#position);
    }
    this.#take(publication);
  }

  refresh() {
    if (this.#options.snapshot && !this.#reading && !this.status.isOver) this.#read();
  }

  /** @param {Error} [error] */
  end(error) {
    if (this.status.isOver) return;
    this.#error = error;
    this.#leave();
    this.#reading?.abort();
    this.#reading = null;
    this.#pauses.stop();
    this.#forget();
    this.status.set("ended", error);
    this.#wake();
  }

  // The next publication for a loop; nothing when the page has closed the subscription.
  async next() {
    if (this.#options.publication) throw new TypeError("publication() has them already");
    while (!this.#waiting.length && !this.status.isOver) {
      await new Promise((resolve) => (this.#wake = () => resolve(undefined)));
    }
    if (!this.#waiting.length && this.#error) throw this.#error;
    return this.#waiting.shift();
  }

  // Do what is next: read the snapshot, or subscribe. The snapshot needs no connection, so a page
  // shows something also where none can be had.
  #proceed() {
    if (this.#phase !== "idle" || this.status.isOver) return;
    if (this.#options.snapshot && !this.#position) {
      if (!this.#reading && !this.#pauses.isWaiting) this.#read();
    } else if (this.#wire) this.#subscribe(this.#wire);
  }

  async #subscribe(wire) {
    this.#phase = "asking";
    this.#pauses.stop();
    const attempt = ++this.#attempt;
    let token;
    try {
      if (this.#options.token) token = await tokenOf(this.#options);
    } catch (error) {
      if (attempt === this.#attempt) this.#refused(error);
      return;
    }
    if (attempt !== this.#attempt) return;
    const since = this.#position && { recover: true, ...this.#position };
    const flag = this.#options.snapshot ? REJECT_UNRECOVERED : undefined;
    const request = { channel: this.channel, token, flag, ...since };
    wire.ask({ subscribe: request }, (result, error) => {
      if (attempt !== this.#attempt) return;
      if (error) this.#refused(error);
      else this.#subscribed(result);
    });
  }

  #subscribed(result) {
    const { epoch = "", offset = 0, recoverable, recovered, publications = [] } = result;
    this.#phase = "live";
    this.#countsAll = Boolean(result.positioned);
    // A server that does not know the flag says so in this way.
    if (this.#options.snapshot && !recovered) return this.#beginAnew();
    this.#pauses.reset();
    this.#position = recoverable ? { epoch, offset } : null;
    if (this.#hasBegun && !recovered && !this.#tellGap()) return;
    this.#hasBegun = true;
    for (const publication of publications) {
      if (this.#phase === "live") this.#take(publication);
    }
    if (this.#phase === "live") this.status.set("subscribed");
  }

  // Whether the subscription goes on.
  #tellGap() {
    if (this.#options.publication) call(this.#options.gap);
    else this.end(new LiveError(UNRECOVERABLE, "unrecoverable position"));
    return this.#phase === "live";
  }

  #refused(error) {
    this.#idle();
    if (!(error instanceof LiveError) || isTemporary(error, this.#options)) this.#later();
    else if (error.code === UNRECOVERABLE) this.#beginAnew();
    else this.end(error);
  }

  // The position leads nowhere any more.
  #beginAnew() {
    this.#leave();
    this.#position = null;
    this.#later();
  }

  #later() {
    this.#pauses.wait(() => this.#proceed());
  }

  #take(publication) {
    if (publication.offset && this.#position) this.#position.offset = publication.offset;
    if (this.#options.publication) return call(this.#options.publication, publication);
    this.#waiting.push(publication);
    this.#wake();
  }

  // While the snapshot is read, the subscription that there is goes on.
  async #read() {
    const reading = new AbortController();
    this.#reading = reading;
    const timer = setTimeout(() => reading.abort(), SNAPSHOT_MS);
    let snapshot;
    try {
      snapshot = await this.#options.snapshot(reading.signal);
    } catch (error) {
      if (this.#reading !== reading) return;
      this.#reading = null;
      if (error instanceof LiveError) this.end(error);
      else if (!this.#position) this.#later();
      return;
    } finally {
      clearTimeout(timer);
    }
    if (this.#reading !== reading) return;
    this.#reading = null;
    let position;
    try {
      position = positionOf(snapshot);
    } catch (error) {
      return this.end(/** @type {Error} */ (error)); // the page's, which trying again would hide
    }
    call(this.#options.show, snapshot);
    if (!this.status.isOver) this.#restart(position);
  }

  // Subscribe anew from `position`, whatever there was.
  #restart(position) {
    this.#leave();
    this.#position = { ...position };
    this.#proceed();
  }

  #leave() {
    const asks = this.#phase !== "idle" && this.#wire;
    this.#idle();
    // Nobody waits for the answer: commands are worked on in their order.
    if (asks) asks.ask({ unsubscribe: { channel: this.channel } }, () => {});
  }

  #idle() {
    this.#attempt += 1;
    this.#phase = "idle";
  }
}

// One socket, from its opening to its end, which is told once.
class Wire {
  #socket;
  #listener;
  #lines = [];
  #number = 0;
  /** @type {Map<number, {answered: Function, timer: number}>} */
  #replies = new Map();
  #silence = 0;
  #allowed = REPLY_MS;
  #answersPings = false;
  #isOver = false;

  constructor(url, listener) {
    this.#listener = listener;
    this.#socket = new WebSocket(url);
    this.#socket.onopen = () => listener.opened();
    this.#socket.onmessage = ({ data }) => this.#read(data);
    this.#socket.onclose = ({ code, reason }) => this.end(code, reason);
    this.#listen();
  }

  get isOpen() {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  // Send a command; the commands of one turn go in one frame. `answered` is called with the result,
  // or with nothing and a LiveError; never, when the connection ends before. It is no promise,
  // because a push may stand behind the reply in the same frame, and must find it handled.
  ask(command, answered) {
    if (this.#isOver) return;
    const id = ++this.#number;
    const timer = setTimeout(() => this.end(NO_STATUS, "no reply"), REPLY_MS);
    this.#replies.set(id, { answered, timer });
    this.#send({ id, ...command });
  }

  // From now on, a connection that says nothing for too long is dead, whatever the browser thinks.
  expectPings({ ping, pong }) {
    this.#answersPings = Boolean(pong);
    this.#allowed = ping ? ping * 1000 + GRACE_MS : LONGEST_TIMER_MS;
    this.#listen();
  }

  end(code, reason) {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#silence);
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    for (const { timer } of this.#replies.values()) clearTimeout(timer);
    this.#listener.ended(code, reason);
  }

  #send(message) {
    if (this.#lines.push(JSON.stringify(message)) > 1) return;
    queueMicrotask(() => {
      if (!this.#isOver) this.#socket.send(this.#lines.join("\n"));
      this.#lines = [];
    });
  }

  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.end(NO_STATUS, "silence"), this.#allowed);
  }

  #read(frame) {
    this.#listen();
    for (const line of frame.split("\n")) if (line && !this.#isOver) this.#hear(JSON.parse(line));
  }

  #hear(message) {
    if (message.push) this.#listener.pushed(message.push);
    else if (message.id) this.#answer(message);
    else if (this.#answersPings) this.#send({});
  }

  #answer({ id, error, ...results }) {
    const asked = this.#replies.get(id);
    if (!asked) return;
    this.#replies.delete(id);
    clearTimeout(asked.timer);
    if (error) asked.answered(null, new LiveError(error.code, error.message, error.temporary));
    else asked.answered(Object.values(results)[0] ?? {});
  }
}

// What the page is told of a connection or a subscription, when it changes.
class Status {
  listener;
  #subject;

  constructor(value, subject) {
    this.value = value;
    this.#subject = subject;
  }

  // Nothing comes after "ended".
  get isOver() {
    return this.value === "ended";
  }

  set(value, error) {
    if (value === this.value || this.isOver) return;
    this.value = value;
    if (this.listener) call(this.listener, value, error);
    else if (error) console.error(`${this.#subject} has ended: ${error.message}`);
  }
}

// Pauses before a next attempt: random, so that many pages do not come back in one moment, and
// longer from time to time.
class Pauses {
  #failures = 0;
  #timer = 0;
  isWaiting = false;

  wait(then) {
    this.stop();
    const grown = Math.min(PAUSE_MS.most, PAUSE_MS.least * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    this.isWaiting = true;
    const pause = Math.min(PAUSE_MS.most, PAUSE_MS.least + Math.random() * grown);
    this.#timer = setTimeout(() => {
      this.isWaiting = false;
      then();
    }, pause);
  }

  stop() {
    clearTimeout(this.#timer);
    this.isWaiting = false;
  }

  reset() {
    this.stop();
    this.#failures = 0;
  }
}

// Codes by which the server says not to come back.
function isFinal(code) {
  return code === TOO_BIG || (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000);
}

function isTemporary(error, { token }) {
  return error.temporary || (error.code === TOKEN_EXPIRED && typeof token === "function");
}

async function tokenOf({ token }) {
  if (typeof token !== "function") return token;
  const got = await token();
  if (!got) throw new LiveError(UNAUTHORIZED, "unauthorized");
  return got;
}

function positionOf(given) {
  const { epoch, offset } = given ?? {};
  if (typeof epoch !== "string" || typeof offset !== "number") {
    throw new TypeError("a position has an epoch and an offset: { epoch: \"…\", offset: 7 }");
  }
  return { epoch, offset };
}

// A fault in the page's own function is the page's: it is reported, and disturbs nothing here.
function call(listener, ...given) {
  try {
    listener?.(...given);
  } catch (error) {
    reportError(error);
  }
}

function limited(milliseconds) {
  return Math.min(milliseconds, LONGEST_TIMER_MS);
}
