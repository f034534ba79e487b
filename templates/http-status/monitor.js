// The URL answers with the expected status code.

export default async function ({ params }) {
  const { url, expected_status: expected = 200 } = params;
  if (typeof url !== 'string') throw new Error('parameter `url` must be a URL');
  if (!Number.isInteger(expected)) throw new Error('parameter `expected_status` must be a whole number');

  const response = await fetch(url);
  const ok = response.status === expected;
  return {
    success: ok,
    latency: response.timings.total,
    message: ok ? `${response.url} answered ${response.status}` : `${response.url} answered ${response.status}, expected ${expected}`,
    data: { status: response.status, url: response.url, redirected: response.redirected },
  };
}
