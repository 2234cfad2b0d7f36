// The page: what is folded, picked and stepped to, and how keys, mouse and the address change it.

const model = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const picture = at("picture"), view = at("view");
const cards = new Map(model.cards.map((card) => [card.id, card]));
const groups = new Map(model.groups.map((group) => [group.id, group]));
const drawings = new Map(model.cards.map((card) => [card.id, at(card.id)]));
const titles = new Map(); // the buttons on the boxes of open modules
const state = { folded: new Set(model.folded), gradients: model.mode !== "forward", card: null, step: 0, example: null, query: "" };
const AWAY = -1e6;
const rows = [...view.querySelectorAll("[data-row]")];
let marked = null;
const where = new Map(); // where cards are, so that only those that move are touched
let plan = null, zoom = { x: 0, y: 0, k: 1 }, timer = null, focused = null;

// Drawing

function show(anchor = null) {
  const before = anchor && placeOf(anchor);
  plan = arrange(model, state.folded, state.gradients);
  for (const [id, drawing] of drawings) {
    const place = plan.places.get(id);
    // Far away and not "display: none": the browser would lay out thousands of cells anew.
    const [x, y] = place ? [place.x, place.y] : [AWAY, AWAY];
    const was = where.get(id);
    if (was && was[0] === x && was[1] === y) continue;
    where.set(id, [x, y]);
    drawing.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
    if (place) drawing.removeAttribute("aria-hidden");
    else drawing.setAttribute("aria-hidden", "true");
  }
  document.documentElement.dataset.gradients = state.gradients ? "on" : "off";
  drawBoxes();
  drawWires();
  const after = anchor && placeOf(anchor);
  if (before && after) {
    zoom.x += (before.x - after.x) * zoom.k;
    zoom.y += (before.y - after.y) * zoom.k;
    moved();
  }
  mark();
}

// A group stays where it was when it folds: its box and its card share their upper left corner.
function placeOf(id) {
  return plan.places.get(id) ?? plan.boxes.get(id);
}

function drawBoxes() {
  const layer = at("boxes"), fresh = [];
  titles.clear();
  for (const group of plan.open) {
    const box = plan.boxes.get(group.id);
    if (!box) continue;
    const drawing = drawn("g", { class: "box" });
    drawing.append(drawn("rect", { x: box.x, y: box.y, width: box.w, height: box.h, rx: 9 }));
    const title = drawn("g", { class: "title", role: "button", tabindex: -1, "data-group": group.id, "aria-expanded": "true", "aria-label": `module ${group.path}, unfolded` });
    title.append(drawn("rect", { class: "hit", x: box.x + 4, y: box.y + 3, width: group.width + 14, height: 20, rx: 4 }));
    const text = drawn("text", { x: box.x + 10, y: box.y + 17 });
    const name = drawn("tspan", { class: "name" }), about = drawn("tspan", { class: "about" });
    name.textContent = `⊟ ${group.title}`;
    about.textContent = `  ${group.about}`;
    text.append(name, about);
    title.append(text);
    drawing.append(title);
    titles.set(group.id, title);
    fresh.push(drawing);
  }
  layer.replaceChildren(...fresh);
}

function drawWires() {
  const forward = new Map(plan.routes.filter((r) => r.points).map((r) => [r.key, r.points]));
  at("wires").replaceChildren(...plan.routes.map((r) => {
    const wire = drawn("g", { class: `wire ${r.kind}`, "data-from": r.source, "data-to": r.target });
    const back = r.kind === "gradient";
    const both = state.gradients && model.mode === "both";
    const points = r.like ? forward.get(r.like) : r.points;
    const [path, tip] = points ? along(points, back, both ? (back ? 5 : -5) : 0) : direct(r, back, both);
    wire.append(drawn("path", { d: path, "stroke-width": r.pen }), drawn("path", { class: "tip", d: tip }));
    return wire;
  }));
}

