// The panel at the side: everything about one card. Text is only ever set as text.

function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function written(x) {
  return typeof x === "string" ? x.replace("inf", "∞").replace("-", "−") : String(x).replace("-", "−");
}

// All numbers of an array as a table, the rows of the picked example marked; or what is known of it.
function numbersTable(numbers, picked, caption) {
  const found = [element("h3", caption, { class: caption === "value" ? "value" : "gradient" })];
  const size = numbers.shape.reduce((a, b) => a * b, 1);
  if (numbers.rows && size === 1) {
    found.push(element("p", written(numbers.rows[0][0]), { class: "big" }));
    return found;
  }
  if (numbers.rows) {
    const table = element("table", "", { "aria-label": caption });
    const each = numbers.each;
    let count = 0;
    numbers.rows.forEach((row, i) => {
      const line = table.appendChild(element("tr"));
      const label = each ? (each > 1 ? `${Math.floor(i / each)}.${i % each}` : String(i)) : String(numbers.shape.length > 1 ? i : count);
      line.appendChild(element("th", label, { scope: "row" }));
      if (each && picked !== null && Math.floor(i / each) === picked) line.className = "on";
      for (const x of row) {
        const cell = line.appendChild(element("td", written(x)));
        if (each === 0 && count === picked) cell.className = "on";
        if (typeof x === "string") cell.classList.add("bad");
        count++;
      }
    });
    const scroll = element("div", "", { class: "scroll", tabindex: "0", role: "region", "aria-label": `all numbers: ${caption}` });
    scroll.appendChild(table);
    found.push(scroll);
  }
  const facts = `min ${written(numbers.low)} · mean ${written(numbers.mean)} · max ${written(numbers.high)} · norm ${written(numbers.norm)}`;
  found.push(element("p", facts, { class: "facts" }));
  if (numbers.bad) {
    found.push(element("p", `⚠ ${numbers.bad[0]} NaN, ${numbers.bad[1]} infinite`, { class: "badge" }));
  }
  if (!numbers.rows && numbers.bins.length) {
    found.push(histogram(numbers), element("p", "Drawn as a distribution: more than 32 rows or columns.", { class: "facts" }));
  }
  return found;
}

function histogram(numbers) {
  const top = Math.max(...numbers.bins, 1), svg = drawn("svg", { class: "bins", viewBox: "0 0 140 40", role: "img" });
  svg.appendChild(drawn("title")).textContent = `${size(numbers)} elements in 14 intervals: ${numbers.bins.join(", ")}`;
  numbers.bins.forEach((n, i) => {
    const h = Math.max(40 * n / top, n ? 1 : 0);
    svg.appendChild(drawn("rect", { x: i * 10, y: 40 - h, width: 9, height: h }));
  });
  return svg;
}

function size(numbers) {
  return numbers.shape.reduce((a, b) => a * b, 1);
}

function drawn(tag, attributes = {}) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function fillPanel(panel, card, model, picked, gradients) {
  panel.replaceChildren();
  if (!card) {
    panel.append(
      element("h2", "Pick a card"),
      element("p", "Click a card for all of its numbers, the title of a module to fold it, a folded card to unfold it. Scroll to zoom, drag to move, arrow keys to step through the pass."),
    );
    const legend = panel.appendChild(element("p", "", { class: "legend" }));
    legend.append(element("span", "━▶ forward", { class: "forward" }));
    if (model.mode !== "forward") legend.append(element("span", "◀╌ gradient, wider is larger", { class: "gradient" }));
    legend.append(element("span", "◆ parameter", { class: "parameter" }));
    const scale = legend.appendChild(element("span"));
    for (const [look, sign] of [["low", "−"], ["none", "0"], ["high", "+"]]) scale.append(element("span", sign, { class: `cell ${look}` }));
    if (model.issues.length) {
      panel.append(element("h3", model.issues.length === 1 ? "1 issue" : `${model.issues.length} issues`));
      const list = panel.appendChild(element("ul", "", { class: "issues" }));
      for (const issue of model.issues) {
        const item = list.appendChild(element("li"));
        item.append(element("button", `⚠ ${issue.path}: ${issue.text}`, { "data-card": issue.card }));
      }
    }
    return;
  }
  const what = { fold: "folded module", pull: "gradient rule", grad: "gradient of a parameter", loss: "output" }[card.kind] ?? card.kind;
  panel.append(element("h2", card.name));
  panel.append(element("p", [what, card.shape, card.dtype].filter(Boolean).join(" · "), { class: "what" }));
  if (card.about) panel.append(element("p", card.about));
  if (card.kind === "fold") {
    const ops = `${card.ops} op${card.ops === 1 ? "" : "s"}`;
    panel.append(element("p", card.params ? `${ops} · ${card.params.toLocaleString("en")} parameters` : ops));
  }
  if (card.cost) panel.append(element("p", card.cost, { class: "facts" }));
  if (card.line) panel.append(element("p", `called at ${card.line}`, { class: "facts" }));
  for (const badge of card.badges) panel.append(element("p", `⚠ ${badge}`, { class: "badge" }));
  if (card.note) panel.append(element("p", card.note));
  if (card.value) panel.append(...numbersTable(card.value, picked, "value"));
  if (gradients && card.gradient) panel.append(...numbersTable(card.gradient, picked, "gradient"));
  if (gradients && card.rules.length) {
    panel.append(element("h3", "backward rule", { class: "gradient" }));
    for (const rule of card.rules) panel.append(element("p", rule, { class: "rule" }));
  }
}
