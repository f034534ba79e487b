// vedette:assert: what a check says about what it found.

export function check(name, passed) {
  if (typeof passed !== 'boolean') throw new TypeError('check takes a name and a boolean');
  return passed;
}
