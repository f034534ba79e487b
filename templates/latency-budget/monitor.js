// The URL answers well within a time.

export default async function ({ params }) {
  const { url, budget_ms: budget } = params;
  if (typeof url !== 'string') throw new Error('parameter `url` must be a URL');
  if (!(budget >= 1)) throw new Error('parameter `budget_ms` must be a number of milliseconds from 1 up');

  const response = await fetch(url);
  const { timings } = response;
  const took = `${timings.total.toFixed(1)} ms`;
  if (!response.ok) {
    return { success: false, latency: timings.total, message: `${response.url} answered ${response.status} in ${took}`, data: { timings } };
  }
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
