// Makes an order with a token of its own, reads it back, and deletes it, whatever happened between.
//
//   vedette check jwt-crud.js --param url=https://example.com/orders --env SIGNING_KEY=…

import { check, expect, jwt, step } from 'vedette:assert';

export default async function ({ params, env }) {
  const token = await jwt.sign({ scope: 'orders' }, env.SIGNING_KEY, {
    alg: 'HS256',
    issuer: 'vedette',
    subject: 'monitor',
    expiresIn: 60,
  });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };

  const order = await step('create', async () => {
    const body = JSON.stringify({ item: 'tea', amount: 2 });
    const response = await fetch(params.url, { method: 'POST', headers, body });
    expect(response.status, 'status').toBe(201);
    const made = await response.json();
    expect(made, 'the order').toHaveProperty('id');
    return made;
  });

  const url = `${params.url}/${order.id}`;
  try {
    await step('read back', async () => {
      const response = await fetch(url, { headers });
      expect(response.status, 'status').toBe(200);
      expect(await response.json(), 'the order').toMatchObject({ id: order.id, item: 'tea', amount: 2 });
    });
  } finally {
    // Soft, so that what went wrong before stays the message of the run.
    const deleted = await fetch(url, { method: 'DELETE', headers });
    check('the order is deleted', deleted.status === 204);
    const after = await fetch(url, { headers });
    check('the order is gone', after.status === 404);
  }
}
