// Where everything lies. A module that is open is laid out on its own, innermost first, and is a
// box in the layout of what surrounds it, so that boxes never overlap and folding is local.
//
// All of it is computed "along" the flow and "across" it: to the right and down if the graph lies,
// down and to the right if it stands.

const MANY = 8; // inputs of one folded module that are still shown one by one
const GAP = { along: 46, across: 26, hung: 16, pad: 14, lane: 12, title: 26 };

// Places that minimise the weighted squares of their distances to what is wanted, in order, and at
// least so far from each other: pool adjacent violators.
function placed(wanted, weights, apart) {
  const offsets = [];
  let sum = 0;
  wanted.forEach((_, i) => offsets.push((sum += i ? apart[i - 1] : 0)));
  const pools = [];
  wanted.forEach((x, i) => {
    pools.push({ mean: x - offsets[i], weight: weights[i], size: 1 });
    while (pools.length > 1 && pools.at(-2).mean > pools.at(-1).mean) {
      const b = pools.pop(), a = pools.at(-1);
      a.mean = (a.mean * a.weight + b.mean * b.weight) / (a.weight + b.weight);
      a.weight += b.weight;
      a.size += b.size;
    }
  });
  const means = pools.flatMap((pool) => Array(pool.size).fill(pool.mean));
  return means.map((mean, i) => mean + offsets[i]);
}

// What is visible when some groups are folded: cards, the edges between them, the open groups.
function visibleGraph(model, folded, gradients) {
  const parent = new Map(model.groups.map((g) => [g.id, g.parent]));
  const top = new Map([[null, null]]); // for each group the outermost folded one around it
  const hidden = (g) => {
    if (!top.has(g)) top.set(g, hidden(parent.get(g)) ?? (folded.has(g) ? g : null));
    return top.get(g);
  };
  const shown = new Map(); // for each card the one that stands for it
  for (const card of model.cards) {
    if (card.id[0] === "g") continue;
    if (!gradients && (card.kind === "pull" || card.kind === "grad")) continue;
    shown.set(card.id, hidden(card.group) ?? card.id);
  }
  hideInputs(model, shown);
  const ids = new Set(shown.values());
  const edges = new Map();
  for (const [a, b, kind, pen] of model.edges) {
    const source = shown.get(a), target = shown.get(b);
    if (source === undefined || target === undefined || source === target) continue;
    if (kind === "gradient" && !gradients) continue;
    const flow = kind !== "gradient" && kind !== "saved";
    const key = `${source} ${target} ${flow ? "flow" : kind}`;
    const known = edges.get(key);
    if (!known) edges.set(key, { key, source, target, kind, pen, flow });
    else {
      known.pen = Math.max(known.pen, pen);
      if (kind === "data") known.kind = "data";
    }
  }
  const open = model.groups.filter((g) => !hidden(g.id));
  return { ids, edges: [...edges.values()], open, shown, parent };
}

// Many inputs that only one folded module reads, such as the steps of a sequence, are folded with it.
function hideInputs(model, shown) {
  const readers = new Map();
  for (const [a, b, kind] of model.edges) {
    if (kind === "input") readers.set(a, (readers.get(a) ?? new Set()).add(shown.get(b)));
  }
  const read = new Map();
  for (const [id, by] of readers) {
    const [only] = by;
    if (by.size === 1 && only?.[0] === "g" && shown.get(id) === id) read.set(only, [...(read.get(only) ?? []), id]);
  }
  for (const [group, inputs] of read) if (inputs.length > MANY) for (const id of inputs) shown.set(id, group);
}

