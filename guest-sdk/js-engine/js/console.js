// console: one entry a call, bounded before it leaves the engine. What is more than plain values
// is formatted in `parts/console.js`.

const MAX_LINE = 8192;
const LEVELS = { debug: 0, info: 1, log: 1, warn: 2, error: 3 };
/** The rest of the console, which few scripts use. */
const RARE = [
  'assert', 'count', 'countReset', 'dir', 'dirxml', 'group', 'groupCollapsed', 'groupEnd', 'table', 'time', 'timeEnd', 'timeLog', 'trace',
];

/** A value as people read it. */
function inspect(value) {
  return part('console').inspect(value);
}

function isPlain(value) {
  return (typeof value !== 'object' || value === null) && typeof value !== 'function' && typeof value !== 'symbol' && typeof value !== 'bigint';
}

function writeLine(level, line) {
  // One more than fits, so that the host sees that the line was cut.
  host.log(level, (line.length > MAX_LINE ? line.slice(0, MAX_LINE + 1) : line).toWellFormed());
}

/** The values as one line; undefined where that takes more than putting them together. */
function plainLine(values) {
  let line = '';
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (!isPlain(value)) return undefined;
    line += i === 0 ? value : ` ${value}`;
  }
  return line;
}

function logAt(level, values) {
  const rich = parts.get('console');
  // Groups and formats are the part's.
  const line = rich === undefined && !(values.length > 1 && typeof values[0] === 'string' && values[0].includes('%')) ? plainLine(values) : undefined;
  writeLine(level, line ?? (rich ?? part('console')).format(values));
}

const console = {};
for (const name in LEVELS) console[name] = (...values) => logAt(LEVELS[name], values);
for (const name of RARE) console[name] = (...values) => part('console').rare[name](...values);
