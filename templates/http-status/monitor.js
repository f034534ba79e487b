// The URL answers with the expected status code.

export default async function ({ params }) {
  const { url, expected_status: expected = 200, final_url: finalUrl } = params;
  if (typeof url !== 'string') throw new Error('parameter `url` must be a URL');
  if (!Number.isInteger(expected)) throw new Error('parameter `expected_status` must be a whole number');
  if (finalUrl !== undefined && !URL.canParse(finalUrl)) throw new Error('parameter `final_url` must be a URL');

  // A redirect that is the expected answer is not followed.
  const redirect = expected >= 300 && expected <= 399 ? 'manual' : 'follow';
  const response = await fetch(url, { redirect });
  const elsewhere = landedElsewhere(url, response, finalUrl);
  if (elsewhere !== undefined) {
    return { success: false, latency: response.timings.total, message: elsewhere, data: { status: response.status, url: response.url } };
  }
  const ok = response.status === expected;
  return {
    success: ok,
    latency: response.timings.total,
    message: ok ? `${response.url} answered ${response.status}` : `${response.url} answered ${response.status}, expected ${expected}`,
    data: { status: response.status, url: response.url, redirected: response.redirected },
  };
}

/**
 * Why the final URL is not the one that was meant, such as a login page; undefined when it is. A
 * redirect to https, to or from `www.`, or to a slash at the end is fine.
 */
function landedElsewhere(url, response, finalUrl) {
  if (finalUrl !== undefined) {
    return response.url === new URL(finalUrl).href ? undefined : `${url} ended at ${response.url}, expected ${finalUrl}`;
  }
  const place = (text) => {
    const { hostname, pathname } = new URL(text);
    return hostname.replace(/^www\./, '') + pathname.replace(/\/$/, '');
  };
  if (!response.redirected || place(response.url) === place(url)) return undefined;
  return `${url} was redirected to ${response.url}; if that is right, give it as \`final_url\``;
}
