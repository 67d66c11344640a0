// @module-tag sampled
import { Agent } from 'node:http'
import { dropDatabase } from '@org/pg-tenant/admin'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { SENT } from './support/arbitrary.ts'
import { type Cast, makeCast, suspendedToken } from './support/cast.ts'
import { answerChecker, type Json, type Operation, operationsOf } from './support/document.ts'
import { resolved } from './support/known.ts'
import { type Draft, drafts } from './support/requests.ts'
import { encoded, type RawAnswer, sendRaw } from './support/wire.ts'
import { useWorld } from './support/world.ts'

/** Requests to each operation. `FUZZ_RUNS=2000` looks longer; `FUZZ_SEED` begins elsewhere; `FUZZ_ONLY` is an operation. */
/** Else every sixteenth operation. */
const EVERY = Boolean(process.env.TEST_SLOW || process.env.FUZZ_RUNS || process.env.FUZZ_ONLY)
const { FUZZ_RUNS = process.env.TEST_SLOW ? '25' : '5', FUZZ_SEED = '20260101', FUZZ_ONLY } = process.env
const INSIDE =
  /\b(select|insert|update|delete)\b.+\b(from|into|set)\b|\bat .+:\d+:\d+|node_modules|file:\/\/|relation "|column "|violates|syntax error|pg_[a-z]+|TypeError|ZodError/i

const world = useWorld()
const agent = new Agent({ keepAlive: true, maxSockets: 4 })
const made = {
  casts: 0,
  /** By operations since the last cast. */
  onlyRead: false,
  requests: 0,
  answers: {} as Record<string, number>,
  apps: new Set<string>(),
}
let document: Json
let operations: Operation[]
let wrongWith: ReturnType<typeof answerChecker>
let cast: Cast
let suspended: string

beforeAll(async () => {
  document = (await world.send('GET', '/openapi.json')).body
  // What only reads comes first: one cast does for all of it.
  operations = operationsOf(document)
    .filter(({ id }) => FUZZ_ONLY === undefined || id === FUZZ_ONLY)
    .sort((a, b) => Number(a.method !== 'GET') - Number(b.method !== 'GET'))
    // Whoever asks for more, or for one, has it; the slow set asks all of them.
    .filter((_, at) => EVERY || at % 16 === 0)
  wrongWith = answerChecker(document)
  suspended = await suspendedToken(world)
})
afterAll(async () => {
  agent.destroy()
  for (const app of made.apps) await dropDatabase(world.hub.adminPool, { app, confirm: app })
})

it('answers every generated request as documented', { timeout: 3_600_000 }, async () => {
  const succeeded = new Set<string>()
  const failures: string[] = []
  for (const operation of operations) {
    const once = async (draft: Draft) => {
      const { sent, answer } = await perform(operation, draft)
      if (answer.status < 300) succeeded.add(operation.id)
      const wrong = [...complaints(operation, answer), ...(await unrecorded(operation, answer))]
      if (wrong.length > 0) throw new Error(`${wrong.join('\n')}\n${sent}`)
    }
    await recast(operation)
    // Until it succeeded once: of some hardly one in forty is fit to.
    for (
      let seed = Number(FUZZ_SEED), last = seed + 9;
      !succeeded.has(operation.id) && seed <= last;
      seed++
    ) {
      const property = fc.asyncProperty(drafts(document, operation), once)
      const details = await fc.check(property, { numRuns: Number(FUZZ_RUNS), seed })
      if (details.failed) {
        failures.push(`${operation.id}: ${details.errorInstance}`)
        break
      }
    }
    if (process.env.FUZZ_RUNS) console.info(operation.id, made.requests)
  }
  if (process.env.FUZZ_RUNS) console.info(`${made.requests} requests`, made.answers)
  expect(failures.join('\n\n')).toBe('')
  // Else it would have looked at refusals only.
  expect(operations.map(({ id }) => id).filter((id) => !succeeded.has(id))).toEqual([])
})

/** What the operation before ruined is made anew. */
async function recast({ method, path }: Operation): Promise<void> {
  if (method === 'GET' && made.onlyRead) return
  // Sending again ruins nothing, and only the acting tenant was sent anything.
  const ruins = method !== 'GET' && /^\/v1\/tenants\/\{id\}(?!\/deliveries)/.test(path) ? 3 : 0
  cast = await makeCast(world, ++made.casts, suspended, ruins)
  made.onlyRead = method === 'GET'
}

