// atob and btoa (HTML standard, section 8.3).

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function btoa(value) {
  if (arguments.length === 0) throw new TypeError('btoa takes a text');
  const text = String(value);
  if (!MAX_CHAR.test(text)) throw new DOMException('btoa takes characters up to U+00FF only', 'InvalidCharacterError');
  let out = '';
  for (let i = 0; i < text.length; i += 3) {
    const [a, b, c] = [text.charCodeAt(i), text.charCodeAt(i + 1), text.charCodeAt(i + 2)];
    const bits = (a << 16) | ((b || 0) << 8) | (c || 0);
    out += BASE64[bits >> 18] + BASE64[(bits >> 12) & 63];
    out += i + 1 < text.length ? BASE64[(bits >> 6) & 63] : '=';
    out += i + 2 < text.length ? BASE64[bits & 63] : '=';
  }
  return out;
}

function atob(value) {
  if (arguments.length === 0) throw new TypeError('atob takes a text');
  let text = String(value).replace(/[\t\n\f\r ]/g, '');
  if (text.length % 4 === 0) text = text.replace(/==?$/, '');
  if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(text)) {
    throw new DOMException('the text is not base64', 'InvalidCharacterError');
  }
  let out = '';
  let bits = 0;
  let held = 0;
  for (const char of text) {
    bits = ((bits << 6) | BASE64.indexOf(char)) & 0xffffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out += String.fromCharCode((bits >> held) & 0xff);
    }
  }
  return out;
}
