// A service says that it is well.
//
//   vedette check monitor.ts --param url=http://127.0.0.1:8080/health/live --allow 127.0.0.0/8

import { expect } from 'vedette:assert';

interface Params {
  url: string;
}

export default async function ({ params }: { params: Params }): Promise<Verdict> {
  // Types are taken out before a run: what somebody typed as a parameter is looked at here.
  if (typeof params.url !== 'string') throw new Error('parameter `url` must be a URL');

  const response = await fetch(params.url);
  expect(response.status, 'status').toBe(200);
  expect(await readBody(response), 'the report').toMatchObject({ status: 'live' });
  return { success: true, latency: response.timings.total, message: `${response.url} is live` };
}

/** The body as JSON; else its text, so that a page that is none is the target's fault. */
async function readBody(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
