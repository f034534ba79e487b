// JSON Schema, draft 2020-12: the keywords that people use.
//
// The whole schema is read before the value is looked at, so that a mistake in it is found whatever
// the value is. A keyword that is not known here is refused: one that is passed over would let
// values through that its author wants refused.

const { URL, brief, plain } = import.meta.realm;

/** Schemas within schemas, whether they go further into the value or not: the stack has no room for more. */
const MAX_DEPTH = 150;
/** Of these, such as do not go further into the value: more of them never end. */
const MAX_HOPS = 50;
/** Thrown, because no keyword such as `not` may make something good of it. */
const TOO_DEEP = {};

const FORMS = {
  schema: isSchema,
  schemas: (value) => isList(value) && value.length > 0 && value.every(isSchema),
  schemaMap: (value) => isMap(value) && Object.values(value).every(isSchema),
  patternMap: (value) => isMap(value) && Object.keys(value).every(isPattern) && Object.values(value).every(isSchema),
  list: isList,
  texts: (value) => isList(value) && value.every((item) => typeof item === 'string'),
  textsMap: (value) => isMap(value) && Object.values(value).every(FORMS.texts),
  types: (value) => isType(value) || (isList(value) && value.length > 0 && value.every(isType)),
  pattern: isPattern,
  format: (value) => typeof value === 'string' && Object.hasOwn(FORMATS, value),
  number: Number.isFinite,
  positive: (value) => Number.isFinite(value) && value > 0,
  count: (value) => Number.isInteger(value) && value >= 0,
  yesOrNo: (value) => typeof value === 'boolean',
  anything: (value) => value !== undefined,
  reference: (value) => typeof value === 'string' && value.startsWith('#'),
};

const KEYWORDS = {
  $ref: ['reference', (value, reference, schema, at) => follow(value, resolve(reference), at)],
  $defs: ['schemaMap'],
  definitions: ['schemaMap'],
  type: ['types', (value, types) => matchesType(value, types) || `is not ${namesOf(types)}, but ${brief(value)}`],
  enum: ['list', (value, list) => list.map(canonical).includes(canonical(value)) || `is none of the values listed, but ${brief(value)}`],
  const: ['anything', (value, expected) => canonical(value) === canonical(expected) || `is not ${brief(expected)}, but ${brief(value)}`],

  minimum: ['number', ofNumber((value, limit) => value >= limit, 'is less than')],
  maximum: ['number', ofNumber((value, limit) => value <= limit, 'is greater than')],
  exclusiveMinimum: ['number', ofNumber((value, limit) => value > limit, 'is not greater than')],
  exclusiveMaximum: ['number', ofNumber((value, limit) => value < limit, 'is not less than')],
  multipleOf: ['positive', ofNumber(isMultiple, 'is not a multiple of')],

  minLength: ['count', ofText((value, limit) => [...value].length >= limit, 'is shorter than')],
  maxLength: ['count', ofText((value, limit) => [...value].length <= limit, 'is longer than')],
  pattern: ['pattern', ofText((value, pattern) => regexp(pattern).test(value), 'does not match')],
  format: ['format', ofText((value, format) => FORMATS[format](value), 'is not of the format')],

  items: ['schema', (value, inner, schema, at) => isList(value) && each(value, (item, i) => i >= (schema.prefixItems?.length ?? 0) && enter(item, inner, at, i))],
  prefixItems: ['schemas', (value, inner, _, at) => isList(value) && each(inner, (schema, i) => i < value.length && enter(value[i], schema, at, i))],
  contains: ['schema', contains],
  minContains: ['count'],
  maxContains: ['count'],
  minItems: ['count', (value, limit) => !isList(value) || value.length >= limit || `has ${value.length} elements, at least ${limit} are wanted`],
  maxItems: ['count', (value, limit) => !isList(value) || value.length <= limit || `has ${value.length} elements, at most ${limit} are allowed`],
  uniqueItems: ['yesOrNo', (value, unique) => !unique || !isList(value) || new Set(value.map(canonical)).size === value.length || 'has elements that are the same'],

  properties: ['schemaMap', (value, inner, _, at) => isMap(value) && each(Object.keys(inner), (key) => isThere(value, key) && enter(value[key], inner[key], at, key))],
  patternProperties: ['patternMap', (value, inner, _, at) => isMap(value) && each(Object.keys(inner), (pattern) =>
    each(membersOf(value), (key) => regexp(pattern).test(key) && enter(value[key], inner[pattern], at, key)))],
  additionalProperties: ['schema', additionalProperties],
  propertyNames: ['schema', (value, inner, _, at) => isMap(value) && each(membersOf(value), (key) => {
    const found = follow(key, inner, at);
    return found === undefined ? true : `has the name ${brief(key)}, which ${found.text}`;
  })],
  required: ['texts', (value, names) => isMap(value) && each(names, (name) => isThere(value, name) || `has no ${brief(name)}`)],
  dependentRequired: ['textsMap', (value, needs) => isMap(value) && each(Object.keys(needs), (name) => isThere(value, name) &&
    each(needs[name], (needed) => isThere(value, needed) || `has ${brief(name)} and no ${brief(needed)}`))],
  dependentSchemas: ['schemaMap', (value, inner, _, at) => isMap(value) && each(Object.keys(inner), (name) => isThere(value, name) && follow(value, inner[name], at))],
  minProperties: ['count', (value, limit) => !isMap(value) || membersOf(value).length >= limit || `has fewer than ${limit} members`],
  maxProperties: ['count', (value, limit) => !isMap(value) || membersOf(value).length <= limit || `has more than ${limit} members`],

  allOf: ['schemas', (value, inner, _, at) => each(inner, (schema) => follow(value, schema, at))],
  anyOf: ['schemas', (value, inner, _, at) => {
    let nearest;
    for (const schema of inner) {
      const found = follow(value, schema, at);
      if (found === undefined) return true;
      if (nearest === undefined || found.level > nearest.level) nearest = found;
    }
    return `matches none of ${inner.length} alternatives; the nearest: ${nearest.pointer}${nearest.pointer === '' ? '' : ': '}${nearest.text}`;
  }],
  oneOf: ['schemas', (value, inner, _, at) => {
    const count = inner.filter((schema) => follow(value, schema, at) === undefined).length;
    return count === 1 || `matches ${count} of ${inner.length} alternatives instead of one`;
  }],
  not: ['schema', (value, inner, _, at) => follow(value, inner, at) !== undefined || 'matches what it must not'],
  if: ['schema', (value, inner, schema, at) => {
    const branch = follow(value, inner, at) === undefined ? 'then' : 'else';
    return Object.hasOwn(schema, branch) && follow(value, schema[branch], at);
  }],
  then: ['schema'],
  else: ['schema'],
};

