// The words that time alone changes: countdowns and ages, once a second, by the server's clock. Its
// pace is 1, but in a replay: there it may run faster, and stand at the end.

let known = { time: Date.now(), at: Date.now(), pace: 1 };

export const now = () => known.time + (Date.now() - known.at) * known.pace;

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
  // What the server wrote stands until it has told the time: it may be another than ours.
  setInterval(tick, 1000);
  return {
    tick,
    set(time, pace) {
      const isOff = Math.abs(time - now()) > 750 * Math.max(pace, 1);
      if (isOff || pace !== known.pace) known = { time, at: Date.now(), pace };
    },
  };
}
