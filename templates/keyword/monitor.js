// The page contains a text, or does not.

export default async function ({ params }) {
  const { url, keyword, should_be: shouldBe = 'present', final_url: finalUrl } = params;
  if (typeof url !== 'string') throw new Error('parameter `url` must be a URL');
  if (typeof keyword !== 'string' || keyword.trim() === '') throw new Error('parameter `keyword` must be a text that is not blank');
  if (shouldBe !== 'present' && shouldBe !== 'absent') throw new Error('parameter `should_be` must be "present" or "absent"');
  if (finalUrl !== undefined && !URL.canParse(finalUrl)) throw new Error('parameter `final_url` must be a URL');

  const response = await fetch(url);
  const latency = response.timings.total;
  if (!response.ok) {
    return { success: false, latency, message: `${response.url} answered ${response.status}, so that its text says nothing` };
  }
  const elsewhere = landedElsewhere(url, response, finalUrl);
  if (elsewhere !== undefined) return { success: false, latency, message: elsewhere };
  const text = await response.text();
  if (text.trim() === '') return { success: false, latency, message: `${response.url} answered with an empty page` };
  const found = text.includes(keyword);
  const ok = found === (shouldBe === 'present');
  return {
    success: ok,
    latency,
    message: `"${keyword}" is ${found ? 'present' : 'absent'} on ${response.url}${ok ? '' : `, should be ${shouldBe}`}`,
    data: { status: response.status, found, length: text.length },
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
