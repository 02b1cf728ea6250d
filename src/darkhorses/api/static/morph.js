// Puts a newer part of a page in the place of an older one, changing only what is different: what
// is focused, open or selected stays so. Elements with data-key are known by it wherever they
// stand; those with data-glides are seen to move when they come to stand elsewhere.
// An attribute in OURS belongs to the script: a newer part does not take it away. What is inside of
// data-still is the script's altogether.

const OURS = new Set(["data-move", "data-told"]);
const MOVE_SHOWN = 90000;
const GLIDE = { duration: 450, easing: "cubic-bezier(.2,.7,.2,1)" };
const stillness = matchMedia("(prefers-reduced-motion: reduce)");

export function morph(old, next) {
  const known = new Map([...old.querySelectorAll("[data-key]")].map((node) => [node.dataset.key, node]));
  const before = stillness.matches ? new Map() : placesOf(known);
  const focused = document.activeElement;
  sync(old, next, known);
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
  glide(before);
}

function sync(old, next, known) {
  syncAttributes(old, next);
  let at = old.firstChild;
  for (const wanted of [...next.childNodes]) {
    const key = wanted.dataset?.key;
    const node = key === undefined ? at : (known.get(key) ?? null);
    if (node !== null && isAlike(node, wanted)) {
      if (node === at) at = at.nextSibling;
      else old.insertBefore(node, at);
      if (node.dataset?.still !== undefined) continue;
      if (node.nodeType === Node.ELEMENT_NODE) sync(node, wanted, known);
      else if (node.data !== wanted.data) node.data = wanted.data;
    } else {
      old.insertBefore(wanted, at);
    }
  }
  while (at !== null) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function isAlike(node, wanted) {
  return node.nodeName === wanted.nodeName && node.dataset?.key === wanted.dataset?.key;
}

function syncAttributes(old, next) {
  if (next.dataset?.decimal !== undefined) markMove(old, next.dataset.decimal);
  for (const { name, value } of next.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name) && !OURS.has(name)) old.removeAttribute(name);
  }
}

// A price that got shorter or longer says so for a while.
function markMove(node, decimal) {
  const [was, is] = [Number(node.dataset.decimal), Number(decimal)];
  if (!was || !is || was === is) return;
  delete node.dataset.move;
  requestAnimationFrame(() => {
    node.dataset.move = is < was ? "shorter" : "longer";
  });
  clearTimeout(node.moveEnds);
  node.moveEnds = setTimeout(() => delete node.dataset.move, MOVE_SHOWN);
}

function placesOf(known) {
  const places = new Map();
  for (const node of known.values()) {
    if ("glides" in node.dataset) places.set(node, { column: node.parentElement, rect: null });
  }
  for (const [node, place] of places) place.rect = node.getBoundingClientRect();
  return places;
}

function glide(before) {
  for (const [node, { column, rect }] of before) {
    if (!node.isConnected || node.parentElement === column || !isSeen(rect)) continue;
    const now = node.getBoundingClientRect();
    node.animate(
      [{ transform: `translate(${rect.x - now.x}px, ${rect.y - now.y}px)`, zIndex: 5 }, { transform: "none", zIndex: 5 }],
      GLIDE,
    );
  }
}

function isSeen(rect) {
  return rect.bottom > 0 && rect.top < innerHeight;
}