function arrange(model, folded, gradients) {
  const graph = visibleGraph(model, folded, gradients);
  const card = new Map(model.cards.map((c) => [c.id, c]));
  const order = new Map(model.cards.map((c, i) => [c.id, i]));
  for (const c of model.cards) { // a folded group comes where its first card does
    const at = graph.shown.get(c.id);
    if (at && at !== c.id) order.set(at, Math.min(order.get(at), order.get(c.id)));
  }
  const spine = [...graph.ids].filter((id) => ["op", "fold", "loss"].includes(card.get(id).kind));
  const compact = spine.filter((id) => card.get(id).kind === "fold").length;
  const stands = model.mode !== "backward" && (spine.length > 12 || 2 * compact > spine.length);
  const sizeOf = (id) => (gradients ? card.get(id).size : card.get(id).bare);
  const extent = (id) => {
    const [w, h] = sizeOf(id);
    return stands ? { along: h, across: w } : { along: w, across: h };
  };
  const container = (id) => card.get(id).group;

  // Cards that hang beside another one make one block with it.
  const blocks = new Map(); // container -> blocks
  const blockOf = new Map();
  const hangs = (id) => {
    const on = card.get(id).under;
    return on && graph.ids.has(on) && container(on) === container(id) ? on : null;
  };
  const hosts = [...graph.ids].filter((id) => !hangs(id));
  for (const id of hosts) {
    const block = { id, order: order.get(id), cards: [id], members: [] };
    blockOf.set(id, block);
    const c = container(id);
    if (!blocks.has(c)) blocks.set(c, []);
    blocks.get(c).push(block);
  }
  for (const id of graph.ids) {
    const on = hangs(id);
    if (on) { blockOf.get(on).cards.push(id); blockOf.set(id, blockOf.get(on)); }
  }
  for (const block of new Set(blockOf.values())) shapeBlock(block, card, extent, stands);

  const children = new Map();
  for (const g of graph.open) {
    if (!children.has(g.parent)) children.set(g.parent, []);
    children.get(g.parent).push(g);
  }
  const chain = (id) => { // the containers around a card, innermost first
    const found = [];
    for (let c = container(id); c != null; c = graph.parent.get(c)) found.push(c);
    return [...found, null];
  };

  // Each edge belongs to the innermost container of both ends, and enters and leaves those inside.
  const tasks = new Map([[null, []], ...graph.open.map((g) => [g.id, []])]);
  const mainOf = new Map(); // what the data path of a card comes from: what was made last
  for (const e of graph.edges) {
    if (!e.flow || blockOf.get(e.source) === blockOf.get(e.target)) continue;
    const known = mainOf.get(e.target);
    const better = !known || (e.kind === "data") > (known.kind === "data") ||
      (e.kind === known.kind && order.get(e.source) > order.get(known.source));
    if (better) mainOf.set(e.target, e);
  }
  for (const e of graph.edges) {
    if (!e.flow || blockOf.get(e.source) === blockOf.get(e.target)) continue;
    const up = chain(e.source), down = chain(e.target);
    const common = up.find((c) => down.includes(c));
    e.up = up.slice(0, up.indexOf(common));
    e.down = down.slice(0, down.indexOf(common)).reverse();
    e.common = common;
    const main = mainOf.get(e.target) === e && e.kind !== "parameter";
    for (const c of e.up) tasks.get(c).push({ e, from: e.source, to: null, main });
    for (const c of e.down) tasks.get(c).push({ e, from: null, to: e.target, main });
    tasks.get(common).push({ e, from: e.source, to: e.target, main });
  }

  const levels = new Map();
  const layOut = (c) => {
    const items = [...(blocks.get(c) ?? [])];
    for (const g of children.get(c) ?? []) {
      const inner = layOut(g.id);
      const first = Math.min(...inner.items.map((item) => item.order));
      items.push({ group: g.id, order: first, inner, along: inner.along, low: inner.low, high: inner.high });
    }
    items.sort((a, b) => a.order - b.order);
    const itemOf = new Map(items.map((item) => [item.group ?? item.id, item]));
    const find = (id) => {
      if (container(id) === c) return blockOf.get(id);
      for (let g = container(id); ; g = graph.parent.get(g)) if (graph.parent.get(g) === c) return itemOf.get(g);
    };
    const level = layLevel(items, tasks.get(c), find);
    const title = model.groups.find((g) => g.id === c);
    level.find = find;
    frameLevel(level, title, stands);
    levels.set(c, level);
    return level;
  };
  const root = layOut(null);
  const boxes = new Map(), places = new Map();
  spread(root, null, 0, 0, { boxes, places, levels, stands, sizeOf });
  const routes = graph.edges.map((e) => route(e, { levels, places, sizeOf, stands, blockOf, mode: model.mode, edges: graph.edges }));
  return { ...graph, places, boxes, routes: routes.filter(Boolean), stands, width: stands ? root.high + root.low : root.along, height: stands ? root.along : root.high + root.low };
}

