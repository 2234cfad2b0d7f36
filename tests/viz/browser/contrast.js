// For every visible piece of text: its contrast with what is painted right behind it.
(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const linear = (c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const ratio = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((p, q) => p - q);
    return (y + 0.05) / (x + 0.05);
  };
  const painted = (node) => {
    const style = getComputedStyle(node);
    const svg = node instanceof SVGElement && node.tagName !== "svg";
    if (svg && !["rect", "path"].includes(node.tagName)) return null;
    const colour = svg ? style.fill : style.backgroundColor;
    return colour === "none" || rgba(colour)[3] < 255 ? null : colour;
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode, parent = text.parentElement;
    if (!text.data.trim() || !parent.checkVisibility() || parent.closest("title, script, noscript, option")) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    const box = range.getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const stack = document.elementsFromPoint(x, y);
    if (!stack.length) continue; // outside of the window
    const behind = stack.map(painted).find(Boolean);
    const style = getComputedStyle(parent);
    const ink = parent instanceof SVGElement ? style.fill : style.color;
    found.push({ text: text.data.trim(), ink, behind, ratio: ratio(rgba(ink), rgba(behind)) });
  }
  return found;
})()
