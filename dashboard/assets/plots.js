// Plots answer the pointer: a tip names the trial near it, a click opens the trial, and a drag
// chooses trials by adding conditions to the filter, which acts on the table and all plots.
// The server says where things are in a picture. The filter does the same by keyboard.
"use strict";

// places fetches where things are in the picture of a figure, once for each picture.
function places(figure) {
  const image = figure.querySelector("img");
  const address = (image.currentSrc || image.src).replace("/plot.svg?", "/places.json?"); // what the browser chose
  if (figure.address !== address) {
    figure.address = address;
    figure.found = fetch(address).then((r) => (r.ok ? r.json() : null)).catch(() => null);
  }
  return figure.found;
}

// pointed returns where a pointer is in a picture, in its own pixels.
function pointed(figure, event, picture) {
  const box = figure.querySelector("img").getBoundingClientRect();
  return {x: (event.clientX - box.left) / box.width * picture.width, y: (event.clientY - box.top) / box.height * picture.height};
}

function holds([x0, y0, x1, y1], at, margin) {
  return at.x >= x0 - margin && at.x <= x1 + margin && at.y >= y0 - margin && at.y <= y1 + margin;
}

// nearest returns the place that is nearest to a point and near enough, with its area.
function nearest(picture, at) {
  let best = null, distance = 12 * 12;
  for (const area of picture.areas) {
    if (!holds(area.box, at, 8)) continue;
    for (const place of area.places) {
      const d = (place[0] - at.x) ** 2 + (place[1] - at.y) ** 2;
      if (d < distance) [best, distance] = [{area, place}, d];
    }
  }
  return best;
}

function shown(axis, value) {
  if (axis.scale === "names") return axis.names[value] ?? "";
  if (axis.scale === "time") return new Date(value * 1000).toISOString().slice(0, 19).replace("T", " ");
  return String(Number(value.toPrecision(6)));
}

const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
const brush = document.createElement("div");
brush.className = "brush";
brush.hidden = true;
document.body.append(tip, brush);

// tell shows a tip about a place, beside it.
function tell(event, {area, place}) {
  const [, , number, x, y] = place;
  const lines = [`Trial ${number}`];
  if (area.x && x !== null) lines.push(`${area.x.label}: ${shown(area.x, x)}`);
  if (y !== null) lines.push(`${area.y.label}: ${shown(area.y, y)}`);
  tip.textContent = [...new Set(lines)].join("\n");
  tip.hidden = false;
  tip.style.left = `${Math.min(event.clientX + 14, document.documentElement.clientWidth - tip.offsetWidth - 4)}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 4))}px`;
}

// quoted returns a name or a value as a filter has it.
const quoted = (text) => (/^[^\s"=!<>|]+$/.test(text) ? text : JSON.stringify(text));

// between returns the conditions for an axis of which a part is chosen: shares from 0 to 1.
function between(axis, one, other) {
  const ends = [one, other].map((share) => axis.from + Math.max(0, Math.min(1, share)) * (axis.to - axis.from)).sort((a, b) => a - b);
  const name = quoted(axis.field);
  switch (axis.scale) {
    case "names": {
      const chosen = axis.names.filter((_, i) => i >= ends[0] && i <= ends[1]);
      return chosen.length ? [`${name}=${chosen.map(quoted).join("|")}`] : [];
    }
    case "time":
      return [`${name}>=${new Date(ends[0] * 1000).toISOString().slice(0, 19)}`, `${name}<=${new Date(ends[1] * 1000).toISOString().slice(0, 19)}`];
    case "log":
      return [`${name}>=${Number((10 ** ends[0]).toPrecision(6))}`, `${name}<=${Number((10 ** ends[1]).toPrecision(6))}`];
  }
  return [`${name}>=${Number(ends[0].toPrecision(6))}`, `${name}<=${Number(ends[1].toPrecision(6))}`];
}

// conditions returns the conditions of a filter as they are written.
const conditions = (text) => text.match(/(?:"(?:[^"\\]|\\.)*"|[^\s"])+/g) ?? [];