// A card with those that hang on it: beside each other under one that lies, left of one that stands.
function shapeBlock(block, card, extent, stands) {
  const [host, ...hung] = block.cards;
  const main = extent(host);
  const rows = [[], [], []]; // what it is made of, the rule of its gradient, gradients of leaves
  for (const id of hung) rows[{ pull: 1, grad: 2 }[card.get(id).kind] ?? 0].push(id);
  block.low = block.high = main.across / 2;
  block.along = main.along;
  block.members.push({ id: host, along: 0, across: -main.across / 2, thick: main.across });
  for (const row of rows.filter((r) => r.length)) {
    const sizes = row.map(extent);
    const long = sizes.reduce((sum, s) => sum + s.along, 0) + GAP.hung * (row.length - 1);
    const thick = Math.max(...sizes.map((s) => s.across));
    let at = -long / 2;
    row.forEach((id, i) => {
      const across = stands ? -block.low - GAP.hung * 1.6 - sizes[i].across : block.high + GAP.hung * 1.4;
      block.members.push({ id, along: at + sizes[i].along / 2, across, thick: sizes[i].across });
      at += sizes[i].along + GAP.hung;
    });
    if (stands) block.low += GAP.hung * 1.6 + thick;
    else block.high += GAP.hung * 1.4 + thick;
    block.along = Math.max(block.along, long);
  }
}

// One container: layers by the longest path, lanes through layers, order by barycentres, places.
function layLevel(items, tasks, find) {
  const ins = new Map(), outs = new Map(); // lanes that enter and leave, by what they carry
  const port = (map, id, main) => {
    if (!map.has(id)) map.set(id, { port: id, along: 0, low: 0, high: 0, order: map === ins ? -1 : 1e9, main });
    return map.get(id);
  };
  const links = new Map();
  for (const { e, from, to, main } of tasks) {
    const a = from === null ? port(ins, e.source, main) : find(from);
    const b = to === null ? port(outs, e.source, main) : find(to);
    const key = `${e.source} ${b.port ? "out" : b.group ?? e.target}`;
    if (!links.has(key)) links.set(key, { a, b, carries: e.source, target: b.id ? e.target : null, main });
    else links.get(key).main ||= main;
  }
  const all = [...links.values()].filter(({ a, b }) => a !== b);
  const turns = inTurn(items, all);
  const turn = (node) => (node.port ? node.order : turns.get(node));
  const ranked = all.filter(({ a, b }) => turn(a) < turn(b));
  items = [...items].sort((a, b) => turn(a) - turn(b));
  const succ = new Map(), pred = new Map();
  for (const link of ranked) {
    succ.set(link.a, [...(succ.get(link.a) ?? []), link]);
    pred.set(link.b, [...(pred.get(link.b) ?? []), link]);
  }
  const start = ins.size ? 1 : 0;
  let last = start;
  for (const item of items) {
    item.layer = Math.max(start, ...(pred.get(item) ?? []).map((l) => (l.a.port ? start : l.a.layer + 1)));
    last = Math.max(last, item.layer);
  }
  for (const item of [...items].reverse()) { // what starts here lies right before its first use
    if ((pred.get(item) ?? []).length) continue;
    const uses = (succ.get(item) ?? []).filter((l) => !l.b.port).map((l) => l.b.layer);
    if (uses.length) item.layer = Math.max(start, Math.min(...uses) - 1);
  }
  for (const p of ins.values()) p.layer = 0;
  for (const p of outs.values()) p.layer = last + 1;
  const layers = Array.from({ length: last + 1 + (outs.size ? 1 : 0) }, () => []);
  const lanes = new Map(), segments = [];
  for (const node of [...ins.values(), ...items, ...outs.values()]) layers[node.layer].push(node);
  for (const link of ranked) {
    let from = { node: link.a, out: link.carries };
    for (let i = link.a.layer + 1; i < link.b.layer; i++) {
      const key = `${link.carries} ${i}`;
      let lane = lanes.get(key);
      if (!lane) {
        lane = { lane: true, along: 0, low: 3, high: 3, order: link.a.order + 0.5, layer: i, main: false };
        lanes.set(key, lane);
        layers[i].push(lane);
        segments.push({ a: from, b: { node: lane }, main: link.main });
      }
      lane.main ||= link.main;
      from = { node: lane };
    }
    segments.push({ a: from, b: { node: link.b, into: link.target ?? link.carries }, main: link.main });
  }
  layers.forEach((layer) => layer.sort((a, b) => a.order - b.order));
  orderLayers(layers, segments);
  placeLayers(layers, segments);
  return { items, layers, lanes, ins, outs, links };
}

