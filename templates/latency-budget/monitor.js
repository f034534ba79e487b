// The URL answers well within a time.

export default async function ({ params }) {
  const { url, budget_ms: budget, final_url: finalUrl } = params;
  if (typeof url !== 'string') throw new Error('parameter `url` must be a URL');
  if (!(budget >= 1)) throw new Error('parameter `budget_ms` must be a number of milliseconds from 1 up');
  if (finalUrl !== undefined && !URL.canParse(finalUrl)) throw new Error('parameter `final_url` must be a URL');

  const response = await fetch(url);
  const { timings } = response;
  const took = `${timings.total.toFixed(1)} ms`;
  if (!response.ok) {
    return { success: false, latency: timings.total, message: `${response.url} answered ${response.status} in ${took}`, data: { timings } };
  }
  const elsewhere = landedElsewhere(url, response, finalUrl);
  if (elsewhere !== undefined) return { success: false, latency: timings.total, message: elsewhere, data: { timings } };
  const ok = timings.total <= budget;
  return {
    success: ok,
    latency: timings.total,
    message: ok ? `${response.url} took ${took} of ${budget} ms` : `${response.url} took ${took}, the budget is ${budget} ms (${slowest(timings)})`,
    data: { timings },
  };
}

/** Which phase to look at first. */
function slowest({ dns, connect, tls, ttfb, download }) {
  const phases = Object.entries({ dns, connect, tls, ttfb, download }).filter(([, ms]) => ms !== null);
  const [name, ms] = phases.reduce((most, phase) => (phase[1] > most[1] ? phase : most));
  return `most of it ${name}, ${ms.toFixed(1)} ms`;
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
