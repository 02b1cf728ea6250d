// The words that time alone changes: countdowns and ages, once a second, by the server's clock.

let offset = 0;

export const now = () => Date.now() + offset;

const two = (number) => String(number).padStart(2, "0");

function span(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours > 0) return `${hours} h ${two(minutes)} min`;
  return `${minutes}:${two(seconds % 60)}`;
}

export function age(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}

const say = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};

export function startClock(onStage) {
  const tick = () => {
    const at = now();
    let isStageOver = false;
    for (const node of document.querySelectorAll("[data-off]")) {
      const left = Date.parse(node.dataset.off) - at;
      say(node, left < 0 ? `+${span(-left)} late` : `in ${span(left + 999)}`);
      node.closest(".card")?.classList.toggle("late", left < 0);
      if (node.dataset.next && at > Date.parse(node.dataset.next) && node.dataset.told !== node.dataset.next) {
        node.dataset.told = node.dataset.next;
        isStageOver = true;
      }
    }
    for (const node of document.querySelectorAll("[data-since]")) {
      say(node, `${age(at - Date.parse(node.dataset.since))} ago`);
    }
    if (isStageOver) onStage();
  };
  setInterval(tick, 1000);
  tick();
  return {
    tick,
    set(difference) {
      if (Math.abs(difference - offset) > 750) offset = difference;
    },
  };
}
