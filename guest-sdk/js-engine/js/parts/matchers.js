// expect(…): each matcher judges, and `conclude` says what came of it.

const { realm } = import.meta;
const { asserted, brief, need, plain, AssertionError } = realm;

const MAX_LABEL = 200;

/** Hard: what is not as expected ends the run as a failure, unless the script catches it. */
export function expect(actual, label) {
  need(label === undefined || typeof label === 'string', 'the label of an expectation must be a text', label);
  return new Expectation(actual, label, false);
}

/**
 * A judgement is `true`, `false` or `{ holds, why }`; a text says why neither the matcher nor its opposite
 * can hold, so that `not` is never fulfilled by a value of another kind.
 */
class Expectation {
  constructor(actual, label, isNegated) {
    this.actual = actual;
    this.label = label;
    this.isNegated = isNegated;
  }

  get not() {
    return new Expectation(this.actual, this.label, !this.isNegated);
  }

  toBe(expected) {
    conclude(this, isSame(this.actual, expected), 'to be %', expected);
  }

  toEqual(expected) {
    conclude(this, difference(this.actual, expected, 'equal'), 'to equal %', expected);
  }

  toStrictEqual(expected) {
    conclude(this, difference(this.actual, expected, 'strict'), 'to equal % strictly', expected);
  }

  toMatchObject(expected) {
    need(typeof expected === 'object' && expected !== null, 'toMatchObject takes an object', expected);
    const isObject = typeof this.actual === 'object' && this.actual !== null;
    conclude(this, isObject ? difference(this.actual, expected, 'subset') : 'it is no object', 'to match the object %', expected);
  }

  toMatch(pattern) {
    need(typeof pattern === 'string' || pattern instanceof RegExp, 'toMatch takes a text or a regular expression', pattern);
    conclude(this, typeof this.actual === 'string' ? fits(this.actual, pattern) : 'it is no text', 'to match %', pattern);
  }

  toContain(item) {
    conclude(this, contains(this.actual, item), 'to contain %', item);
  }

  toHaveLength(length) {
    need(Number.isInteger(length) && length >= 0, 'a length must be a whole number', length);
    const found = this.actual?.length;
    const judgement = typeof found === 'number' ? found === length || { why: `its length is ${found}` } : 'it has no length';
    conclude(this, judgement, 'to have the length %', length);
  }

  toHaveProperty(path, ...value) {
    conclude(this, realm.part('equal').hasProperty(this.actual, path, value), 'to have the property %', path);
  }

  toBeTruthy() {
    conclude(this, Boolean(this.actual), 'to be truthy');
  }

  toBeFalsy() {
    conclude(this, !this.actual, 'to be falsy');
  }

  toBeNull() {
    conclude(this, this.actual === null, 'to be null');
  }

  toBeUndefined() {
    conclude(this, this.actual === undefined, 'to be undefined');
  }

  toBeDefined() {
    conclude(this, this.actual !== undefined, 'to be defined');
  }

  toBeNaN() {
    conclude(this, Number.isNaN(this.actual), 'to be NaN');
  }

  toBeLessThan(limit) {
    conclude(this, canCompare(this.actual, limit) ? this.actual < limit : NO_NUMBER, 'to be less than %', limit);
  }

  toBeLessThanOrEqual(limit) {
    conclude(this, canCompare(this.actual, limit) ? this.actual <= limit : NO_NUMBER, 'to be at most %', limit);
  }

  toBeGreaterThan(limit) {
    conclude(this, canCompare(this.actual, limit) ? this.actual > limit : NO_NUMBER, 'to be greater than %', limit);
  }

  toBeGreaterThanOrEqual(limit) {
    conclude(this, canCompare(this.actual, limit) ? this.actual >= limit : NO_NUMBER, 'to be at least %', limit);
  }

  toBeCloseTo(expected, digits = 2) {
    need(Number.isFinite(expected), 'toBeCloseTo takes a number', expected);
    need(Number.isInteger(digits), 'the digits of toBeCloseTo must be a whole number', digits);
    const isNear = typeof this.actual === 'number' && !Number.isNaN(this.actual) ? Math.abs(this.actual - expected) < 10 ** -digits / 2 : NO_NUMBER;
    conclude(this, isNear, 'to be close to %', expected);
  }

