/**
 * The parts of an OpenAPI 3.1 document that the hub uses, as a JSON Schema, after the specification's own tables. It is
 * stricter than they are: what the hub does not use is refused, and every operation has an id, tags, responses and a
 * word on security.
 */
const text = { type: 'string', minLength: 1 }
const texts = { type: 'array', items: text, uniqueItems: true }
const ref = (name: string) => ({ $ref: `#/$defs/${name}` })
const mapOf = (values: object, names: object = text) => ({
  type: 'object',
  propertyNames: names,
  additionalProperties: values,
})
const only = (properties: object, required: readonly string[]) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
})
const reference = (place: string) =>
  only({ $ref: { type: 'string', pattern: `^#/components/${place}/[\\w.-]+$` } }, ['$ref'])
const METHODS = { enum: ['get', 'put', 'post', 'delete', 'patch'] }
const NAME = { type: 'string', pattern: '^[\\w.-]+$' }

export const OPENAPI_3_1 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  ...only(
    {
      openapi: { type: 'string', pattern: '^3\\.1\\.\\d+$' },
      info: only({ title: text, version: text, description: text }, ['title', 'version']),
      servers: {
        type: 'array',
        minItems: 1,
        items: only({ url: { type: 'string', format: 'uri' } }, ['url']),
      },
      tags: { type: 'array', items: only({ name: text }, ['name']) },
      paths: mapOf(ref('pathItem'), { type: 'string', pattern: '^/' }),
      components: only(
        {
          schemas: mapOf(ref('schema'), NAME),
          responses: mapOf(ref('response'), NAME),
          headers: mapOf(ref('header'), NAME),
          securitySchemes: mapOf(ref('bearer'), NAME),
        },
        ['schemas', 'securitySchemes'],
      ),
    },
    ['openapi', 'info', 'paths', 'components'],
  ),
  $defs: {
    pathItem: { ...mapOf(ref('operation'), METHODS), minProperties: 1 },
    operation: only(
      {
        operationId: { type: 'string', pattern: '^[a-z][A-Za-z0-9]*$' },
        summary: text,
        description: text,
        tags: { ...texts, minItems: 1 },
        security: { type: 'array', maxItems: 1, items: mapOf({ type: 'array', maxItems: 0 }) },
        'x-action': text,
        parameters: { type: 'array', items: ref('parameter'), uniqueItems: true },
        requestBody: only({ required: { type: 'boolean' }, content: ref('content') }, ['content']),
        responses: {
          ...mapOf({ anyOf: [reference('responses'), ref('response')] }, { pattern: '^[1-5][0-9]{2}$' }),
          minProperties: 1,
        },
      },
      ['operationId', 'summary', 'tags', 'security', 'responses'],
    ),
    parameter: {
      ...only(
        {
          name: text,
          in: { enum: ['path', 'query', 'header'] },
          required: { type: 'boolean' },
          description: text,
          schema: ref('schema'),
        },
        ['name', 'in', 'schema'],
      ),
      // A path without one of its parts is another path.
      if: { properties: { in: { const: 'path' } } },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: { properties: { required: { const: true } }, required: ['required'] },
    },
    response: only({ description: text, headers: mapOf(reference('headers')), content: ref('content') }, [
      'description',
    ]),
    header: only({ description: text, required: { type: 'boolean' }, schema: ref('schema') }, ['schema']),
    content: {
      ...mapOf(only({ schema: ref('schema') }, ['schema']), { enum: ['application/json', 'text/plain'] }),
      minProperties: 1,
    },
    bearer: only({ type: { const: 'http' }, scheme: { const: 'bearer' }, description: text }, [
      'type',
      'scheme',
    ]),
    // That it is a good one, its own meta-schema says.
    schema: { type: 'object' },
  },
}
