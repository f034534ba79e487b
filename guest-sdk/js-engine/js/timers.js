// setTimeout, setInterval and their like. The event loop calls `fireTimer`.

const MAX_TIMERS = 1000;
const MAX_DELAY_MS = 2 ** 31 - 1;
const timers = new Map();

function addTimer(callback, delay, args, repeat) {
  if (typeof callback !== 'function') throw new TypeError('a timer needs a function; text is not run as code');
  if (timers.size >= MAX_TIMERS) throw new RangeError(`more than ${MAX_TIMERS} timers at once`);
  const wanted = Number(delay);
  // At least a millisecond, so that a timer that sets itself again cannot spin.
  const ms = wanted >= 1 ? Math.min(wanted, MAX_DELAY_MS) : 1;
  const id = host.setTimer(ms);
  timers.set(id, { callback, args, ms, repeat, id });
  return id;
}

function setTimeout(callback, delay, ...args) {
  return addTimer(callback, delay, args, false);
}

function setInterval(callback, delay, ...args) {
  return addTimer(callback, delay, args, true);
}

function clearTimeout(id) {
  const timer = timers.get(id);
  if (timer === undefined) return;
  timers.delete(id);
  host.clearTimer(timer.id);
}

function fireTimer(firing) {
  for (const [id, timer] of timers) {
    if (timer.id !== firing) continue;
    // An interval keeps the id that the script knows; each shot has one of its own below.
    if (timer.repeat) timer.id = host.setTimer(timer.ms);
    else timers.delete(id);
    timer.callback(...timer.args);
    return;
  }
}