// A topological order, the oldest first; where modules feed each other, the oldest breaks the ring.
function inTurn(items, links) {
  const waits = new Map(items.map((item) => [item, 0])), feeds = new Map();
  for (const { a, b } of links) {
    if (!waits.has(a) || !waits.has(b)) continue;
    waits.set(b, waits.get(b) + 1);
    feeds.set(a, [...(feeds.get(a) ?? []), b]);
  }
  const turns = new Map(), left = [...items].sort((a, b) => a.order - b.order);
  while (left.length) {
    const free = left.findIndex((item) => !waits.get(item));
    const [item] = left.splice(Math.max(free, 0), 1);
    turns.set(item, turns.size);
    for (const next of feeds.get(item) ?? []) waits.set(next, waits.get(next) - 1);
  }
  return turns;
}

// Where an edge leaves or enters a node, measured from the node's own place.
function portOffset({ node, out, into }) {
  if (node.inner) {
    const ports = out ? node.inner.outs : node.inner.ins;
    return ports.get(out ?? into)?.at ?? 0;
  }
  if (!node.cards) return 0;
  const member = node.members.find((m) => m.id === (out ?? into));
  return member ? member.across + member.thick / 2 : 0;
}

function orderLayers(layers, segments) {
  const before = new Map(), after = new Map();
  for (const { a, b } of segments) {
    before.set(b.node, [...(before.get(b.node) ?? []), a.node]);
    after.set(a.node, [...(after.get(a.node) ?? []), b.node]);
  }
  const index = () => layers.forEach((layer) => layer.forEach((node, i) => (node.index = i)));
  const crossings = () => {
    let count = 0;
    layers.forEach((layer) => {
      const ends = layer.flatMap((node) => (after.get(node) ?? []).map((n) => n.index).sort((a, b) => a - b));
      for (let i = 1; i < ends.length; i++) for (let j = 0; j < i; j++) if (ends[j] > ends[i]) count++;
    });
    return count;
  };
  index();
  let least = crossings(), best = layers.map((layer) => [...layer]);
  for (let sweep = 0; sweep < 8 && least; sweep++) {
    const known = sweep % 2 ? after : before;
    const turn = sweep % 2 ? [...layers].reverse() : layers;
    for (const layer of turn) {
      const centre = new Map(layer.map((node) => {
        const near = known.get(node) ?? [];
        return [node, near.length ? near.reduce((sum, n) => sum + n.index, 0) / near.length : node.index];
      }));
      layer.sort((a, b) => centre.get(a) - centre.get(b) || a.index - b.index);
      layer.forEach((node, i) => (node.index = i));
    }
    const count = crossings();
    if (count < least) { least = count; best = layers.map((layer) => [...layer]); }
  }
  best.forEach((layer, i) => layers[i].splice(0, layers[i].length, ...layer));
  index();
}

function placeLayers(layers, segments) {
  const gap = (a, b) => a.high + b.low + (a.lane || b.lane || a.port || b.port ? GAP.lane : GAP.across);
  const apart = layers.map((layer) => layer.slice(1).map((node, i) => gap(layer[i], node)));
  const before = new Map(), after = new Map();
  for (const s of segments) {
    const way = portOffset(s.a) - portOffset(s.b);
    before.set(s.b.node, [...(before.get(s.b.node) ?? []), { node: s.a.node, way, main: s.main }]);
    after.set(s.a.node, [...(after.get(s.a.node) ?? []), { node: s.b.node, way: -way, main: s.main }]);
  }
  layers.forEach((layer, i) => placed(layer.map(() => 0), layer.map(() => 1), apart[i]).forEach((x, k) => (layer[k].at = x)));
  const settle = (layer, i, known) => {
    const wanted = [], weights = [];
    for (const node of layer) {
      const near = known.get(node) ?? [];
      const main = near.filter((n) => n.main);
      const chosen = main.length ? main : near;
      wanted.push(chosen.length ? chosen.reduce((sum, n) => sum + n.node.at + n.way, 0) / chosen.length : node.at);
      weights.push(main.length ? 1e5 : node.lane ? 4 : 1);
    }
    placed(wanted, weights, apart[i]).forEach((x, k) => (layer[k].at = x));
  };
  for (let sweep = 0; sweep < 6; sweep++) {
    layers.forEach((layer, i) => settle(layer, i, before));
    for (let i = layers.length - 1; i >= 0; i--) settle(layers[i], i, after);
  }
  // The last word has the way forward, so that the data path is straight to the pixel.
  layers.forEach((layer, i) => settle(layer, i, before));
}

