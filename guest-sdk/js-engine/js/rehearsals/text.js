// A check of a page: text, a pattern, a URL, and what a page that does not fit would throw.
export default async function ({ params }) {
  const url = new URL('/page?a=1', params.url);
  url.searchParams.set('b', 'two');
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
    const text = await response.text();
    const found = /"state":\s*"(\w+)"/.exec(text);
    if (found === null) throw new Error('the page does not say its state');
    for (const [name, value] of response.headers) {
      if (name === 'x-error') throw new Error(`the page fails: ${value}`);
    }
    return { success: found[1] === 'ok' && text.length > 10 };
  } catch (error) {
    return { success: false, message: String(error) };
  }
}
