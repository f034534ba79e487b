// Holds the answer of an API against a JSON Schema.
//
//   vedette check schema.js --param url=https://example.com/orders

import { expect } from 'vedette:assert';

const ORDERS = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  required: ['items'],
  properties: {
    items: { type: 'array', minItems: 1, items: { $ref: '#/$defs/order' } },
    next: { type: ['string', 'null'], format: 'uri-reference' },
  },
  $defs: {
    order: {
      type: 'object',
      required: ['id', 'price', 'placed_at', 'status'],
      additionalProperties: false,
      properties: {
        id: { type: 'string', format: 'uuid' },
        price: { type: 'number', exclusiveMinimum: 0 },
        placed_at: { type: 'string', format: 'date-time' },
        status: { enum: ['open', 'paid', 'sent'] },
        tags: { type: 'array', items: { type: 'string' }, uniqueItems: true },
      },
    },
  },
};

export default async function ({ params }) {
  const response = await fetch(params.url, { headers: { accept: 'application/json' } });
  expect(response.status, 'status').toBe(200);
  expect(response.headers.get('content-type'), 'content type').toMatch('application/json');
  expect(await response.json(), 'the answer').toMatchSchema(ORDERS);
}
