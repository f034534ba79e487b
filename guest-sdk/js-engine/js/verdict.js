// Calling the script, and reading its verdict strictly.

const MAX_RESULT_BYTES = 256 * 1024;
const MAX_RESULT_DEPTH = 64;
const MAX_RESULT_NODES = 100000;

/** What `vedette:assert` was asked for in this run. */
const asserted = { count: 0, checks: 0, failedChecks: 0, failedNames: [], open: new Map() };

/** Remembers what is not done yet, so that a run does not end well before it is. */
function untilDone(what, begin) {
  const key = {};
  asserted.open.set(key, what);
  return begin().finally(() => asserted.open.delete(key));
}

/** Runs the default export: `[success, latency, message, data as JSON]`. */
async function invoke(main, paramsJson, variables) {
  const params = JSON.parse(paramsJson);
  const env = {};
  for (let i = 0; i < variables.length; i += 2) env[variables[i]] = variables[i + 1];
  Object.freeze(env);
  globalThis.params = params;
  globalThis.env = env;
  const verdict = readVerdict(await main({ params, env }));
  if (asserted.failedChecks > 0) return [false, verdict[1], tellFailedChecks(verdict[2]), verdict[3]];
  if (verdict[0] && asserted.open.size > 0) {
    const [name] = asserted.open.values();
    throw new Error(`${plain(name)} was still going on when the script returned: is an \`await\` missing?`);
  }
  return verdict;
}

function tellFailedChecks(message) {
  const { checks, failedChecks, failedNames } = asserted;
  const names = failedNames.map((name) => JSON.stringify(name)).join(', ');
  const more = failedChecks > failedNames.length ? `, and ${failedChecks - failedNames.length} more` : '';
  return `${failedChecks} of ${checks} checks failed: ${names}${more}${message ? `; ${plain(message)}` : ''}`;
}

function readVerdict(value) {
  // Not a guess: what was asserted held, or the run would not have come here, or is counted.
  if (value === undefined && asserted.count > 0) return [true, undefined, undefined, undefined];
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw invalid(`the script returned ${value === null ? 'null' : Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`}`);
  }
  const keys = Object.keys(value);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    if (key !== 'success' && key !== 'latency' && key !== 'message' && key !== 'data') {
      throw invalid(`the field \`${plain(key).slice(0, 100)}\` is not known`);
    }
  }
  const { success, latency, message, data } = value;
  if (typeof success !== 'boolean') throw invalid(`\`success\` is of type ${typeof success}, not boolean`);
  if (latency !== undefined && !(typeof latency === 'number' && latency >= 0 && latency < Infinity)) {
    throw invalid('`latency` is not a number of milliseconds from 0 up');
  }
  if (message !== undefined && typeof message !== 'string') throw invalid(`\`message\` is of type ${typeof message}, not string`);
  if (message?.length > MAX_RESULT_BYTES) throw tooLarge('`message` is longer than 256 KiB');
  return [success, latency, message?.toWellFormed(), dataJson(data)];
}

function dataJson(data) {
  if (data === undefined) return undefined;
  checkExtent(data);
  let json;
  try {
    json = JSON.stringify(data);
  } catch (error) {
    if (error instanceof TypeError) throw invalid(`\`data\` cannot be written as JSON: ${plain(error.message)}`);
    throw error;
  }
  if (json === undefined) throw invalid(`\`data\` is of type ${typeof data}, which JSON does not have`);
  if (json.length > MAX_RESULT_BYTES) throw tooLarge('`data` is larger than 256 KiB');
  return wellFormedJson(json);
}

/** JSON.stringify writes a lone surrogate as an escape, which is no valid text anywhere else. */
function wellFormedJson(json) {
  if (!json.includes('\\ud')) return json;
  return json.replace(/\\(u[dD][89a-fA-F][0-9a-fA-F]{2}|.)/g, (escape, code) => (code.length === 5 ? '\ufffd' : escape));
}

/** Without recursion: the depth is the script's, the stack is ours. */
function checkExtent(data) {
  // Objects that were not looked into yet, and how deep they lie.
  const open = [data];
  const depths = [1];
  let count = typeof data === 'object' && data !== null ? 1 : 0;
  let nodes = 0;
  while (count > 0) {
    const value = open[--count];
    const depth = depths[count];
    if (depth > MAX_RESULT_DEPTH) throw tooLarge(`\`data\` is nested more than ${MAX_RESULT_DEPTH} levels deep, or contains itself`);
    for (const key in value) {
      if (++nodes > MAX_RESULT_NODES) throw tooLarge(`\`data\` has more than ${MAX_RESULT_NODES} members and elements`);
      const member = value[key];
      if (typeof member === 'object' && member !== null) {
        open[count] = member;
        depths[count++] = depth + 1;
      }
    }
  }
}

function invalid(what) {
  return new VerdictError('result-invalid', `${what}; a verdict is { success: boolean, latency?: number, message?: string, data?: any JSON }`);
}

function tooLarge(what) {
  return new VerdictError('result-too-large', what);
}