/** They say nothing that a value could break. */
const ANNOTATIONS = new Set([
  '$schema', '$id', '$comment', 'title', 'description', 'default', 'examples', 'example', 'deprecated', 'readOnly',
  'writeOnly', 'contentEncoding', 'contentMediaType', 'contentSchema',
]);

/** Keywords that do nothing without another one, where a mistake would go unseen. */
const COMPANIONS = { then: 'if', else: 'if', minContains: 'contains', maxContains: 'contains' };

const TYPES = {
  null: ['null', (value) => value === null],
  boolean: ['a boolean', (value) => typeof value === 'boolean'],
  integer: ['an integer', Number.isInteger],
  number: ['a number', Number.isFinite],
  string: ['a text', (value) => typeof value === 'string'],
  array: ['an array', isList],
  object: ['an object', isMap],
};

/** Of the schema that is being matched. */
let root;
let references;
let depth;

/** `true`, or `{ why }`, or the text of why no schema can say anything about the value. */
export function match(value, schema) {
  root = schema;
  references = new Map();
  depth = 0;
  readSchema();
  if (value === undefined) return 'it is undefined';
  let found;
  try {
    found = evaluate(value, schema, { level: 0, hops: 0, key: undefined, outer: undefined });
  } catch (error) {
    if (error !== TOO_DEEP) throw error;
    return 'it is nested deeper than the schema can be followed';
  }
  return found === undefined || { why: `${found.pointer}${found.pointer === '' ? 'it ' : ': '}${found.text}` };
}

/** Undefined, or what is wrong with the value: `{ pointer, level, text }`. `at` is where the value stands. */
function evaluate(value, schema, at) {
  if (!isJson(value)) throw new TypeError(`toMatchSchema takes JSON; ${pointerOf(at)} is ${brief(value)}`);
  if (schema === true) return undefined;
  if (schema === false) return wrong(at, 'is not allowed', 'false');
  if (at.hops > MAX_HOPS) throw invalid('it refers to itself without an end');
  if (depth > MAX_DEPTH) throw TOO_DEEP;
  depth++;
  for (const keyword of Object.keys(schema)) {
    const judge = KEYWORDS[keyword]?.[1];
    if (judge === undefined) continue;
    const found = judge(value, schema[keyword], schema, at);
    if (found === true || found === false || found === undefined) continue;
    depth--;
    return typeof found === 'string' ? wrong(at, found, keyword) : found;
  }
  depth--;
  return undefined;
}

