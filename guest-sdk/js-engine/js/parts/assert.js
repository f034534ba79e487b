// vedette:assert: what a check says about what it found.
//
// All of this file is loaded whenever a script imports any of it, hence the parts behind it.

const { realm } = import.meta;
const { asserted, host, need, plain } = realm;

/** Steps that are open at once, nested or side by side. */
const MAX_OPEN = 100;
const MAX_NAME = 200;
const NAMES_TOLD = 3;

/** Soft: the run goes on, and is a failure in the end if one of its checks did not pass. */
export function check(name, passed) {
  need(typeof name === 'string', 'the name of a check must be a text', name);
  need(typeof passed === 'boolean', 'check takes a name and a boolean', passed);
  const shown = plain(name).slice(0, MAX_NAME);
  asserted.count++;
  asserted.checks++;
  if (!passed) {
    asserted.failedChecks++;
    if (asserted.failedNames.length < NAMES_TOLD) asserted.failedNames.push(shown);
  }
  host.noteCheck(shown.toWellFormed(), passed);
  return passed;
}

/** Runs a part of the check, timed under its name; gives what `run` gives. */
export function step(name, run) {
  need(typeof name === 'string', 'the name of a step must be a text', name);
  need(typeof run === 'function', 'step takes a name and a function', run);
  if (asserted.open.size >= MAX_OPEN) throw new RangeError(`more than ${MAX_OPEN} steps are open at once`);
  const shown = plain(name).slice(0, MAX_NAME).toWellFormed();
  return realm.untilDone(`step ${JSON.stringify(shown)}`, () => runStep(shown, run));
}

async function runStep(name, run) {
  const number = host.beginStep(name);
  try {
    const value = await run();
    host.endStep(number, undefined);
    asserted.count++;
    return value;
  } catch (error) {
    host.endStep(number, realm.explain(error)[1]);
    realm.passThroughStep(error, name);
    throw error;
  }
}

function later(part, name) {
  return (...given) => realm.part(part)[name](...given);
}

export const expect = later('matchers', 'expect');
export const formFields = later('markup', 'formFields');
export const formToken = later('markup', 'formToken');
export const xmlValue = later('markup', 'xmlValue');
export const hmacSign = later('tokens', 'hmacSign');
export const totp = later('tokens', 'totp');
export const jwt = Object.freeze({ sign: later('tokens', 'signJwt') });
