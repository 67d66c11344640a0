import fc, { type Arbitrary } from 'fast-check'
import { fitting, MARK, ODD, ODD_TEXT, spoilt } from './arbitrary.ts'
import type { Json, Operation, Parameter } from './document.ts'

/** Who sends a request: who may do it, somebody who may not, nobody, or nobody real. */
export type Sender = 'who may' | 'somebody' | 'a key' | 'a suspended tenant' | 'nobody' | 'an impostor'

/** A request before what is known is put in. */
export interface Draft {
  readonly sender: Sender
  readonly path: Readonly<Record<string, unknown>>
  /** In this order, repeated names included. */
  readonly query: readonly (readonly [string, unknown])[]
  /** JSON, or bytes that may be none. */
  readonly body: { readonly json: unknown } | { readonly raw: string } | undefined
  readonly headers: Readonly<Record<string, string>>
}

/** Requests to an operation: a third as documented, a third with one thing wrong, a third mostly wrong. */
export function drafts(document: Json, operation: Operation): Arbitrary<Draft> {
  const good = asDocumented(document, operation)
  return fc.oneof(good, oneThingWrong(document, operation, good), mostlyWrong(document, operation, good))
}

function asDocumented(document: Json, operation: Operation): Arbitrary<Draft> {
  const of = (place: Parameter['in']) => operation.parameters.filter((one) => one.in === place)
  const value = ({ name, schema }: Parameter) => fitting(document, operation, schema, name)
  const path = Object.fromEntries(of('path').map((one) => [one.name, value(one)]))
  const query = of('query').map((one) => {
    const given = value(one).map((found) => [[one.name, found] as const])
    return one.required ? given : fc.oneof(given, fc.constant([]))
  })
  const { body } = operation
  return fc.record({
    sender: fc.constantFrom<Sender>('who may', 'who may', 'who may', 'who may', 'somebody', 'a key'),
    path: fc.record(path),
    query: fc.tuple(...query).map((given) => given.flat()),
    body: body ? fitting(document, operation, body).map((json) => ({ json })) : fc.constant(undefined),
    headers: fc.constant({}),
  })
}

function oneThingWrong(document: Json, operation: Operation, good: Arbitrary<Draft>): Arbitrary<Draft> {
  const { body } = operation
  const wrong: Arbitrary<Partial<Draft>>[] = [
    SENDERS.map((sender) => ({ sender })),
    HEADERS.map((headers) => ({ headers })),
  ]
  if (body) wrong.push(spoilt(fitting(document, operation, body)).map((json) => ({ body: { json } })))
  const withQuery = fc.tuple(good, ODD_QUERY).map(([draft, more]) => ({
    ...draft,
    query: [...draft.query, ...more],
  }))
  const withPath = fc.tuple(good, fc.nat(), ODD_TEXT).map(([draft, at, odd]) => {
    const name = Object.keys(draft.path)[at % Math.max(1, Object.keys(draft.path).length)]
    return name === undefined ? draft : { ...draft, path: { ...draft.path, [name]: odd } }
  })
  const others = fc.tuple(good, fc.oneof(...wrong)).map(([draft, change]) => ({ ...draft, ...change }))
  return fc.oneof({ weight: 3, arbitrary: others }, withQuery, withPath)
}

function mostlyWrong(
  document: Json,
  { path, ...operation }: Operation,
  good: Arbitrary<Draft>,
): Arbitrary<Draft> {
  const names = operation.parameters.filter((one) => one.in === 'path').map(({ name }) => name)
  const fits = { path, ...operation }
  const body = operation.body && spoilt(spoilt(fitting(document, fits, operation.body)))
  return fc
    .tuple(
      good,
      fc.record({
        sender: fc.oneof(SENDERS, fc.constant<Sender>('who may')),
        path: fc.record(Object.fromEntries(names.map((name) => [name, ODD_TEXT]))),
        query: ODD_QUERY,
        body: fc.oneof(
          RAW_BODIES,
          ODD.map((json) => ({ json })),
          ...(body ? [body.map((json) => ({ json }))] : []),
        ),
        headers: HEADERS,
      }),
      // A wrong path hides what is behind it.
      fc.boolean(),
    )
    .map(([draft, odd, keepPath]) => ({ ...odd, path: keepPath ? draft.path : odd.path }))
}