/** Another schema for the same value. */
function follow(value, schema, at) {
  at.hops++;
  const found = evaluate(value, schema, at);
  at.hops--;
  return found;
}

/** A schema for a member or an element. */
function enter(value, schema, at, key) {
  return evaluate(value, schema, { level: at.level + 1, hops: 0, key, outer: at });
}

/** The first of the judgements that is a fault: a text or an object. */
function each(items, judge) {
  for (let i = 0; i < items.length; i++) {
    const found = judge(items[i], i);
    if (typeof found === 'string' || typeof found === 'object') return found;
  }
  return true;
}

function wrong(at, text, keyword) {
  return { pointer: pointerOf(at), level: at.level, text: `${text} (\`${keyword}\`)` };
}

/** RFC 6901 */
function pointerOf(at) {
  const keys = [];
  for (let up = at; up.level > 0; up = up.outer) {
    keys.unshift(`/${plain(up.key).slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1')}`);
  }
  return keys.join('');
}

function contains(value, inner, schema, at) {
  if (!isList(value)) return true;
  const { minContains = 1, maxContains = Infinity } = schema;
  const count = value.filter((item, i) => enter(item, inner, at, i) === undefined).length;
  if (count < minContains) return `has ${count} elements of the kind wanted, at least ${minContains} are`;
  return count <= maxContains || `has ${count} elements of the kind, at most ${maxContains} are allowed`;
}

function additionalProperties(value, inner, schema, at) {
  if (!isMap(value)) return true;
  const { properties = {}, patternProperties = {} } = schema;
  const patterns = Object.keys(patternProperties).map(regexp);
  return each(membersOf(value), (key) => {
    if (Object.hasOwn(properties, key) || patterns.some((pattern) => pattern.test(key))) return true;
    return inner === false ? `has ${brief(key)}, which is not allowed` : enter(value[key], inner, at, key);
  });
}

function ofNumber(holds, phrase) {
  return (value, limit) => typeof value !== 'number' || holds(value, limit) || `${phrase} ${limit}: ${value}`;
}

function ofText(holds, phrase) {
  return (value, limit) => typeof value !== 'string' || holds(value, limit) || `${phrase} ${limit}: ${brief(value)}`;
}

/** 0.3 is a multiple of 0.1, whatever binary fractions make of it. */
function isMultiple(value, step) {
  const quotient = value / step;
  if (!Number.isFinite(quotient)) return value % step === 0;
  const nearest = Math.round(quotient);
  return Math.abs(quotient - nearest) <= Math.abs(quotient) * Number.EPSILON * 2;
}

function matchesType(value, types) {
  return isList(types) ? types.some((type) => TYPES[type][1](value)) : TYPES[types][1](value);
}

function namesOf(types) {
  return (isList(types) ? types : [types]).map((type) => TYPES[type][0]).join(' or ');
}