// A line through points, with its ends in the direction of the flow; shifted to leave room for the
// one that comes back.
function along(points, back, shift) {
  const xy = ([a, b]) => (plan.stands ? `${(b + shift).toFixed(1)} ${a.toFixed(1)}` : `${a.toFixed(1)} ${(b + shift).toFixed(1)}`);
  const line = points.map((p) => [...p]);
  const end = back ? line[0] : line.at(-1);
  const head = [...end];
  end[0] += back ? 7 : -7;
  let path = `M${xy(line[0])}`;
  for (let i = 1; i < line.length; i++) {
    const [a, b] = [line[i - 1], line[i]];
    if (Math.abs(a[1] - b[1]) < 0.5) path += `L${xy(b)}`;
    else {
      const half = (a[0] + b[0]) / 2;
      path += `C${xy([half, a[1]])} ${xy([half, b[1]])} ${xy(b)}`;
    }
  }
  const tip = `M${xy(head)}L${xy([end[0], end[1] - 3.5])}L${xy([end[0], end[1] + 3.5])}z`;
  return [path, tip];
}

// A line between two cards that are beside each other, or that no lane was kept for.
function direct(r, back, both) {
  const [a, b] = r.ends ?? [plan.places.get(r.source), plan.places.get(r.target)];
  const [from, to] = back ? [b, a] : [a, b];
  const shift = both ? (back ? 6 : -6) : 0;
  const over = from.x < to.x + to.w && to.x < from.x + from.w;
  const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
  let p, q, way;
  if (over) {
    const down = from.y < to.y;
    const x = clamp((Math.max(from.x, to.x) + Math.min(from.x + from.w, to.x + to.w)) / 2, 0, 1e9) + shift;
    p = [x, down ? from.y + from.h : from.y];
    q = [x, down ? to.y : to.y + to.h];
    way = [0, down ? 1 : -1];
  } else {
    const right = from.x < to.x;
    const low = Math.max(from.y, to.y), high = Math.min(from.y + from.h, to.y + to.h);
    const level = low < high ? (low + high) / 2 : null;
    p = [right ? from.x + from.w : from.x, (level ?? from.y + from.h / 2) + shift];
    q = [right ? to.x : to.x + to.w, (level ?? to.y + to.h / 2) + shift];
    way = [right ? 1 : -1, 0];
  }
  const n = (x) => x.toFixed(1), end = [q[0] - 7 * way[0], q[1] - 7 * way[1]];
  const reach = (Math.abs(p[0] - end[0]) * Math.abs(way[0]) + Math.abs(p[1] - end[1]) * Math.abs(way[1])) / 2;
  const c = [p[0] + way[0] * reach, p[1] + way[1] * reach], d = [end[0] - way[0] * reach, end[1] - way[1] * reach];
  const side = [3.5 * way[1], 3.5 * way[0]];
  return [
    `M${n(p[0])} ${n(p[1])}C${n(c[0])} ${n(c[1])} ${n(d[0])} ${n(d[1])} ${n(end[0])} ${n(end[1])}`,
    `M${n(q[0])} ${n(q[1])}L${n(end[0] - side[0])} ${n(end[1] - side[1])}L${n(end[0] + side[0])} ${n(end[1] + side[1])}z`,
  ];
}

