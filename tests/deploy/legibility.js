// What a page shows, judged as a reader would: contrast, cut text, labels, sideways scrolling.
// Evaluates to a function that gives a list of sentences, one a fault.
async ({ contrast: required }) => {
  // Scripts hear of another scheme before the next frame.
  await new Promise(requestAnimationFrame);
  // Colours that are on their way to another scheme are measured where they arrive.
  for (const moving of document.getAnimations()) {
    if (moving.effect?.getComputedTiming().endTime < Infinity) moving.finish();
  }
  const faults = [];
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

  const parsed = new Map();
  const rgba = (color) => {
    if (!parsed.has(color)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = "#000";
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      parsed.set(color, [r, g, b, a / 255]);
    }
    return parsed.get(color);
  };
  const over = ([r, g, b, a], below) => [
    ...[r, g, b].map((channel, i) => channel * a + below[i] * (1 - a)),
    1,
  ];
  const luminance = (color) => {
    const [r, g, b] = color.slice(0, 3).map((channel) => {
      const part = channel / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };

  const ancestors = (element) => {
    const found = [];
    for (let each = element; each; each = each.parentElement) found.unshift(each);
    return found;
  };
  // The colours that may lie behind an element's text, from the canvas up: a gradient gives
  // several. Opacity of an element mixes all that it has with what is below it.
  const canvasColor = () => {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.backgroundColor = "Canvas"; // the browser's own ground, in the scheme that holds
    const found = rgba(getComputedStyle(probe).backgroundColor);
    probe.remove();
    return found;
  };
  const CANVAS = canvasColor();
  const stops = (image) => (image.match(/(rgba?|color|oklab|oklch|hsl)\([^()]*\)/g) ?? []).map(rgba);
  const scene = (element) => {
    let backs = [CANVAS];
    let opacity = 1;
    for (const each of ancestors(element)) {
      const style = getComputedStyle(each);
      opacity *= Number(style.opacity);
      const fill = rgba(style.backgroundColor);
      backs = backs.map((below) => over([...fill.slice(0, 3), fill[3] * opacity], below));
      if (style.backgroundImage.includes("gradient")) {
        const layers = stops(style.backgroundImage).filter((stop) => stop[3] > 0.5);
        if (layers.length) backs = layers.flatMap((stop) => backs.map((below) => over(stop, below)));
      }
    }
    return { backs, opacity };
  };
  const worst = (element, color) => {
    const { backs, opacity } = scene(element);
    const ink = rgba(color);
    return Math.min(
      ...backs.map((back) => ratio(over([...ink.slice(0, 3), ink[3] * opacity], back), back)),
    );
  };

  const isShown = (element) => {
    if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return false;
    if (element.closest("[disabled], [aria-disabled=true]")) return false;
    for (const each of ancestors(element)) {
      const style = getComputedStyle(each);
      if (/inset\((50|100)%/.test(style.clipPath)) return false;
      if (style.position === "absolute" && /rect\(0px, 0px, 0px, 0px\)|rect\(1px/.test(style.clip)) return false;
    }
    const box = element.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && box.right > 0 && box.bottom > 0;
  };
  const name = (element) => {
    const path = ancestors(element).slice(-3).map((each) => {
      const classes = typeof each.className === "string" ? each.className.trim() : "";
      return each.tagName.toLowerCase() + (each.id ? `#${each.id}` : "")
        + (classes ? `.${classes.split(/\s+/).join(".")}` : "");
    });
    return path.join(" > ");
  };
  const short = (text) => JSON.stringify(text.trim().replace(/\s+/g, " ").slice(0, 40));

  const judge = (element, color, text) => {
    const found = worst(element, color);
    if (found < required) {
      faults.push(`contrast ${found.toFixed(2)}: ${short(text)} in ${name(element)}`);
    }
  };
  const hasText = (element) =>
    [...element.childNodes].some((node) => node.nodeType === 3 && /[\p{L}\p{N}\p{S}]/u.test(node.data));
  const texts = [...document.body.querySelectorAll("*")].filter(
    (element) => hasText(element) && !element.closest("script, style, noscript, template, svg"),
  );
  const CONTROLS = "input:not([type=hidden], [type=checkbox], [type=radio]), textarea, select, button";

  for (const element of texts) {
    if (element.closest("select") && !element.closest("select").matches("[multiple], [size]")) continue;
    if (!isShown(element)) continue;
    judge(element, getComputedStyle(element).color, element.textContent);
  }
  for (const element of document.querySelectorAll(CONTROLS)) {
    if (!isShown(element)) continue;
    if (element.value) judge(element, getComputedStyle(element).color, element.value);
    else if (element.placeholder) {
      judge(element, getComputedStyle(element, "::placeholder").color, element.placeholder);
    }
  }
  for (const element of document.querySelectorAll("*")) {
    for (const part of ["::before", "::after"]) {
      const style = getComputedStyle(element, part);
      const words = /^"([^"]*\p{L}[^"]*)"/u.exec(style.content);
      if (words && style.display !== "none" && isShown(element)) judge(element, style.color, words[1]);
    }
  }

  // Text that is cut off, and what scrolls sideways without showing that it does.
  const scrolls = (style) => ["auto", "scroll"].includes(style.overflowX);
  for (const element of document.body.querySelectorAll("*")) {
    if (element.scrollWidth <= element.clientWidth + 1 || element.clientWidth === 0) continue;
    if (element.closest("svg, textarea, select") || !isShown(element)) continue;
    const style = getComputedStyle(element);
    if (style.display === "inline" || style.overflowX === "visible") continue;
    const byHand = element.matches("input");
    if (!element.textContent.trim() && !byHand) continue;
    if (scrolls(style)) {
      // A scroll bar that takes room, or a shade at the edge, says that there is more.
      const bar = element.offsetHeight - element.clientHeight - parseFloat(style.borderTopWidth) * 2 > 3;
      if (!bar && !style.backgroundImage.includes("gradient")) {
        faults.push(`scrolls sideways without a cue: ${name(element)}`);
      }
    } else if (style.textOverflow !== "ellipsis" || !(element.title || element.closest("[title]"))) {
      faults.push(`cut off (${element.scrollWidth} in ${element.clientWidth}): ${short(byHand ? element.value : element.textContent)} in ${name(element)}`);
    }
  }

  // Labels stand before their fields (a tick's may stand behind it), and near them.
  for (const label of document.querySelectorAll("label[for]")) {
    const id = label.htmlFor;
    const field = document.getElementById(id) ?? document.getElementById(`${id}_from`)
      ?? document.getElementById(`${id}_0`);
    if (!field || !isShown(label)) continue;
    // The heading of a box of choices: the box's own search stands between.
    if (label.closest(".selector")?.contains(field)) continue;
    const shown = field.closest(".selector") ?? ( isShown(field) ? field : field.nextElementSibling);
    if (!shown || !isShown(shown)) continue;
    const [here, there] = [label.getBoundingClientRect(), shown.getBoundingClientRect()];
    // Since Django 6.1 the errors and the help of a field stand between it and its label.
    const row = label.parentElement.querySelectorAll(":scope > .errorlist, :scope .help, :scope > ul");
    const near = [there, ...[...row].filter(isShown).map((each) => each.getBoundingClientRect())];
    const least = (distance) => Math.min(...near.map(distance));
    const aside = least((it) => Math.max(it.left - here.right, here.left - it.right, 0));
    const above = least((it) => Math.max(it.top - here.bottom, here.top - it.bottom, 0));
    const isTick = field.matches("[type=checkbox], [type=radio]");
    const isBehind = here.left >= there.right - 1 || here.top >= there.bottom - 1;
    if (aside > 48 || above > 48 || (isBehind && !isTick)) {
      faults.push(`label away from its field: ${short(label.textContent)} in ${name(label)}`);
    }
  }

  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) {
    const wide = [...document.body.querySelectorAll("*")].filter(
      (each) => isShown(each) && each.getBoundingClientRect().right > innerWidth + 1,
    );
    faults.push(`the page scrolls sideways (${root.scrollWidth} in ${innerWidth}): ${wide.slice(0, 3).map(name).join(", ")}`);
  }
  return [...new Set(faults)];
}
