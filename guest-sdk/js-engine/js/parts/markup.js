// Values out of XML and HTML. Both are read in one pass from left to right, by what the text has and
// not by a tree: memory does not grow with the number of elements, and no text is read twice.

const { AssertionError, brief, need } = import.meta.realm;

/** What the target sent is not what the check needs: the target's fault. */
function unmet(what) {
  return new AssertionError(what);
}

function needText(value, what) {
  need(typeof value === 'string', `${what} must be a text`, value);
}

function skipSpace(text, at) {
  while (text.charCodeAt(at) <= 32) at++;
  return at;
}

/** The end of a name that begins at `at`. */
function nameEnd(text, at) {
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    // Letters are above all of > = < / ' " and space.
    if (code <= 62 && (code <= 32 || code === 62 || code === 61 || code === 60 || code === 47 || code === 39 || code === 34)) return at;
  }
  return at;
}

// XML 1.0, without document types.

const MAX_LEVELS = 1000;

const [EXCLAMATION_MARK, SLASH, QUESTION_MARK, GREATER] = [33, 47, 63, 62];

/** What most tags have between name and end; a short one is judged at once instead of bit by bit. */
const PLAIN_ATTRIBUTES = /^(?:\s+[^\s=>\/<"']+\s*=\s*"[^"<]*")*\s*\/?$/;
const SHORT = 500;

const STEP = /^(@?)([^\s/@[\]()]+)(?:\[([1-9]\d{0,8})\])?$/;

/** `a/b[2]/@c` as `[{ name, index }]` and the attribute. */
function readPath(path) {
  needText(path, 'the path of xmlValue');
  const parts = path.replace(/^\//, '').split('/');
  const steps = parts.map((part, i) => {
    const found = STEP.exec(part);
    const isAttribute = found?.[1] === '@';
    if (found === null || (isAttribute && (i === 0 || i < parts.length - 1 || found[3] !== undefined))) {
      throw new TypeError(`xmlValue takes a path such as "/a/b[2]/@c", not ${brief(path)}`);
    }
    return { isAttribute, name: found[2], index: found[3] === undefined ? undefined : Number(found[3]) };
  });
  const attribute = steps.at(-1).isAttribute ? steps.pop().name : undefined;
  return { steps, attribute };
}

/**
 * The text of the first element that the path leads to, or the value of an attribute. Names are
 * compared as they are written, prefix included; an index counts the children of that name from 1.
 */
export function xmlValue(xml, path) {
  needText(xml, 'the XML');
  const { steps, attribute } = readPath(path);
  const open = [];
  let value;
  let pieces;
  let hasRoot = false;
  let at = xml.charCodeAt(0) === 0xfeff ? 1 : 0;

  const broken = (what) => {
    const line = xml.slice(0, at).split('\n').length;
    return unmet(`the XML is not well-formed at line ${line}: ${what}`);
  };
  const skipTo = (end, from, what) => {
    const found = xml.indexOf(end, from);
    if (found < 0) throw broken(`${what} has no end`);
    return found;
  };

  while (at < xml.length) {
    const tag = xml.indexOf('<', at);
    const text = xml.slice(at, tag < 0 ? xml.length : tag);
    if (open.length === 0 && text.trim() !== '') throw broken('there is text outside of the root');
    if (pieces !== undefined) pieces.push(decode(text, broken));
    if (tag < 0) break;
    at = tag;
    const next = xml.charCodeAt(at + 1);
    if (next === SLASH) {
      const end = skipTo('>', at, 'a tag');
      const name = xml.slice(at + 2, end).trimEnd();
      const element = open.pop();
      if (element?.name !== name) throw broken(`</${name.slice(0, 100)}> ends what is not open`);
      if (element.isWanted) {
        value = pieces.join('').trim();
        pieces = undefined;
      }
      at = end + 1;
    } else if (next === QUESTION_MARK) {
      at = skipTo('?>', at + 2, 'a processing instruction') + 2;
    } else if (next === EXCLAMATION_MARK) {
      at = skipDeclaration();
    } else {
      at = openElement();
    }
  }
  if (open.length > 0) throw broken(`<${open.at(-1).name.slice(0, 100)}> has no end`);
  if (!hasRoot) throw unmet('the XML has no element');
  if (value === undefined) throw unmet(`the XML has nothing at ${brief(path)}`);
  return value;

  function skipDeclaration() {
    if (xml.startsWith('<!--', at)) return skipTo('-->', at + 4, 'a comment') + 3;
    if (!xml.startsWith('<![CDATA[', at)) throw new Error('xmlValue does not read XML with a document type');
    if (open.length === 0) throw broken('there is text outside of the root');
    const end = skipTo(']]>', at + 9, 'a CDATA section');
    pieces?.push(xml.slice(at + 9, end));
    return end + 3;
  }

  function openElement() {
    const end = nameEnd(xml, at + 1);
    const name = xml.slice(at + 1, end);
    if (name === '') throw broken('a tag has no name');
    const parent = open.at(-1);
    if (parent === undefined && hasRoot) throw broken('there is a second root');
    hasRoot = true;
    const element = { name, matched: matchedBy(name, parent), count: 0, isWanted: false };
    const isTarget = value === undefined && pieces === undefined && element.matched === steps.length;
    const given = readXmlAttributes(end, isTarget ? attribute : undefined);
    if (isTarget && attribute !== undefined) value = given.value;
    element.isWanted = isTarget && attribute === undefined;
    if (given.isEmpty) {
      if (element.isWanted) value = '';
    } else {
      if (element.isWanted) pieces = [];
      if (open.push(element) > MAX_LEVELS) throw unmet(`the XML is nested more than ${MAX_LEVELS} levels deep, which is not read`);
    }
    return given.end;
  }

  /** How many steps of the path the element fulfils: all down to it, or none. */
  function matchedBy(name, parent) {
    const depth = open.length;
    const step = steps[depth];
    if (step === undefined || step.name !== name || (parent?.matched ?? 0) !== depth) return -1;
    const position = parent === undefined ? 1 : ++parent.count;
    return step.index === undefined || step.index === position ? depth + 1 : -1;
  }

  /** From the end of an element's name to the end of its tag; keeps the one attribute that is wanted. */
  function readXmlAttributes(from, wanted) {
    if (xml.charCodeAt(from) === GREATER) return { end: from + 1, isEmpty: false, value: undefined };
    const close = xml.indexOf('>', from);
    if (wanted === undefined && close > from && close - from < SHORT && PLAIN_ATTRIBUTES.test(xml.slice(from, close))) {
      return { end: close + 1, isEmpty: xml.charCodeAt(close - 1) === SLASH, value: undefined };
    }
    let found;
    for (;;) {
      const start = skipSpace(xml, from);
      if (xml[start] === '>') return { end: start + 1, isEmpty: false, value: found };
      if (xml.startsWith('/>', start)) return { end: start + 2, isEmpty: true, value: found };
      const end = nameEnd(xml, start);
      const equals = skipSpace(xml, end);
      const quoted = skipSpace(xml, equals + 1);
      const quote = xml[quoted];
      if (start === from || end === start || xml[equals] !== '=' || (quote !== '"' && quote !== "'")) {
        throw broken('a tag is not written correctly');
      }
      from = skipTo(quote, quoted + 1, 'an attribute') + 1;
      if (wanted !== undefined && xml.slice(start, end) === wanted) found = decode(xml.slice(quoted + 1, from - 1), broken);
    }
  }
}

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const HTML_ENTITIES = { ...ENTITIES, nbsp: '\u00a0', plus: '+', equals: '=', sol: '/', colon: ':', num: '#', percnt: '%', lowbar: '_' };

const REFERENCE = /^&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|([A-Za-z]\w{0,30}));/;
const LONGEST_REFERENCE = 40;

/** XML with `broken`, which makes the error of an unknown reference; HTML, which lets it stand, without. */
function decode(text, broken) {
  let at = text.indexOf('&');
  if (at < 0) return text;
  const pieces = [];
  let from = 0;
  for (; at >= 0; at = text.indexOf('&', at + 1)) {
    const found = REFERENCE.exec(text.slice(at, at + LONGEST_REFERENCE));
    const character = found === null ? undefined : characterOf(found, broken === undefined ? HTML_ENTITIES : ENTITIES);
    if (character !== undefined) {
      pieces.push(text.slice(from, at), character);
      from = at + found[0].length;
    } else if (broken !== undefined) {
      throw broken(`${brief(text.slice(at, at + LONGEST_REFERENCE))} does not begin with a character or one of the five entities`);
    }
  }
  pieces.push(text.slice(from));
  return pieces.join('');
}

function characterOf([, decimal, hex, name], known) {
  if (name !== undefined) return Object.hasOwn(known, name) ? known[name] : undefined;
  const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
  const isCharacter = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  return isCharacter ? String.fromCodePoint(code) : undefined;
}

// HTML, as a browser would read forms: nothing is an error.

/** Their content is text up to their end tag, whatever it looks like. */
const RAW = new Set(['script', 'style', 'textarea', 'title', 'xmp', 'iframe', 'noembed', 'noframes']);
const KEPT = new Set(['id', 'name', 'type', 'value', 'content', 'checked', 'disabled', 'action', 'method', 'class']);

const READ = new Set(['form', 'input', 'meta']);

/** The tags of a page that matter to forms: `{ name, isEnd, attributes }`, names in lower case. */
function* tags(html) {
  let at = 0;
  for (;;) {
    at = html.indexOf('<', at);
    if (at < 0) return;
    const isEnd = html.charCodeAt(at + 1) === SLASH;
    const start = at + (isEnd ? 2 : 1);
    const first = html.charCodeAt(start) | 0x20;
    if (first < 0x61 || first > 0x7a) {
      if (html.charCodeAt(at + 1) === EXCLAMATION_MARK && html.startsWith('<!--', at)) at = html.indexOf('-->', at + 4);
      if (at < 0) return;
      at++;
      continue;
    }
    const nameStop = nameEnd(html, start);
    const name = html.slice(start, nameStop).toLowerCase();
    if (READ.has(name)) {
      const { attributes, end } = readHtmlAttributes(html, nameStop);
      yield { name, isEnd, attributes };
      at = end;
    } else {
      at = tagEnd(html, nameStop);
    }
    if (!isEnd && RAW.has(name)) at = rawEnd(html, at, name);
  }
}

/** The end of a tag whose attributes nobody asks for. */
function tagEnd(html, at) {
  const end = html.indexOf('>', at);
  if (end < 0) return html.length;
  const text = html.slice(at, end);
  const isQuoted = text.includes("'") || text.split('"').length % 2 === 0;
  return isQuoted ? readHtmlAttributes(html, at).end : end + 1;
}

function rawEnd(html, from, name) {
  for (let at = html.indexOf('</', from); at >= 0; at = html.indexOf('</', at + 2)) {
    if (html.slice(at + 2, at + 2 + name.length).toLowerCase() === name) return at;
  }
  return html.length;
}

function readHtmlAttributes(html, at) {
  const attributes = new Map();
  for (;;) {
    at = skipSpace(html, at);
    if (at >= html.length) return { attributes, end: at };
    if (html[at] === '>') return { attributes, end: at + 1 };
    const start = at;
    at = nameEnd(html, at);
    if (at === start) {
      // A stray quote or slash.
      at++;
      continue;
    }
    const name = html.slice(start, at).toLowerCase();
    let value = '';
    const equals = skipSpace(html, at);
    if (html[equals] === '=') {
      [value, at] = readHtmlValue(html, skipSpace(html, equals + 1));
    }
    if (KEPT.has(name) && !attributes.has(name)) attributes.set(name, decode(value));
  }
}

/** `[value, end]` of a value that begins at `at`, in quotes or bare. */
function readHtmlValue(html, at) {
  const quote = html[at];
  if (quote === '"' || quote === "'") {
    const end = html.indexOf(quote, at + 1);
    return end < 0 ? [html.slice(at + 1), html.length] : [html.slice(at + 1, end), end + 1];
  }
  let end = at;
  while (end < html.length && html.charCodeAt(end) > 32 && html.charCodeAt(end) !== GREATER) end++;
  return [html.slice(at, end), end];
}

/** The value of the first `input`, or the content of the first `meta`, of that name. */
export function formToken(html, name) {
  needText(html, 'the page');
  needText(name, 'the name of a form token');
  for (const tag of tags(html)) {
    if (tag.isEnd || tag.attributes.get('name') !== name) continue;
    const value = tag.name === 'input' ? tag.attributes.get('value') : tag.name === 'meta' ? tag.attributes.get('content') : undefined;
    if (value !== undefined && value !== '') return value;
  }
  throw unmet(`the page has no form token ${brief(name)}: no input and no meta of that name has a value`);
}

const NOT_SENT = new Set(['submit', 'button', 'image', 'reset', 'file']);
const SELECTOR = /^(?:form)?(?:#([\w:.-]+)|\.([\w-]+)|\[(id|name|action|class|method)=(?:"([^"]*)"|'([^']*)'|([^"'\]]+))\])?$/;

/** The inputs of the first form that the selector fits, as a browser would send them: name to value. */
export function formFields(html, selector = 'form') {
  needText(html, 'the page');
  const fits = readSelector(selector);
  let fields;
  for (const tag of tags(html)) {
    if (tag.name === 'form') {
      if (fields !== undefined) break;
      if (!tag.isEnd && fits(tag.attributes)) fields = new Map();
    } else if (tag.name === 'input' && !tag.isEnd && fields !== undefined) {
      addField(fields, tag.attributes);
    }
  }
  if (fields === undefined) throw unmet(`the page has no form ${brief(selector)}`);
  return Object.fromEntries(fields);
}

function addField(fields, attributes) {
  const name = attributes.get('name') ?? '';
  const type = (attributes.get('type') ?? 'text').toLowerCase();
  if (name === '' || attributes.has('disabled') || NOT_SENT.has(type)) return;
  const isBox = type === 'checkbox' || type === 'radio';
  if (!isBox) fields.set(name, attributes.get('value') ?? '');
  else if (attributes.has('checked')) fields.set(name, attributes.get('value') ?? 'on');
}

function readSelector(selector) {
  needText(selector, 'the selector of a form');
  const found = SELECTOR.exec(selector);
  if (found === null || selector === '') {
    throw new TypeError(`formFields takes a selector such as "form", "#login", ".login" or [action="/login"], not ${brief(selector)}`);
  }
  const [, id, ofClass, key, ...values] = found;
  if (id !== undefined) return (attributes) => attributes.get('id') === id;
  if (ofClass !== undefined) return (attributes) => (attributes.get('class') ?? '').split(/\s+/).includes(ofClass);
  if (key === undefined) return () => true;
  const wanted = values.find((value) => value !== undefined);
  return (attributes) => attributes.get(key) === wanted;
}