// Which cards stand out: those found, those the pass has been to, the one that is picked.
function mark() {
  const found = state.query ? new Set(matches().map((card) => plan.shown.get(card.id) ?? card.id)) : null;
  const reached = state.step ? new Set() : null;
  const now = state.step ? plan.shown.get(model.steps[state.step - 1].card) : null;
  const way = state.step ? model.steps[state.step - 1].way : null;
  if (reached) for (const s of model.steps.slice(0, state.step)) if (s.way === way) reached.add(plan.shown.get(s.card));
  for (const [id, drawing] of drawings) {
    if (!plan.places.has(id)) continue;
    const card = cards.get(id);
    drawing.classList.toggle("dim", Boolean((found && !found.has(id)) || (reached && !reached.has(id))));
    drawing.classList.toggle("now", id === now);
    drawing.classList.toggle("forward", id === now && way === "forward");
    drawing.classList.toggle("picked", id === state.card);
    set(drawing, "tabindex", id === focused ? 0 : -1);
    set(drawing, "aria-label", label(card));
    if (!groups.has(id)) set(drawing, "aria-pressed", id === state.card);
  }
  for (const [id, title] of titles) title.setAttribute("tabindex", `group ${id}` === focused ? 0 : -1);
  if (!focused || !stops().some((stop) => stop.getAttribute("tabindex") === "0")) stops()[0]?.setAttribute("tabindex", 0);
  for (const wire of at("wires").children) {
    const ends = [wire.dataset.from, wire.dataset.to];
    const out = (found && !ends.every((id) => found.has(id))) || (reached && (!ends.every((id) => reached.has(id)) || wire.classList.contains("gradient") !== (way === "backward")));
    wire.classList.toggle("dim", Boolean(out));
  }
  if (marked !== state.example) {
    for (const row of rows) row.classList.toggle("on", Number(row.dataset.row) === state.example);
    picture.classList.toggle("one", state.example !== null);
    marked = state.example;
  }
  at("example").value = state.example ?? "";
  at("step").value = state.step;
  const step = model.steps[state.step - 1];
  at("caption").textContent = step ? `${state.step}/${model.steps.length} ${step.way}: ${step.text}` : "Step through forward, then backward (arrow keys)";
  at("gradients").setAttribute("aria-pressed", String(state.gradients));
  const dark = document.documentElement.dataset.theme === "dark";
  at("dark").setAttribute("aria-pressed", String(dark));
  fillPanel(at("details"), cards.get(state.card), model, state.example, state.gradients);
  remember();
}

