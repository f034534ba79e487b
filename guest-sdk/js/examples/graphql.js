// Asks a GraphQL API, which answers 200 also when it failed: what counts is in the body.
//
//   vedette check graphql.js --param url=https://example.com/graphql --param product=tea

import { check, expect, step } from 'vedette:assert';

const QUERY = `
  query Product($name: String!) {
    product(name: $name) { name price inStock }
  }
`;

export default async function ({ params }) {
  const response = await fetch(params.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ query: QUERY, variables: { name: params.product } }),
  });
  expect(response.status, 'status').toBe(200);
  expect(response.headers.get('content-type'), 'content type').toMatch(/^application\/(graphql-response\+)?json\b/);
  const { data, errors } = await response.json();

  await step('no errors', () => {
    // There may be data besides: a part that failed is null in it.
    expect(errors, 'errors').toBeUndefined();
  });
  expect(data, 'data').toHaveProperty('product.name', params.product);
  check('the product is in stock', data.product.inStock === true);
  check('it has a price', data.product.price > 0);
  return { success: true, latency: response.timings.total, data: data.product };
}