  toBeInstanceOf(type) {
    need(typeof type === 'function', 'toBeInstanceOf takes a class', type);
    conclude(this, this.actual instanceof type, 'to be an instance of %', type);
  }

  toBeOneOf(list) {
    need(Array.isArray(list), 'toBeOneOf takes an array', list);
    conclude(this, list.some((item) => Object.is(item, this.actual)), 'to be one of %', list);
  }

  toMatchSchema(schema) {
    conclude(this, realm.part('schema').match(this.actual, schema), 'to match the schema');
  }

  /** With a promise, or a function that gives one, it gives a promise. */
  toThrow(expected) {
    const takes = ['undefined', 'string', 'function'].includes(typeof expected) || expected instanceof RegExp;
    need(takes, 'toThrow takes a text, a regular expression or a class', expected);
    const judgement = whatIsThrown(this.actual, expected);
    if (!(judgement instanceof Promise)) return sayWhether(this, judgement, 'to throw');
    return realm.untilDone('expect(…).toThrow', async () => sayWhether(this, await judgement, 'to throw'));
  }
}

const NO_NUMBER = 'it is no number';

function conclude(expectation, judgement, phrase, ...expected) {
  need(!(expectation.actual instanceof Promise), 'expect takes a value', expectation.actual);
  sayWhether(expectation, judgement, phrase, ...expected);
}

/** Throws when the judgement is not what was expected. */
function sayWhether({ actual, label, isNegated }, judgement, phrase, ...expected) {
  const holds = judgement === true || judgement.holds === true;
  if (typeof judgement !== 'string' && holds !== isNegated) {
    asserted.count++;
    return;
  }
  const why = typeof judgement === 'string' ? judgement : judgement.why;
  const subject = label === undefined ? brief(actual) : `${plain(label).slice(0, MAX_LABEL)} ${brief(actual)}`;
  const wish = phrase.replace('%', () => brief(expected[0]));
  throw new AssertionError(`expected ${subject} ${isNegated ? 'not ' : ''}${wish}${why === undefined ? '' : `: ${why}`}`);
}

function difference(actual, expected, mode) {
  const why = realm.part('equal').difference(actual, expected, mode);
  return why === undefined || { why };
}

function isSame(actual, expected) {
  if (Object.is(actual, expected)) return true;
  if (typeof actual === 'string' && typeof expected === 'string') return difference(actual, expected, 'equal');
  const areObjects = typeof actual === 'object' && typeof expected === 'object' && actual !== null && expected !== null;
  return areObjects ? { why: 'these are two objects; toEqual compares what they hold' } : false;
}

/** Unlike `test`, `search` leaves `lastIndex` alone. */
function fits(text, pattern) {
  return typeof pattern === 'string' ? text.includes(pattern) : text.search(pattern) >= 0;
}

function contains(actual, item) {
  if (typeof actual === 'string') {
    need(typeof item === 'string', 'a text contains texts only', item);
    return actual.includes(item);
  }
  if (typeof actual?.[Symbol.iterator] !== 'function') return 'it is no text and no list';
  return (Array.isArray(actual) ? actual : [...actual]).includes(item);
}

function isNumber(value) {
  return typeof value === 'bigint' || (typeof value === 'number' && !Number.isNaN(value));
}

function canCompare(actual, limit) {
  need(isNumber(limit), 'a limit must be a number', limit);
  return isNumber(actual);
}

function whatIsThrown(actual, expected) {
  if (actual instanceof Promise) return ended(actual, expected);
  need(typeof actual === 'function', 'expect(…).toThrow takes a function or a promise', actual);
  let given;
  try {
    given = actual();
  } catch (error) {
    return threw(error, expected);
  }
  return given instanceof Promise ? ended(given, expected) : { why: 'nothing was thrown' };
}

async function ended(promise, expected) {
  try {
    await promise;
  } catch (error) {
    return threw(error, expected);
  }
  return { why: 'nothing was thrown' };
}

function threw(error, expected) {
  const [kind, text] = realm.explain(error);
  // QuickJS throws null when not even an error object fits into memory.
  if (kind === 'memory-limit' || error === null) throw error;
  const message = plain(error?.message ?? error);
  let holds = true;
  if (typeof expected === 'function') holds = error instanceof expected;
  else if (expected !== undefined) holds = fits(message, expected);
  return { holds, why: `it threw ${text}${holds ? '' : `, not ${brief(expected)}`}` };
}