// The box around a container, and the places of its layers along the flow.
function frameLevel(level, title, stands) {
  const nodes = level.layers.flat();
  const low = Math.min(0, ...nodes.map((n) => n.at - n.low)), high = Math.max(0, ...nodes.map((n) => n.at + n.high));
  const pad = title ? GAP.pad : 0, head = title ? GAP.title : 0;
  level.starts = [];
  level.thick = [];
  let at = pad + (stands ? head : 0);
  level.layers.forEach((layer, i) => {
    const real = layer.some((n) => !n.port);
    if (i) at += real && level.layers[i - 1].some((n) => !n.port) ? GAP.along : 4;
    level.thick.push(Math.max(0, ...layer.map((n) => n.along)));
    level.starts.push(at);
    at += level.thick[i];
  });
  level.along = at + pad;
  level.low = -low + pad + (stands ? 0 : head);
  level.high = high + pad;
  const need = title ? title.width + 2 * pad : 0;
  if (!stands) level.along = Math.max(level.along, need);
  else level.high = Math.max(level.high, need - level.low);
  if (!level.layers.length) { level.low = level.high = 0; }
}

// From places inside containers to places in the picture.
function spread(level, id, along, across, view) {
  const origin = across + level.low;
  level.origin = { along, across: origin };
  const xy = (a, b) => (view.stands ? [b, a] : [a, b]);
  if (id !== null) {
    const [x, y] = xy(along, across);
    const [w, h] = xy(level.along, level.low + level.high);
    view.boxes.set(id, { x, y, w, h });
  }
  level.layers.forEach((layer, i) => {
    const middle = along + level.starts[i] + level.thick[i] / 2;
    for (const node of layer) {
      node.from = along + level.starts[i];
      node.to = node.from + level.thick[i];
      node.place = origin + node.at;
      if (node.inner) spread(node.inner, node.group, middle - node.along / 2, node.place - node.low, view);
      for (const m of node.members ?? []) {
        const [w, h] = view.sizeOf(m.id);
        const long = view.stands ? h : w;
        const [x, y] = xy(middle + m.along - long / 2, node.place + m.across);
        view.places.set(m.id, { x, y, w, h });
      }
    }
  });
}

// The points of an edge, in pairs of "along" and "across".
function route(e, view) {
  const a = view.places.get(e.source), b = view.places.get(e.target);
  const { stands } = view;
  if (e.kind === "saved" || !e.flow || view.blockOf.get(e.source) === view.blockOf.get(e.target)) {
    const twin = !e.flow && e.kind === "gradient" && view.edges.find((o) => o.flow && o.source === e.source && o.target === e.target);
    if (twin && view.mode === "both") return { ...e, like: twin.key };
    return { ...e, ends: [a, b], beside: view.blockOf.get(e.source) === view.blockOf.get(e.target) };
  }
  const ahead = (p) => (stands ? p.y + p.h : p.x + p.w), behind = (p) => (stands ? p.y : p.x);
  const middle = (p) => (stands ? p.x + p.w / 2 : p.y + p.h / 2);
  const points = [[ahead(a), middle(a)]];
  const pass = (level, from, to) => {
    for (let i = from; i < to; i++) {
      const lane = level.lanes.get(`${e.source} ${i}`);
      if (lane) points.push([lane.from, lane.place], [lane.to, lane.place]);
    }
  };
  for (const c of e.up) {
    const level = view.levels.get(c), out = level.outs.get(e.source);
    pass(level, level.find(e.source).layer + 1, level.layers.length - 1);
    points.push([level.origin.along + level.along, out.place]);
  }
  const level = view.levels.get(e.common);
  pass(level, level.find(e.source).layer + 1, level.find(e.target).layer);
  for (const c of e.down) {
    const inner = view.levels.get(c), into = inner.ins.get(e.source);
    points.push([inner.origin.along, into.place]);
    pass(inner, 1, inner.find(e.target).layer);
  }
  points.push([behind(b), middle(b)]);
  return { ...e, points };
}
