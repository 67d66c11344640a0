import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'

/** A JSON Schema, or a part of an OpenAPI document. */
export type Json = { readonly [name: string]: unknown }

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required: boolean
  readonly schema: Json
}

/** One operation of an OpenAPI document, references followed. */
export interface Operation {
  readonly id: string
  readonly method: string
  readonly path: string
  /** Whether a credential has to be sent. */
  readonly signedIn: boolean
  readonly parameters: readonly Parameter[]
  readonly body: Json | undefined
  /** The media type of each status that may be answered; `undefined` without a body. */
  readonly responses: ReadonlyMap<number, string | undefined>
}

export function operationsOf(document: Json): Operation[] {
  return Object.entries(document.paths as Record<string, Record<string, Json>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, one]): Operation => ({
        id: String(one.operationId),
        method: method.toUpperCase(),
        path,
        signedIn: (one.security as unknown[]).length > 0,
        parameters: (one.parameters ?? []) as Parameter[],
        body: bodyOf(document, one),
        responses: new Map(
          Object.entries(one.responses as Json).map(([status, response]) => {
            const { content = {} } = follow(document, response)
            return [Number(status), Object.keys(content as Json)[0]]
          }),
        ),
      }),
    ),
  )
}

function bodyOf(document: Json, { requestBody }: Json): Json | undefined {
  if (requestBody === undefined) return undefined
  return at(document, requestBody, 'content', 'application/json', 'schema') as Json
}

/** What `$ref` points to, or the thing itself. */
export function follow(document: Json, thing: unknown): Json {
  const { $ref } = thing as { $ref?: string }
  if ($ref === undefined) return thing as Json
  const steps = $ref
    .replace(/^#\//, '')
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  return at(document, document, ...steps) as Json
}

function at(document: Json, thing: unknown, ...steps: string[]): unknown {
  return steps.reduce((found: unknown, step) => follow(document, found)[step], thing)
}

/**
 * Checks answers against the document, and more strictly than it says: what is not documented is not answered.
 *
 * @returns what is wrong with a body, or `undefined`
 */
export function answerChecker(document: Json) {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  formats.default(ajv)
  ajv.addSchema(closed(document) as object, 'hub')
  return ({ path, method }: Operation, status: number, body: unknown): string | undefined => {
    const response = ['paths', path, method.toLowerCase(), 'responses', String(status)]
    const { $ref } = at(document, document, ...response) as { $ref?: string }
    const place = $ref ?? `#/${response.map((step) => step.replaceAll('/', '~1')).join('/')}`
    const validate = ajv.getSchema(`hub${place}/content/application~1json/schema`)
    if (validate === undefined) return 'no schema is documented'
    return validate(body) ? undefined : ajv.errorsText(validate.errors)
  }
}

/** Objects without `additionalProperties` get `false`. */
function closed(thing: unknown): unknown {
  if (Array.isArray(thing)) return thing.map(closed)
  if (typeof thing !== 'object' || thing === null) return thing
  const inner = Object.fromEntries(Object.entries(thing).map(([name, value]) => [name, closed(value)]))
  const isOpen = inner.type === 'object' && inner.properties && inner.additionalProperties === undefined
  return isOpen ? { ...inner, additionalProperties: false } : inner
}