const SENDERS = fc.constantFrom<Sender>('somebody', 'a key', 'a suspended tenant', 'nobody', 'an impostor')

const ODD_QUERY = fc.array(
  fc.oneof(
    fc.constantFrom<readonly [string, unknown]>(
      ['limit', '1'],
      ['limit', '0'],
      ['limit', '1e2'],
      ['limit[a]', '1'],
      ['limit[]', '1'],
      ['__proto__[x]', '1'],
      ['__proto__', '1'],
      ['constructor', '1'],
      ['hasOwnProperty', '1'],
      ['sort', 'created_at:desc,name:asc'],
      ['sort', 'password_hash:asc'],
      ['tenantId', 'platform'],
      ['cursor', 'WyJjcmVhdGVkX2F0OmRlc2MiLCIyMDI2LTAxLTAxIDAwOjAwOjAwKzAwIiwieCJd'],
      ['confirm', 'platform'],
      ['', ''],
    ),
    fc.tuple(
      fc.constantFrom('limit', 'cursor', 'sort', 'q', 'status', 'createdAtFrom', 'action', 'user'),
      ODD_TEXT,
    ),
  ),
  { minLength: 1, maxLength: 3 },
)

const HEADERS = fc
  .array(
    fc.constantFrom<readonly [string, string]>(
      ['content-type', 'text/plain'],
      ['content-type', ''],
      ['content-type', 'application/json; charset=utf-16'],
      ['content-type', 'application/json;charset=nonsense'],
      ['content-type', 'application/x-www-form-urlencoded'],
      ['content-type', 'multipart/form-data; boundary=x'],
      ['content-type', `application/${'x'.repeat(2_000)}`],
      ['content-encoding', 'gzip'],
      ['content-encoding', 'br'],
      ['content-encoding', 'nonsense'],
      ['accept', 'application/xml'],
      ['accept-language', 'pt-BR,pt;q=0.9,*;q=0.1'],
      ['accept-language', `${MARK},;q=,,`],
      ['authorization', 'Bearer'],
      ['authorization', 'Basic eDp5'],
      ['authorization', `Bearer ${'a.'.repeat(900)}`],
      ['authorization', 'Bearer pgt_live_x'],
      ['x-api-key', 'nonsense'],
      ['x-client-key', 'platform'],
      ['x-client-key', 'PLATFORM'],
      ['x-client-key', ''],
      ['x-client-key', 'a, b'],
      ['x-tenant-id', 'x'.repeat(300)],
      ['idempotency-key', 'one'],
      ['idempotency-key', '"two"'],
      ['idempotency-key', 'a b'],
      ['idempotency-key', 'x'.repeat(300)],
      ['x-request-id', MARK],
      ['x-forwarded-for', '127.0.0.1'],
      ['x-http-method-override', 'DELETE'],
      ['if-none-match', '*'],
      ['range', 'bytes=0-1'],
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((pairs) => Object.fromEntries(pairs))

const RAW_BODIES = fc
  .oneof(
    fc.constantFrom(
      '',
      '{',
      '[]',
      '"text"',
      'null',
      'nonsense',
      '{"a":1,"a":2}',
      '\ufeff{}',
      '{"limits":{"x":1e400}}',
      '{"__proto__":{"isAdmin":true}}',
      '{"name":"\\ud800","email":"\\u0000@x.example"}',
      `${'['.repeat(20_000)}`,
      `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`,
      `"${MARK.repeat(12_000)}"`,
    ),
    fc.json({ maxDepth: 4 }),
  )
  .map((raw) => ({ raw }))
