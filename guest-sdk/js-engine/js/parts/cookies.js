// The cookies of a run (RFC 6265bis), and `fetch` with `credentials: "include"`.
//
// To see the cookies of every hop, redirects are followed here, one request of the host a hop: each
// is judged anew by the host, and is counted as a request of the run.

const { exchange, fetchError, headerValues, receivedHeaders, receivedResponse, Headers, REDIRECTS, URL } = import.meta.realm;

// RFC 6265bis, section 6.1: what a user agent should be able to keep, and section 5.6 for sizes.
const MAX_COOKIES = 300;
const MAX_COOKIES_OF_DOMAIN = 50;
const MAX_PAIR_BYTES = 4096;
const MAX_ATTRIBUTE_BYTES = 1024;
const MAX_AGE_MS = 400 * 86400 * 1000;
/** As many as the host follows by itself. */
const MAX_REDIRECTS = 5;
/** Headers that go along to another origin, as with the host. */
const SAFE_HEADERS = ['accept', 'accept-encoding', 'accept-language', 'cache-control', 'content-language', 'content-type', 'user-agent'];
const BODY_HEADERS = ['content-type', 'content-language', 'content-encoding'];

/** In order of creation. */
let jar = [];

export async function fetchWithCookies(request, body) {
  let hop = { ...request, redirect: 'manual' };
  let bytes = body;
  let redirects = 0;
  let totalMs = 0;
  for (;;) {
    const answer = await send(hop, bytes, request);
    totalMs += answer.timings[5];
    const headers = receivedHeaders(answer.headers);
    for (const line of headerValues(headers, 'set-cookie')) store(line, new URL(hop.url));
    const isEnd = request.redirect === 'manual' || !REDIRECTS.has(answer.status);
    const next = isEnd ? undefined : nextUrl(hop, headers, request);
    if (next === undefined) {
      answer.redirected = redirects > 0;
      answer.timings[5] = totalMs;
      return receivedResponse(answer, hop.verb);
    }
    if (request.redirect === 'error') throw failed(request, 'protocol', 'the response is a redirect, which the request does not allow');
    if (redirects === MAX_REDIRECTS) throw failed(request, 'too-many-redirects', 'too many redirects');
    redirects += 1;
    ({ hop, bytes } = follow(hop, bytes, answer.status, next));
  }
}

/** One hop. An error names the URL that the script asked for, not where a redirect led. */
async function send(hop, bytes, request) {
  const headers = new Headers(hop.headers);
  const cookies = [headers.get('cookie'), cookieHeader(new URL(hop.url))].filter((text) => text);
  if (cookies.length > 0) headers.set('cookie', cookies.join('; '));
  return exchange({ ...hop, headers, shownUrl: request.url }, bytes, (answer) => answer);
}

function failed({ verb, url }, code, message) {
  return fetchError([code, message], verb, url);
}

/** Where a redirect leads; `undefined` when it has no `Location`. */
function nextUrl(hop, headers, request) {
  const locations = headerValues(headers, 'location');
  if (locations.length === 0) return undefined;
  if (locations.length > 1) throw failed(request, 'denied', 'two Location headers are ambiguous');
  const next = URL.parse(locations[0], hop.url);
  if (next === null) throw failed(request, 'denied', 'redirect refused: its Location is not a URL');
  return next;
}

/** The request of the next hop (Fetch standard, "HTTP-redirect fetch"). */
function follow(hop, bytes, status, next) {
  let { verb } = hop;
  let body = bytes;
  let headers = new Headers(hop.headers);
  const becomesGet = status === 303 ? verb !== 'GET' && verb !== 'HEAD' : (status === 301 || status === 302) && verb === 'POST';
  if (becomesGet) {
    verb = 'GET';
    body = undefined;
    for (const name of BODY_HEADERS) headers.delete(name);
  }
  if (next.origin !== new URL(hop.url).origin) headers = new Headers(SAFE_HEADERS.flatMap((name) => (headers.has(name) ? [[name, headers.get(name)]] : [])));
  return { hop: { ...hop, verb, headers, url: next.href }, bytes: body };
}

/** The cookies that go to a URL (RFC 6265bis, section 5.8.3). */
function cookieHeader(url) {
  const now = Date.now();
  jar = jar.filter((cookie) => cookie.expires > now);
  return jar
    .filter((cookie) => (
      (cookie.isHostOnly ? cookie.domain === url.hostname : domainMatches(url.hostname, cookie.domain))
      && pathMatches(url.pathname, cookie.path) && (!cookie.isSecure || url.protocol === 'https:')
    ))
    // Stable, so that of equal paths the older cookie comes first.
    .sort((a, b) => b.path.length - a.path.length)
    .map(({ name, value }) => (name === '' ? value : `${name}=${value}`))
    .join('; ');
}

/** Section 5.1.3. */
function domainMatches(host, domain) {
  return host === domain || (host.endsWith(`.${domain}`) && !isAddress(host));
}

function isAddress(host) {
  return host.startsWith('[') || /^\d+\.\d+\.\d+\.\d+$/.test(host);
}

/** Section 5.1.4. */
function pathMatches(path, cookiePath) {
  return path === cookiePath || (path.startsWith(cookiePath) && (cookiePath.endsWith('/') || path[cookiePath.length] === '/'));
}

