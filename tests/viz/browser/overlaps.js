// Pairs of cards or boxes that lie on top of each other, and cards that stick out of their box.
(() => {
  const found = [], places = [...plan.places];
  const hit = (a, b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
  places.forEach(([i, a], k) => places.slice(0, k).forEach(([j, b]) => hit(a, b) && found.push([i, j])));
  for (const [id, a] of places) {
    for (let g = cards.get(id).group; g != null; g = groups.get(g).parent) {
      const b = plan.boxes.get(g);
      if (a.x < b.x || a.y < b.y || a.x + a.w > b.x + b.w || a.y + a.h > b.y + b.h) found.push([id, g]);
    }
  }
  const boxes = [...plan.boxes];
  boxes.forEach(([i, a], k) => boxes.slice(0, k).forEach(([j, b]) =>
    hit(a, b) && !inside(i, j) && !inside(j, i) && found.push([i, j])));
  return found;
})()