// choose replaces the conditions on some fields, and updates the page.
function choose(chosen) {
  const input = document.getElementById("filter");
  const fields = new Set(chosen.map((c) => c.match(/^("(?:[^"\\]|\\.)*"|[^=!<>]+)/)[0]));
  const kept = conditions(input.value).filter((c) => !fields.has(c.match(/^("(?:[^"\\]|\\.)*"|[^=!<>]+)/)?.[0]));
  input.value = [...kept, ...chosen].join(" ");
  const address = new URL(location.href);
  address.searchParams.set("filter", input.value);
  address.searchParams.delete("page");
  address.hash = "";
  history.pushState(null, "", address);
  refresh();
}

addEventListener("popstate", () => location.reload());

const plots = document.getElementById("plots");
let drag = null; // where a button was pressed, and in which area

plots?.addEventListener("pointermove", async (event) => {
  const figure = event.target.closest("figure");
  const picture = figure && (await places(figure));
  if (!picture) return;
  const at = pointed(figure, event, picture);
  if (drag && drag.figure === figure) {
    brush.hidden = false;
    const box = figure.querySelector("img").getBoundingClientRect(), scale = box.width / picture.width;
    const [x0, y0, x1, y1] = chosenBox(at);
    Object.assign(brush.style, {left: `${box.left + x0 * scale}px`, top: `${box.top + y0 * scale}px`, width: `${(x1 - x0) * scale}px`, height: `${(y1 - y0) * scale}px`});
    tip.hidden = true;
    return;
  }
  const found = nearest(picture, at);
  figure.classList.toggle("found", found !== null);
  if (found) tell(event, found);
  else tip.hidden = true;
});

// chosenBox returns the part of an area that a drag to a point encloses: along an axis that
// cannot choose trials, the whole length.
function chosenBox(at) {
  const [x0, y0, x1, y1] = drag.area.box, clamp = (v, low, high) => Math.max(low, Math.min(high, v));
  const xs = drag.area.x?.field ? [drag.at.x, at.x].map((v) => clamp(v, x0, x1)).sort((a, b) => a - b) : [x0, x1];
  const ys = drag.area.y.field ? [drag.at.y, at.y].map((v) => clamp(v, y0, y1)).sort((a, b) => a - b) : [y0, y1];
  return [xs[0], ys[0], xs[1], ys[1]];
}

plots?.addEventListener("pointerdown", async (event) => {
  const figure = event.target.closest("figure");
  if (!figure || event.button !== 0 || event.pointerType === "touch") return;
  event.preventDefault(); // or else the browser drags the picture
  const picture = await places(figure);
  if (!picture) return;
  const at = pointed(figure, event, picture);
  const area = picture.areas.find((a) => holds(a.box, at, 4) && (a.x?.field || a.y.field));
  drag = {figure, picture, at, area, moved: false};
  if (!area) drag = null;
});

addEventListener("pointerup", (event) => {
  const from = drag;
  if (!from) return;
  const at = pointed(from.figure, event, from.picture);
  const box = chosenBox(at);
  drag = null;
  brush.hidden = true;
  if (Math.hypot(at.x - from.at.x, at.y - from.at.y) < 6) return; // a click
  const [x0, y0, x1, y1] = from.area.box, chosen = [];
  if (from.area.x?.field) chosen.push(...between(from.area.x, (box[0] - x0) / (x1 - x0), (box[2] - x0) / (x1 - x0)));
  if (from.area.y.field) chosen.push(...between(from.area.y, (box[1] - y0) / (y1 - y0), (box[3] - y0) / (y1 - y0)));
  if (chosen.length) choose(chosen);
});

plots?.addEventListener("click", async (event) => {
  const figure = event.target.closest("figure");
  const picture = figure && (await places(figure));
  const found = picture && !tip.hidden && nearest(picture, pointed(figure, event, picture));
  if (found) location.href = `trial?${new URLSearchParams({name: new URL(location.href).searchParams.get("name"), number: found.place[2]})}`;
});

plots?.addEventListener("pointerleave", () => { tip.hidden = true; });
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  drag = null;
  brush.hidden = tip.hidden = true;
});