function defaultPath(url) {
  const end = url.pathname.lastIndexOf('/');
  return end <= 0 ? '/' : url.pathname.slice(0, end);
}

function trim(text) {
  return text.replace(/^[\t ]+|[\t ]+$/g, '');
}

/** Keeps what a `Set-Cookie` line says, when it may say it (sections 5.6 and 5.7). */
function store(line, url) {
  const cookie = parse(line, url);
  if (cookie === undefined || !isAllowed(cookie, url)) return;
  const old = jar.findIndex((one) => (
    one.name === cookie.name && one.domain === cookie.domain && one.isHostOnly === cookie.isHostOnly && one.path === cookie.path
  ));
  if (old >= 0) jar[old] = cookie;
  else jar.push(cookie);
  jar = jar.filter((one) => one.expires > Date.now());
  const ofDomain = jar.filter((one) => one.domain === cookie.domain);
  if (ofDomain.length > MAX_COOKIES_OF_DOMAIN) jar.splice(jar.indexOf(ofDomain[0]), 1);
  if (jar.length > MAX_COOKIES) jar.shift();
}

function parse(line, url) {
  if (/[\0-\x08\x0a-\x1f\x7f]/.test(line)) return undefined;
  const [pair, ...attributes] = line.split(';');
  const equals = pair.indexOf('=');
  const name = equals < 0 ? '' : trim(pair.slice(0, equals));
  const value = trim(pair.slice(equals + 1));
  if (name.length + value.length > MAX_PAIR_BYTES || (name === '' && value === '')) return undefined;
  const cookie = { name, value, domain: '', path: defaultPath(url), isSecure: false, isHostOnly: true, expires: Infinity };
  let maxAge;
  for (const attribute of attributes) {
    const at = attribute.indexOf('=');
    const key = trim(at < 0 ? attribute : attribute.slice(0, at)).toLowerCase();
    const text = at < 0 ? '' : trim(attribute.slice(at + 1));
    if (text.length > MAX_ATTRIBUTE_BYTES) continue;
    if (key === 'secure') cookie.isSecure = true;
    else if (key === 'domain') cookie.domain = text.replace(/^\./, '').toLowerCase();
    else if (key === 'path') cookie.path = text[0] === '/' ? text : defaultPath(url);
    else if (key === 'max-age' && /^-?\d+$/.test(text)) maxAge = Number(text) * 1000;
    else if (key === 'expires') cookie.expires = parseDate(text) ?? cookie.expires;
  }
  const now = Date.now();
  // Max-Age counts before Expires, in whatever order they come.
  if (maxAge !== undefined) cookie.expires = maxAge <= 0 ? 0 : now + maxAge;
  if (cookie.expires !== Infinity) cookie.expires = Math.min(cookie.expires, now + MAX_AGE_MS);
  return cookie;
}

/** Also settles whose cookie it is. */
function isAllowed(cookie, url) {
  // Instead of the list of public suffixes: a name without a dot is one.
  if (cookie.domain !== '' && !cookie.domain.includes('.') && cookie.domain !== url.hostname) return false;
  if (cookie.domain === '' || !cookie.domain.includes('.')) {
    cookie.domain = url.hostname;
  } else {
    if (!domainMatches(url.hostname, cookie.domain)) return false;
    cookie.isHostOnly = false;
  }
  const isSecureUrl = url.protocol === 'https:';
  if (cookie.isSecure && !isSecureUrl) return false;
  const prefix = /^__(secure|host)-/i.exec(cookie.name === '' ? cookie.value : cookie.name)?.[1].toLowerCase();
  if (prefix !== undefined && (cookie.name === '' || !cookie.isSecure)) return false;
  if (prefix === 'host' && !(cookie.isHostOnly && cookie.path === '/')) return false;
  // "Leave secure cookies alone": http must not cover what https set.
  return isSecureUrl || !jar.some((one) => (
    one.isSecure && one.name === cookie.name && pathMatches(cookie.path, one.path)
    && (domainMatches(one.domain, cookie.domain) || domainMatches(cookie.domain, one.domain))
  ));
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** Section 5.1.1: milliseconds since 1970, or `undefined`. */
function parseDate(text) {
  let time;
  let day;
  let month;
  let year;
  for (const token of text.split(/[\t\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+/)) {
    let found;
    if (time === undefined && (found = /^(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\D|$)/.exec(token)) !== null) time = found.slice(1).map(Number);
    else if (day === undefined && (found = /^(\d{1,2})(?:\D|$)/.exec(token)) !== null) day = Number(found[1]);
    else if (month === undefined && MONTHS.includes(token.slice(0, 3).toLowerCase())) month = MONTHS.indexOf(token.slice(0, 3).toLowerCase());
    else if (year === undefined && (found = /^(\d{2,4})(?:\D|$)/.exec(token)) !== null) year = Number(found[1]);
  }
  if (time === undefined || day === undefined || month === undefined || year === undefined) return undefined;
  if (year <= 69) year += 2000;
  else if (year <= 99) year += 1900;
  const [hour, minute, second] = time;
  if (year < 1601 || hour > 23 || minute > 59 || second > 59) return undefined;
  const at = new Date(Date.UTC(year, month, day, hour, minute, second));
  return at.getUTCDate() === day ? at.getTime() : undefined;
}