function set(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

function label(card) {
  const parts = [card.kind === "fold" ? "folded" : card.kind, card.name, card.shape];
  if (state.gradients && card.gradient) parts.push(`gradient norm ${written(card.gradient.norm)}`);
  return [...parts, ...card.badges.map((badge) => `warning: ${badge}`)].filter(Boolean).join(", ");
}

// Folding

function fold(group) {
  state.folded.add(group);
  if (state.card && !groups.has(state.card) && inside(cards.get(state.card).group, group)) state.card = null;
  focused = group;
  show(group);
}

function unfold(group) {
  state.folded.delete(group);
  if (state.card === group) state.card = null;
  focused = `group ${group}`;
  show(group);
}

function inside(group, outer) {
  for (let g = group; g != null; g = groups.get(g).parent) if (g === outer) return true;
  return false;
}

// Open what lies around a card, pick it, and bring it into view.
function reveal(id) {
  const card = cards.get(id);
  let changed = false;
  for (let g = card.group; g != null; g = groups.get(g).parent) changed = state.folded.delete(g) || changed;
  for (let g = plan.shown.get(id); g !== id && state.folded.has(g); g = visibleGraph(model, state.folded, true).shown.get(id)) {
    changed = state.folded.delete(g);
  }
  if (!state.gradients && (card.kind === "pull" || card.kind === "grad")) changed = state.gradients = true;
  state.card = focused = id;
  if (changed) show();
  else mark();
  centre(id);
}

// Search

function matches() {
  const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (text) => words.every((word) => text.toLowerCase().includes(word));
  const found = model.cards.filter((card) => card.id[0] !== "g" &&
    has([card.name, card.kind, card.about, card.shape, card.dtype, ...card.rules, ...card.badges].join(" ")));
  return [...found.filter((card) => has(card.name)), ...found.filter((card) => !has(card.name))];
}

let chosen = -1;
function listHits() {
  const list = at("hits"), found = state.query.trim() ? matches() : [];
  chosen = -1;
  list.replaceChildren(...found.slice(0, 50).map((card, i) => {
    const folded = plan.shown.get(card.id) !== card.id;
    const item = element("li", card.name, { role: "option", id: `hit-${i}`, "data-card": card.id, "aria-selected": "false" });
    item.append(element("small", [card.shape, folded ? "in a folded module" : "", ...card.badges].filter(Boolean).join(" · ")));
    return item;
  }));
  if (state.query.trim() && !found.length) list.append(element("li", "nothing found", { role: "option", "aria-selected": "false", "aria-disabled": "true" }));
  list.hidden = !state.query.trim();
  at("search").setAttribute("aria-expanded", String(!list.hidden));
  at("search").removeAttribute("aria-activedescendant");
  mark();
}

function choose(i) {
  const items = [...at("hits").querySelectorAll("[data-card]")];
  if (!items.length) return;
  chosen = (i + items.length) % items.length;
  items.forEach((item, k) => item.setAttribute("aria-selected", String(k === chosen)));
  items[chosen].scrollIntoView({ block: "nearest" });
  at("search").setAttribute("aria-activedescendant", items[chosen].id);
}

function take(id) {
  at("hits").hidden = true;
  at("search").setAttribute("aria-expanded", "false");
  reveal(id);
}

// The pass

function goTo(step) {
  state.step = Math.min(Math.max(step, 0), model.steps.length);
  mark();
  const id = state.step && plan.shown.get(model.steps[state.step - 1].card);
  if (id && !onScreen(id)) centre(id);
}

function play(on) {
  clearInterval(timer);
  timer = null;
  if (on) {
    if (state.step >= model.steps.length) goTo(0);
    timer = setInterval(() => (state.step >= model.steps.length ? play(false) : goTo(state.step + 1)), 700);
  }
  at("play").setAttribute("aria-pressed", String(on));
  at("play").textContent = on ? "❚❚" : "▶";
}

// Looking around

function moved() {
  view.setAttribute("transform", `translate(${zoom.x.toFixed(2)} ${zoom.y.toFixed(2)}) scale(${zoom.k.toFixed(4)})`);
}

function fit() {
  const box = picture.getBoundingClientRect(), room = 24;
  const k = Math.min((box.width - room) / plan.width, (box.height - room) / plan.height, 1.6);
  zoom = { k, x: (box.width - k * plan.width) / 2, y: (box.height - k * plan.height) / 2 };
  moved();
}

// The first view: everything, unless it could not be read then; in that case where it begins, as
// large as fits across, and at the top or left of what does not fit.
function begin() {
  fit();
  if (zoom.k >= 0.42) return;
  const box = picture.getBoundingClientRect(), room = 24;
  const [across, size] = plan.stands ? [box.width, plan.width] : [box.height, plan.height];
  const k = Math.min(Math.max((across - room) / size, 0.42), 0.75);
  const middle = Math.max((across - k * size) / 2, room / 2);
  zoom = plan.stands ? { k, x: middle, y: room / 2 } : { k, x: room / 2, y: middle };
  moved();
}

function zoomAt(x, y, factor) {
  const k = Math.min(Math.max(zoom.k * factor, 0.02), 8), ratio = k / zoom.k;
  zoom = { k, x: x - (x - zoom.x) * ratio, y: y - (y - zoom.y) * ratio };
  moved();
}

function zoomMiddle(factor) {
  const box = picture.getBoundingClientRect();
  zoomAt(box.width / 2, box.height / 2, factor);
}

function centre(id) {
  const place = placeOf(id), box = picture.getBoundingClientRect();
  if (!place) return;
  if (zoom.k < 0.6) zoom.k = 0.9;
  zoom.x = box.width / 2 - (place.x + (place.w ?? 0) / 2) * zoom.k;
  zoom.y = box.height / 2 - (place.y + (place.h ?? 0) / 2) * zoom.k;
  moved();
}

function onScreen(id) {
  const p = placeOf(id), box = picture.getBoundingClientRect();
  const left = p.x * zoom.k + zoom.x, top = p.y * zoom.k + zoom.y;
  return left + p.w * zoom.k > 0 && top + p.h * zoom.k > 0 && left < box.width && top < box.height;
}

// Example, theme, issues

function pick(example) {
  state.example = example !== null && example >= 0 && example < model.examples ? example : null;
  mark();
}

function darken(on) {
  document.documentElement.dataset.theme = on ? "dark" : "light";
  mark();
}

let issue = -1;
function nextIssue(way) {
  if (!model.issues.length) return;
  issue = (issue + way + model.issues.length) % model.issues.length;
  reveal(model.issues[issue].card);
}

// The picture as it is now, as a file that needs no style sheet.
function saveSvg() {
  const copy = picture.cloneNode(true);
  const from = picture.querySelectorAll("*"), to = copy.querySelectorAll("*");
  from.forEach((node, i) => {
    const style = getComputedStyle(node), made = to[i];
    for (const name of ["class", "role", "tabindex", "data-row", "data-group", "data-from", "data-to"]) made.removeAttribute(name);
    for (const name of [...made.attributes].map((a) => a.name)) if (name.startsWith("aria-")) made.removeAttribute(name);
    for (const name of node.closest("defs") ? [] : ["fill", "stroke", "font-weight", "text-anchor", "stroke-dasharray", "opacity"]) {
      const value = style.getPropertyValue(name), usual = { "font-weight": "400", "text-anchor": "start", "stroke-dasharray": "none", opacity: "1", stroke: "none" }[name];
      if (value !== usual && !(node.tagName === "g" && name !== "opacity")) made.setAttribute(name, value);
    }
    if (node.tagName === "text") for (const name of ["font-size"]) made.setAttribute(name, style.getPropertyValue(name));
    if (style.display === "none" || node.getAttribute("aria-hidden")) made.setAttribute("display", "none");
  });
  // What is hidden goes, except the tables that something visible uses.
  for (const node of [...copy.querySelectorAll(".card, [display=none]")]) {
    if (node.getAttribute("display") === "none" && !node.querySelector("[id]")) node.remove();
  }
  const pad = 12;
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("viewBox", `${-pad} ${-pad} ${plan.width + 2 * pad} ${plan.height + 2 * pad}`);
  copy.setAttribute("font-family", "Helvetica, Arial, sans-serif");
  for (const name of ["role", "aria-label", "class"]) copy.removeAttribute(name);
  copy.querySelector("#view").removeAttribute("transform");
  const page = getComputedStyle(document.body).backgroundColor;
  copy.prepend(drawn("rect", { x: -pad, y: -pad, width: plan.width + 2 * pad, height: plan.height + 2 * pad, fill: page }));
  const title = drawn("title");
  title.textContent = model.title;
  copy.prepend(title);
  const link = element("a", "", { download: "graph.svg" });
  link.href = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// The address holds the whole state, so that a link leads to what one sees.

function remember() {
  const parts = new URLSearchParams();
  parts.set("fold", [...state.folded].join("."));
  if (state.card) parts.set("card", state.card);
  if (state.step) parts.set("step", state.step);
  if (state.example !== null) parts.set("example", state.example);
  if (state.query) parts.set("find", state.query);
  if (!state.gradients) parts.set("gradients", "0");
  if (document.documentElement.dataset.theme !== preferred) parts.set("theme", document.documentElement.dataset.theme);
  try {
    history.replaceState(null, "", `#${parts}`);
  } catch { /* a frame without an address of its own has nothing to remember in */ }
}

function recall() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const known = (id, map) => (map.has(id) ? id : null);
  if (parts.has("fold")) state.folded = new Set(parts.get("fold").split(".").filter((g) => groups.has(g)));
  state.card = known(parts.get("card"), cards);
  state.step = Math.min(Math.max(Math.trunc(Number(parts.get("step"))) || 0, 0), model.steps.length);
  const example = Number(parts.get("example") ?? NaN);
  state.example = Number.isInteger(example) && example >= 0 && example < model.examples ? example : null;
  state.query = parts.get("find") ?? "";
  state.gradients = model.mode !== "forward" && parts.get("gradients") !== "0";
  document.documentElement.dataset.theme = ["light", "dark"].includes(parts.get("theme")) ? parts.get("theme") : preferred;
  at("search").value = state.query;
}

// Keyboard: one stop of Tab in the picture, arrows from card to card

function stops() {
  return (plan.stops ??= findStops());
}

function findStops() {
  const order = new Map(model.cards.map((card, i) => [card.id, i]));
  const firsts = new Map();
  for (const c of model.cards.filter((c) => c.id[0] !== "g")) {
    for (let g = c.group; g != null; g = groups.get(g).parent) firsts.set(g, Math.min(firsts.get(g) ?? Infinity, order.get(c.id)));
  }
  const first = (group) => firsts.get(group);
  const found = [];
  for (const [id, drawing] of drawings) if (plan.places.has(id)) found.push([groups.has(id) ? first(id) : order.get(id), 1, drawing]);
  for (const [id, title] of titles) found.push([first(id), -1 / (1 + depth(id)), title]);
  return found.sort((a, b) => a[0] - b[0] || a[1] - b[1]).map((stop) => stop[2]);
}

function depth(group) {
  let n = 0;
  for (let g = groups.get(group).parent; g != null; g = groups.get(g).parent) n++;
  return n;
}

function nextStop(way) {
  const all = stops(), here = all.indexOf(document.activeElement);
  const next = all[here < 0 ? 0 : (here + way + all.length) % all.length];
  focused = next.dataset.group ? `group ${next.dataset.group}` : next.id;
  all.forEach((stop) => stop.setAttribute("tabindex", stop === next ? 0 : -1));
  next.focus();
  const id = next.dataset.group ?? next.id;
  if (!next.dataset.group && !onScreen(id)) centre(id);
}

function act(target) {
  const title = target.closest?.(".title"), card = target.closest?.(".card");
  if (title) {
    fold(title.dataset.group);
    drawings.get(title.dataset.group).focus();
  } else if (card && groups.has(card.id)) {
    unfold(card.id);
    titles.get(card.id)?.focus();
  } else if (card) {
    state.card = state.card === card.id ? null : card.id;
    focused = card.id;
    mark();
  }
}

const KEYS = {
  "/": () => { at("search").focus(); at("search").select(); },
  ArrowRight: () => goTo(state.step + 1),
  ArrowLeft: () => goTo(state.step - 1),
  ArrowDown: () => nextStop(1),
  ArrowUp: () => nextStop(-1),
  Home: () => goTo(0),
  End: () => goTo(model.steps.length),
  n: () => nextIssue(1),
  N: () => nextIssue(-1),
  g: () => at("gradients").click(),
  e: () => at("expand").click(),
  c: () => at("collapse").click(),
  f: fit,
  d: () => at("dark").click(),
  s: saveSvg,
  x: () => pick(null),
  "+": () => zoomMiddle(1.25),
  "=": () => zoomMiddle(1.25),
  "-": () => zoomMiddle(0.8),
  "?": () => at("keys").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || at("keys").open) return;
  const inField = event.target.matches("input[type=search], select");
  if (event.key === "Escape") {
    Object.assign(state, { query: "", step: 0, example: null, card: null });
    at("search").value = "";
    play(false);
    listHits();
    if (inField) picture.querySelector("[tabindex='0']")?.focus();
    return;
  }
  if (inField || (event.target.matches("input") && event.key.startsWith("Arrow"))) return;
  const onStop = event.target.closest?.("#picture .card, #picture .title");
  if (onStop && (event.key === "Enter" || event.key === " ")) act(onStop);
  else if (event.key === " " && !event.target.matches("button")) play(!timer);
  else if (event.key in KEYS) KEYS[event.key]();
  else if (/^[0-9]$/.test(event.key) && model.examples) pick(Number(event.key));
  else return;
  event.preventDefault();
});

