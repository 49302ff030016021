// One channel, kept true: a small client of the Centrifuge protocol (version 2, JSON).
//
// A snapshot says what is, and where in the channel that was read. From there the
// subscription brings every publication in order. After an outage it asks for what was
// missed; if the server cannot prove that it has all of it, a new snapshot is read.
// Nothing is final for a board on a wall: whatever the server says, it tries again.

const BACKOFF_MS = { first: 500, most: 10_000, refused: 60_000 };
const OFFLINE_AFTER_MS = 15_000;
const GRACE_MS = 10_000; // how much later than promised a ping may come

class Refused extends Error {}

export class LiveChannel {
  #options;
  #position = null; // {epoch, offset}, or null when only a snapshot can help
  #failures = 0;
  #lostAt = Date.now();
  #session = null;
  #wake = () => {};

  // `snapshot` reads and shows what is, and resolves to its {epoch, offset}; `publication`
  // is called with the data of each one after that; `state` with "live", "reconnecting" or
  // "offline".
  constructor({ url, channel, snapshot, publication, state }) {
    this.#options = { url, channel, snapshot, publication, state };
    addEventListener("online", () => this.#wake());
    addEventListener("offline", () => this.#wake());
    document.addEventListener("visibilitychange", () => document.hidden || this.#wake());
  }

  async run() {
    for (;;) {
      let refused = false;
      try {
        this.#position ??= await this.#options.snapshot();
        await this.#converse();
      } catch (error) {
        refused = error instanceof Refused;
        if (refused) this.#position = null;
      }
      const away = Date.now() - this.#lostAt > OFFLINE_AFTER_MS;
      this.#options.state(away || refused || !navigator.onLine ? "offline" : "reconnecting");
      await this.#pause(refused);
      this.#failures += 1;
    }
  }

  // A visitor who comes back, or a network that does, ends the pause.
  #pause(refused) {
    const grown = Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** this.#failures);
    const pause = refused ? BACKOFF_MS.refused : grown * (0.5 + Math.random() / 2);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, pause);
      this.#wake = () => (clearTimeout(timer), resolve());
    });
  }

  // One connection, from its opening to its end. Rejects, or resolves when it is over.
  #converse() {
    const socket = new WebSocket(this.#options.url);
    const session = { socket, buffer: null, promise: BACKOFF_MS.most };
    this.#session = session;
    return new Promise((resolve, reject) => {
      const end = (settle) => (error) => {
        session.isOver = true;
        clearTimeout(session.timer);
        socket.onmessage = socket.onclose = null;
        socket.close();
        if (session.wasLive) this.#lostAt = Date.now();
        settle(error);
      };
      session.fail = end(reject);
      this.#wake = () => navigator.onLine || end(resolve)();
      this.#expect(session);
      socket.onopen = () => socket.send(this.#greeting());
      socket.onclose = ({ code }) => end(isFinal(code) ? reject : resolve)(new Refused(code));
      socket.onmessage = ({ data }) => {
        this.#expect(session);
        for (const line of data.split("\n")) if (line) this.#read(session, JSON.parse(line));
      };
    });
  }

  // A connection that says nothing for too long is dead, whatever the browser thinks.
  #expect(session) {
    clearTimeout(session.timer);
    session.timer = setTimeout(() => session.fail(new Error("silence")), session.promise);
  }

  #greeting() {
    const { channel } = this.#options;
    const subscribe = { channel, recover: true, ...this.#position };
    const commands = [
      { id: 1, connect: { name: "departure board" } },
      { id: 2, subscribe },
    ];
    return commands.map((command) => JSON.stringify(command)).join("\n");
  }

  #read(session, message) {
    if (message.error) return session.fail(failure(message.error));
    if (message.connect) return this.#connected(session, message.connect);
    if (message.subscribe) return this.#subscribed(session, message.subscribe);
    if (message.push?.pub) return this.#published(session, message.push.pub);
    if (message.push?.unsubscribe) return session.fail(new Error("unsubscribed"));
    if (Object.keys(message).length === 0 && session.pong) session.socket.send("{}");
  }

  #connected(session, { ping, pong }) {
    session.pong = pong;
    session.promise = ping ? ping * 1000 + GRACE_MS : 2 ** 31 - 1;
    this.#expect(session);
  }

  async #subscribed(session, { recovered, epoch, publications = [] }) {
    if (!recovered && !(await this.#resnapshot(session, epoch))) return;
    for (const publication of publications) this.#published(session, publication);
    this.#failures = 0;
    session.wasLive = true;
    this.#options.state("live");
  }

  // Read the snapshot anew, for what no publication tells. Harmless at any time.
  async refresh() {
    const session = this.#session;
    if (session?.wasLive && !session.isOver && !session.buffer) await this.#resnapshot(session);
  }

  // What comes while the snapshot is read is kept, and what is newer applied after it.
  async #resnapshot(session, epoch) {
    session.buffer = [];
    try {
      const position = await this.#options.snapshot();
      if (session.isOver) return false;
      epoch ??= this.#position.epoch;
      this.#position = position;
      if (position.epoch !== epoch) throw new Error("the channel began anew");
    } catch (error) {
      session.fail(error);
      return false;
    }
    const publications = session.buffer;
    session.buffer = null;
    for (const publication of publications) this.#published(session, publication);
    return true;
  }

  #published(session, publication) {
    if (session.buffer) return session.buffer.push(publication);
    if (publication.offset <= this.#position.offset) return;
    this.#position.offset = publication.offset;
    this.#options.publication(publication.data);
  }
}

// Codes by which the server says not to come back: a board comes back slowly.
function isFinal(code) {
  return code === 1009 || (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000);
}

function failure({ code, message, temporary }) {
  const canHelp = temporary || code === 112;
  return canHelp ? new Error(message) : new Refused(message);
}