/** The same text for the same JSON, whatever the order of members. */
function canonical(value) {
  return JSON.stringify(value, (_, inner) => (isMap(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner));
}

/** A member that is undefined would not be in the JSON. */
function isThere(value, key) {
  return Object.hasOwn(value, key) && value[key] !== undefined;
}

function membersOf(value) {
  return Object.keys(value).filter((key) => value[key] !== undefined);
}

function isList(value) {
  return Array.isArray(value);
}

function isMap(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isType(value) {
  return typeof value === 'string' && Object.hasOwn(TYPES, value);
}

function isJson(value) {
  const type = typeof value;
  return type === 'string' || type === 'object' || type === 'boolean' || (type === 'number' && Number.isFinite(value));
}

function isSchema(value) {
  return typeof value === 'boolean' || isMap(value);
}

const regexps = new Map();

/** Throws a SyntaxError for what is no regular expression. */
function regexp(pattern) {
  if (!regexps.has(pattern)) regexps.set(pattern, new RegExp(pattern, 'u'));
  return regexps.get(pattern);
}

function isPattern(value) {
  if (typeof value !== 'string') return false;
  try {
    regexp(value);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function invalid(what) {
  return new TypeError(`the schema is not valid: ${what}`);
}

/** Refuses a schema that has a mistake anywhere. */
function readSchema() {
  if (!isSchema(root)) throw new TypeError(`toMatchSchema takes a schema, not ${brief(root)}`);
  const open = [root];
  const read = new Set();
  while (open.length > 0) {
    const schema = open.pop();
    if (typeof schema === 'boolean' || read.has(schema)) continue;
    read.add(schema);
    for (const keyword of Object.keys(schema)) {
      if (ANNOTATIONS.has(keyword) || keyword.startsWith('x-')) {
        if (keyword === '$id' && schema !== root) throw invalid('`$id` is supported at the root only');
        continue;
      }
      if (!Object.hasOwn(KEYWORDS, keyword)) throw invalid(`the keyword \`${plain(keyword).slice(0, 100)}\` is not supported`);
      const [form] = KEYWORDS[keyword];
      const value = schema[keyword];
      if (!FORMS[form](value)) throw invalid(`\`${keyword}\` cannot be ${brief(value)}`);
      const companion = COMPANIONS[keyword];
      if (companion !== undefined && !Object.hasOwn(schema, companion)) throw invalid(`\`${keyword}\` does nothing without \`${companion}\``);
      if (form === 'schema') open.push(value);
      else if (form === 'reference') open.push(resolve(value));
      else if (form === 'schemas' || form === 'schemaMap' || form === 'patternMap') {
        for (const inner of Object.values(value)) open.push(inner);
      }
    }
  }
}

/** What a `$ref` leads to. */
function resolve(reference) {
  if (!references.has(reference)) references.set(reference, find(reference));
  return references.get(reference);
}

function find(reference) {
  let schema = root;
  for (const part of decodeURIComponent(reference.slice(1)).split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    schema = typeof schema === 'object' && schema !== null && Object.hasOwn(schema, key) ? schema[key] : undefined;
  }
  const isPointer = reference === '#' || reference.startsWith('#/');
  if (!isPointer || !isSchema(schema)) throw invalid(`\`$ref\` leads nowhere: ${brief(reference)}`);
  return schema;
}

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;
const TIME = /^([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.\d+)?(?:z|([+-])([01]\d|2[0-3]):([0-5]\d))$/i;

// RFC 3986, appendix A.
const ENCODED = '%[\\dA-Fa-f]{2}';
const AUTHORITY = `//(?:(?:[\\w.~:!$&'()*+,;=-]|${ENCODED})*@)?(?:\\[[\\dA-Fa-f:.]+\\]|(?:[\\w.~!$&'()*+,;=-]|${ENCODED})*)(?::\\d*)?(?=[/?#]|$)`;
const TAIL = `(?:[\\w.~:/?@!$&'()*+,;=-]|${ENCODED})*`;
const REST = `(?:${AUTHORITY}|(?!//))${TAIL}(?:#${TAIL})?$`;
const URI_TEXT = `^[A-Za-z][A-Za-z\\d+.-]*:${REST}`;
const RELATIVE = `^(?![^/?#]*:)${REST}`;

const FORMATS = {
  'date-time': (text) => isDate(text.slice(0, 10)) && /^t$/i.test(text.charAt(10)) && isTime(text.slice(11)),
  date: isDate,
  time: isTime,
  duration: (text) => /^P(\d+W|(?=\d|T)(\d+Y(\d+M(\d+D)?)?|\d+M(\d+D)?|\d+D)?(T(\d+H(\d+M(\d+S)?)?|\d+M(\d+S)?|\d+S))?)$/.test(text),
  email: (text) => {
    const at = text.lastIndexOf('@');
    return at > 0 && at <= 64 && /^[^\s"(),:;<>@[\\\]]+$/.test(text.slice(0, at)) && !/^\.|\.\.|\.$/.test(text.slice(0, at)) && HOST_NAME.test(text.slice(at + 1));
  },
  hostname: (text) => HOST_NAME.test(text),
  ipv4: (text) => /^(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/.test(text),
  ipv6: (text) => /^[0-9a-f:.]{2,45}$/i.test(text) && URL.canParse(`http://[${text}]/`),
  uri: (text) => regexp(URI_TEXT).test(text),
  'uri-reference': (text) => regexp(URI_TEXT).test(text) || regexp(RELATIVE).test(text),
  uuid: (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text),
  'json-pointer': (text) => /^(\/([^~/]|~[01])*)*$/.test(text),
  regex: isPattern,
};

function isDate(text) {
  const date = /^\d{4}-\d\d-\d\d$/.test(text) ? new Date(`${text}T00:00:00Z`) : undefined;
  return date !== undefined && !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

function isTime(text) {
  const found = TIME.exec(text);
  if (found === null) return false;
  const [, hours, minutes, seconds, sign = '+', offsetHours = 0, offsetMinutes = 0] = found;
  if (seconds !== '60') return true;
  // A leap second is the last one of a day in UTC.
  const offset = (sign === '-' ? -1 : 1) * (offsetHours * 60 + Number(offsetMinutes));
  return (hours * 60 + Number(minutes) - offset + 1440) % 1440 === 1439;
}
