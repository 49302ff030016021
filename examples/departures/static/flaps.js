// Split-flap lettering: a text on a row of tiles, each of which turns by itself.
//
// The tiles are for the eye; who listens hears the text, which stands beside them.

const LETTERS = " ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:";
const TURN_MS = 70;
const TURNS = { least: 2, most: 7 };
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Flaps {
  #tiles;
  #text;
  #turning = [];
  value = null;

  // `width` tiles inside `element`.
  constructor(element, width) {
    element.classList.add("flaps");
    this.#tiles = Array.from({ length: width }, () => document.createElement("i"));
    const tiles = document.createElement("span");
    tiles.setAttribute("aria-hidden", "true");
    tiles.append(...this.#tiles);
    this.#text = document.createElement("span");
    this.#text.className = "unseen";
    element.replaceChildren(tiles, this.#text);
  }

  // Show `value`; the tiles that differ turn, unless `quietly`. What is too long is cut.
  show(value, { spoken = value, quietly = false } = {}) {
    this.#text.textContent = spoken;
    if (value === this.value) return;
    this.value = value;
    const letters = value.toUpperCase();
    this.#tiles.forEach((tile, index) => {
      const letter = letters[index] ?? "";
      if (tile.dataset.letter === letter) return;
      tile.dataset.letter = letter;
      clearInterval(this.#turning[index]);
      if (quietly || still.matches || document.hidden) set(tile, letter);
      else this.#turning[index] = turn(tile, letter, index);
    });
  }
}

function set(tile, letter) {
  tile.textContent = letter === " " ? "\u00a0" : letter;
}

// Through a few other letters to `letter`, the later tiles a little longer.
function turn(tile, letter, index) {
  let left = TURNS.least + ((index * 5) % (TURNS.most - TURNS.least)) + (index >> 2);
  const timer = setInterval(() => {
    left -= 1;
    set(tile, left > 0 ? LETTERS[Math.floor(Math.random() * LETTERS.length)] : letter);
    tile.animate(
      [{ transform: "rotateX(-75deg)", filter: "brightness(0.5)" }, { transform: "none" }],
      { duration: TURN_MS, easing: "ease-out" },
    );
    if (left <= 0) clearInterval(timer);
  }, TURN_MS);
  return timer;
}