/** Puts in what is known and who sends it, and sends it. */
async function perform(operation: Operation, draft: Draft): Promise<{ sent: string; answer: RawAnswer }> {
  const { method } = operation
  const path = resolved(draft.path, cast.names, '') as Record<string, unknown>
  const first = String(Object.values(path)[0] ?? '')
  const query = resolved(draft.query, cast.names, first) as [string, unknown][]
  const json = draft.body && ('raw' in draft.body ? draft.body.raw : stringified(draft.body.json, first))
  const body = json === undefined ? undefined : Buffer.from(json)
  const text = query.map(([name, value]) => `${encoded(name)}=${encoded(String(value))}`).join('&')
  // Nothing between two slashes is another route.
  const place = operation.path.replaceAll(/\{(\w+)\}/g, (_, name) => encoded(String(path[name])) || '%00')
  const target = text === '' ? place : `${place}?${text}`
  const headers = { ...headersOf(operation, draft, body), ...draft.headers }
  const answer = await sendRaw(world.base, agent, method, target.slice(0, 7_000), headers, body)
  count(operation, answer, json)
  return {
    sent: `${method} ${target} ${JSON.stringify({ ...headers, authorization: undefined })} ${draft.sender} ${json?.slice(0, 2_000)}`,
    answer,
  }
}

function stringified(json: unknown, first: string): string | undefined {
  return JSON.stringify(resolved(json, cast.names, first))
}

function headersOf({ path, signedIn }: Operation, { sender }: Draft, body: Buffer | undefined) {
  const operatorsOnly = /^\/v1\/(tenants|catalog|clusters|plans|queue|dead-letters)/.test(path)
  const token = signedIn ? cast.credential(sender, operatorsOnly) : undefined
  const monitored = path === '/metrics' && sender === 'who may' ? world.config.METRICS_TOKEN : undefined
  const bearer = token ?? monitored
  return {
    ...(bearer && { authorization: `Bearer ${bearer}` }),
    ...(!signedIn && path.startsWith('/v1/') && sender !== 'nobody' && { 'x-client-key': cast.slug }),
    ...(body && { 'content-type': 'application/json' }),
  }
}

function count({ id }: Operation, { status }: RawAnswer, json: string | undefined): void {
  made.requests++
  made.answers[status] = (made.answers[status] ?? 0) + 1
  if (id === 'postProvision' && status === 201) made.apps.add(JSON.parse(json ?? '{}').app_name)
}

/** What is wrong with an answer. */
function complaints(operation: Operation, { status, headers, text }: RawAnswer): string[] {
  const type = operation.responses.get(status)
  const found: (string | false | undefined)[] = [
    status >= 500 && `failed with ${status}: ${text} ${lastFailure()}`,
    !operation.responses.has(status) && `${status} is not documented: ${text}`,
    !/^[\w-]{1,128}$/.test(String(headers['x-request-id'])) && 'no X-Request-Id',
    type === undefined && text !== '' && `a body where none is documented: ${text}`,
    type !== undefined &&
      !String(headers['content-type']).startsWith(type) &&
      `is ${headers['content-type']}, not ${type}`,
    type === 'application/json' && wrongWith(operation, status, parsed(text)),
  ]
  if (status >= 400) {
    found.push(
      INSIDE.test(text) && `shows its inside: ${text}`,
      SENT.test(text) && `repeats what was sent: ${text}`,
    )
  }
  return found.filter((one) => typeof one === 'string')
}

/** What changed something is in the audit log, under the id of its request. */
async function unrecorded({ method, id }: Operation, { status, headers }: RawAnswer): Promise<string[]> {
  const changed = method !== 'GET' && status < 300 && headers['idempotency-replayed'] === undefined
  if (!changed || MAY_CHANGE_NOTHING.has(id)) return []
  const { rowCount } = await world.root.query('select from governance.audit_log where request_id = $1', [
    headers['x-request-id'],
  ])
  return rowCount === 0 ? ['is not in the audit log'] : []
}

/** Ends a login, if there is one. */
const MAY_CHANGE_NOTHING: ReadonlySet<string> = new Set(['postAuthLogout'])

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What the log says of the last request that failed, to find out why. */
function lastFailure(): string {
  return world.log.findLast((line) => line.includes('"level":"error"')) ?? ''
}
