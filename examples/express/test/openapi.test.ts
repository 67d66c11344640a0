import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { beforeAll, describe, expect, it } from 'vitest'
import { endpointsOf } from '../src/app.ts'
import { openApiDocument } from '../src/http/openapi.ts'
import { follow, type Json, type Operation, operationsOf } from './support/document.ts'
import { OPENAPI_3_1 } from './support/openapi-3.1.ts'
import { useWorld } from './support/world.ts'

const world = useWorld()
let document: Json
let operations: Operation[]

beforeAll(async () => {
  document = (await world.send('GET', '/openapi.json')).body
  operations = operationsOf(document)
})

const ajv = new Ajv2020({ strict: false, allErrors: true })
formats.default(ajv)

it('has the structure of OpenAPI 3.1', () => {
  const validate = ajv.compile(OPENAPI_3_1)
  expect(validate(document), ajv.errorsText(validate.errors)).toBe(true)
  // The check itself notices what is wrong.
  const [[path, methods] = []] = Object.entries(document.paths as Json)
  for (const spoilt of [
    { ...document, openapi: '3.0.3' },
    { ...document, path: {} },
    { ...document, paths: { ...(document.paths as Json), [`${path}x`]: { get: {} } } },
    { ...document, paths: { ...(document.paths as Json), [String(path).slice(1)]: methods } },
  ]) {
    expect(validate(spoilt)).toBe(false)
  }
})

it('holds schemas that are valid, compile, and whose defaults and references fit', () => {
  const schemas = schemasIn(document)
  expect(schemas.length).toBeGreaterThan(200)
  const whole = new Ajv2020({ strict: false }).addSchema(document as object, 'hub')
  formats.default(whole)
  for (const [place, schema] of schemas) {
    expect(ajv.validateSchema(schema as object), `${place}: ${ajv.errorsText()}`).toBe(true)
    const validate = whole.compile({ $ref: `hub#${place}` })
    const { default: value } = schema as { default?: unknown }
    if (value !== undefined) expect(validate(value), `default of ${place}`).toBe(true)
  }
  const references = JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)
  for (const [, $ref] of references) expect(follow(document, { $ref }), $ref).toBeTypeOf('object')
})

it('names every operation once, says what it answers, and who may', () => {
  const ids = operations.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  const paths = document.paths as Record<string, Record<string, Json>>
  for (const { id, path, method, responses, parameters, signedIn } of operations) {
    expect(
      [...responses.keys()].filter((status) => status < 300),
      id,
    ).toHaveLength(1)
    const always = signedIn ? [400, 401, 403, 500, 503] : [500, 503]
    expect([...responses.keys()], id).toEqual(expect.arrayContaining(always))
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    expect(
      parameters.filter((one) => one.in === 'path').map(({ name }) => name),
      id,
    ).toEqual(inPath)
    const { security, 'x-action': action } = paths[path]?.[method.toLowerCase()] ?? {}
    expect([security, typeof action], id).toEqual(signedIn ? [[{ bearer: [] }], 'string'] : [[], 'undefined'])
  }
})

it('shows the schemas that check: protected routes and their actions are those of the app', () => {
  const shown = operations.map(({ method, path, signedIn }) => `${method} ${path} ${signedIn}`)
  const mounted = endpointsOf(world.hub).map(({ method, path, access }) => {
    const isProtected = access !== 'open' && access !== 'named'
    return `${method.toUpperCase()} ${path} ${isProtected}`
  })
  expect(shown).toEqual(mounted)
})

describe('what it says of a schema', () => {
  it('is the pattern without flags, and null only where it may be', () => {
    const { User, Constraints, Permission } =
      (document.components as Record<string, Record<string, Json>>).schemas ?? {}
    expect(at(User, 'name')).toMatchObject({ pattern: '^\\P{C}*$' })
    expect(Constraints?.type).toBe('object')
    expect(at(Permission, 'constraints')).toEqual({
      anyOf: [{ $ref: '#/components/schemas/Constraints' }, { type: 'null' }],
    })
  })

  it('is refused when two schemas of one name differ', () => {
    const [one, other] = endpointsOf(world.hub).filter(({ data, list }) => data && list)
    if (!one?.data || !other?.data) throw new Error('no lists')
    const impostor = { ...other, data: other.data.meta({ id: 'User' }) }
    expect(() => openApiDocument([one, impostor], 'http://hub.example')).toThrow(
      'Two schemas are called User',
    )
  })
})

function at(schema: Json | undefined, property: string): unknown {
  return (schema?.properties as Json | undefined)?.[property]
}

/** Every schema, with its JSON pointer. */
function schemasIn(value: unknown, place = ''): [string, unknown][] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]): [string, unknown][] => {
    const here = `${place}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
    if (name === 'schema') return [[here, inner]]
    if (name === 'schemas') return Object.entries(inner as Json).map(([key, one]) => [`${here}/${key}`, one])
    return schemasIn(inner, here)
  })
}
