// Renders openapi.json. Text goes in as text, never as markup.

const element = (name, text, ...children) => {
  const node = document.createElement(name);
  if (text) node.textContent = text;
  node.append(...children);
  return node;
};

const resolve = (api, schema) => {
  if (!schema?.$ref) return schema;
  return schema.$ref.slice(2).split('/').reduce((value, key) => value?.[key], api);
};

// An example of a schema, one level of references at a time, bounded against cycles.
const example = (api, given, depth = 0) => {
  const schema = resolve(api, given);
  if (!schema || depth > 5) return null;
  if (schema.example !== undefined) return schema.example;
  if (schema.enum) return schema.enum[0];
  const variant = (schema.oneOf ?? schema.anyOf ?? []).find((one) => one.type !== 'null');
  if (variant) return example(api, variant, depth + 1);
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((one) => example(api, one, depth + 1)));
  const type = [schema.type].flat().find((one) => one !== 'null');
  if (type === 'object') {
    return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([key, value]) => [key, example(api, value, depth + 1)]));
  }
  if (type === 'array') return [example(api, schema.items, depth + 1)];
  return { string: 'text', integer: 0, number: 0, boolean: true }[type] ?? null;
};

const showBody = (api, title, content) => {
  const media = content && Object.values(content)[0];
  if (!media) return [];
  return [element('h4', title), element('pre', JSON.stringify(example(api, media.schema), null, 2))];
};

const showOperation = (api, method, path, operation) => {
  const details = element('details');
  const summary = element('summary');
  const name = element('span', method.toUpperCase());
  name.className = 'method';
  summary.append(name, element('code', path), ` ${operation.summary ?? ''}`);
  if (!operation.security?.length) {
    const open = element('span', ' (no token needed)');
    open.className = 'open';
    summary.append(open);
  }
  details.append(summary);
  if (operation.description) details.append(element('p', operation.description));
  if (operation.parameters?.length) {
    const rows = operation.parameters.map((parameter) => element('tr', '',
      element('td', '', element('code', parameter.name)), element('td', parameter.in), element('td', parameter.description ?? '')));
    details.append(element('h4', 'Parameters'), element('table', '', ...rows));
  }
  details.append(...showBody(api, 'Body', operation.requestBody?.content));
  for (const [status, response] of Object.entries(operation.responses ?? {})) {
    const title = `${status} ${response.description ?? ''}`;
    if (Number(status) < 300) details.append(...showBody(api, title, response.content));
    else details.append(element('h4', title));
  }
  return details;
};

const main = document.getElementById('operations');
const answer = await fetch('/openapi.json');
const api = await answer.json();
for (const [path, methods] of Object.entries(api.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    if (operation?.responses) main.append(showOperation(api, method, path, operation));
  }
}