// Mouse and touch

let drag = null;
picture.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  drag = { x: event.clientX, y: event.clientY, from: { ...zoom }, far: false, target: event.target };
});
window.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
  drag.far ||= Math.hypot(dx, dy) > 4;
  if (!drag.far) return;
  picture.classList.add("dragged");
  Object.assign(zoom, { x: drag.from.x + dx, y: drag.from.y + dy });
  moved();
});
window.addEventListener("pointerup", () => {
  if (drag && !drag.far) act(drag.target);
  drag = null;
  picture.classList.remove("dragged");
});
picture.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = picture.getBoundingClientRect();
  zoomAt(event.clientX - box.left, event.clientY - box.top, Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)));
}, { passive: false });

// Controls

at("search").addEventListener("input", (event) => { state.query = event.target.value; listHits(); });
at("search").addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") choose(chosen + 1);
  else if (event.key === "ArrowUp") choose(chosen - 1);
  else if (event.key === "Enter") {
    const items = [...at("hits").querySelectorAll("[data-card]")];
    if (items.length) take(items[Math.max(chosen, 0)].dataset.card);
  } else return;
  event.preventDefault();
});
at("search").addEventListener("blur", () => { at("hits").hidden = true; at("search").setAttribute("aria-expanded", "false"); });
at("hits").addEventListener("pointerdown", (event) => {
  const item = event.target.closest("[data-card]");
  event.preventDefault();
  if (item) take(item.dataset.card);
});
at("details").addEventListener("click", (event) => {
  const id = event.target.closest("[data-card]")?.dataset.card;
  if (id) reveal(id);
});
at("gradients").addEventListener("click", () => { state.gradients = !state.gradients; show(); });
at("expand").addEventListener("click", () => { state.folded.clear(); show(); fit(); });
at("collapse").addEventListener("click", () => {
  state.folded = new Set(groups.keys());
  if (state.card && !plan.places.has(state.card)) state.card = null;
  show();
  fit();
});
at("fit").addEventListener("click", fit);
at("dark").addEventListener("click", () => darken(document.documentElement.dataset.theme !== "dark"));
at("save").addEventListener("click", saveSvg);
at("help").addEventListener("click", () => at("keys").showModal());
at("worse").addEventListener("click", () => nextIssue(-1));
at("better").addEventListener("click", () => nextIssue(1));
at("example").addEventListener("change", (event) => pick(event.target.value === "" ? null : Number(event.target.value)));
at("play").addEventListener("click", () => play(!timer));
at("back").addEventListener("click", () => goTo(state.step - 1));
at("on").addEventListener("click", () => goTo(state.step + 1));
at("step").addEventListener("input", (event) => goTo(Number(event.target.value)));
window.addEventListener("hashchange", () => { recall(); show(); });
window.addEventListener("resize", fit);

// Beginning

const system = matchMedia("(prefers-color-scheme: dark)").matches;
const preferred = model.theme === "dark" || system ? "dark" : "light";
at("step").max = model.steps.length;
at("gradients").hidden = model.mode === "forward";
at("issues").hidden = !model.issues.length;
at("expand").hidden = at("collapse").hidden = !groups.size;
if (!rows.length) model.examples = 0; // a batch too large to be written out has no rows to mark
if (model.examples > 1) {
  at("picking").hidden = false;
  at("example").append(element("option", "all", { value: "" }), ...Array.from({ length: model.examples }, (_, i) => element("option", String(i), { value: i })));
}
for (const card of model.cards) drawings.get(card.id).append(drawn("title"));
for (const [id, drawing] of drawings) {
  const card = cards.get(id);
  drawing.lastChild.textContent = [[card.name, card.shape, card.dtype].filter(Boolean).join(" "), card.cost, card.line].filter(Boolean).join("\n");
  drawing.setAttribute("role", "button");
  if (groups.has(id)) drawing.setAttribute("aria-expanded", "false");
}
recall();
show();
begin();
if (state.card && placeOf(state.card) && !onScreen(state.card)) centre(state.card);
