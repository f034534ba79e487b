// A service says that it is well.
//
//   vedette check monitor.js --param url=http://127.0.0.1:8080/health/live --allow 127.0.0.0/8

import { expect } from 'vedette:assert';

/**
 * @param {CheckInput} input
 * @returns {Promise<Verdict>}
 */
export default async function ({ params }) {
  const { url } = params;
  if (typeof url !== 'string') throw new Error('parameter `url` must be a URL');

  const response = await fetch(url);
  expect(response.status, 'status').toBe(200);
  expect(await readBody(response), 'the report').toMatchObject({ status: 'live' });
  return { success: true, latency: response.timings.total, message: `${response.url} is live` };
}

/**
 * The body as JSON; else its text, so that a page that is none is the target's fault.
 *
 * @param {Response} response
 * @returns {Promise<unknown>}
 */
async function readBody(response) {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
