import { isSigned, type Received, type Receiver } from '@org/example-express/test/receiver'
import type { Claims } from './claims.ts'
import type { DemoHub, Onboarded } from './hub.ts'
import { until } from './until.ts'
import { type DemoWorker, startWorker } from './worker.ts'

const USERS = 12

/** Answers of the receiver, by path; each may wait. */
export type Answers = Map<string, (sent: Received) => number | Promise<number>>

export interface EventScene {
  readonly hub: DemoHub
  readonly receiver: Receiver
  readonly answers: Answers
  readonly claims: Claims
}

/**
 * A tenant is made, and whoever asked for it is told: at the third attempt. Then the worker is killed while it tells of others.
 *
 * @returns the tenant
 */
export async function showEvents(scene: EventScene): Promise<Onboarded> {
  let worker = await startWorker(scene.hub.environment)
  try {
    const made = await showThirdAttempt(scene)
    worker = await showKill(scene, made, worker)
    return made
  } finally {
    await worker.close()
  }
}

async function showThirdAttempt({ hub, receiver, answers, claims }: EventScene): Promise<Onboarded> {
  const statuses = [503, 503, 204]
  answers.set('/crm', () => statuses.shift() ?? 204)
  // What was done before anybody asked is nobody's.
  await until(
    async () => (await hub.ask('GET', '/v1/queue')).data,
    ({ ready, handling, waiting }) => ready === 0 && handling === 0 && waiting === 0,
  )
  const url = `http://127.0.0.1:${receiver.port}/crm`
  const { data } = await hub.ask('POST', '/v1/webhooks', { url, events: ['tenant.created'] })
  const made = await hub.onboard('initech')
  const sent = await until(
    () => sentTo(receiver, '/crm'),
    (all) => all.length >= 3,
  )
  const [last] = sent.slice(-1)
  const event = JSON.parse(last?.body ?? '{}') as { type?: string; data?: { tenant?: string } }
  claims.check(
    sent.length === 3 && event.type === 'tenant.created' && event.data?.tenant === 'initech',
    "the operator's webhook, which failed twice",
    `${event.type} of ${event.data?.tenant}, attempt ${sent.length}`,
  )
  const ids = new Set(sent.map(({ headers }) => headers['webhook-id']))
  claims.check(
    ids.size === 1 && sent.every((one) => isSigned(one, String(data.secret))),
    'each attempt signed, under one webhook-id',
    last?.headers['webhook-signature'],
  )
  const delivered = await until(
    async () => (await hub.list('/v1/webhooks/deliveries'))[0],
    (one) => one?.status === 'delivered',
  )
  claims.checkAnswer(
    'GET /v1/webhooks/deliveries',
    'delivered, attempts: 3',
    `${delivered?.status}, attempts: ${delivered?.attempts}`,
  )
  return made
}

/** Kills the worker while its deliveries are under way, and starts another. */
async function showKill(
  { hub, receiver, answers, claims }: EventScene,
  { token }: Onboarded,
  worker: DemoWorker,
): Promise<DemoWorker> {
  const killed = Promise.withResolvers<void>()
  let isKilled = false
  // What they do with an event: once for each webhook-id, as Standard Webhooks has it.
  const done = new Set<string>()
  answers.set('/orders', async ({ headers }) => {
    const id = String(headers['webhook-id'])
    done.add(id)
    if (!isKilled) await killed.promise
    return 204
  })
  const url = `http://127.0.0.1:${receiver.port}/orders`
  await hub.ask('POST', '/v1/webhooks', { url, events: ['user.created'] }, token)
  for (let n = 1; n <= USERS; n++) {
    await hub.ask('POST', '/v1/users', { email: `user${n}@initech.example`, name: `User ${n}` }, token)
  }
  await until(
    () => sentTo(receiver, '/orders'),
    (all) => all.length >= 2,
  )
  const inHand = sentTo(receiver, '/orders').length
  await worker.kill()
  isKilled = true
  killed.resolve()
  claims.check(
    inHand >= 2,
    `${USERS} users are made; kill -9 while the worker tells of them`,
    `${inHand} under way`,
  )
  const next = await startWorker(hub.environment)
  const delivered = await until(
    async () => (await hub.list('/v1/webhooks/deliveries?limit=100', token)).filter(isDelivered),
    (all) => all.length >= USERS,
  )
  const sent = sentTo(receiver, '/orders')
  const users = new Set(
    sent.map(({ body }) => (JSON.parse(body) as { data: { userId: string } }).data.userId),
  )
  claims.check(
    users.size === USERS && delivered.length === USERS,
    'another worker goes on: nothing is lost',
    `${users.size} of ${USERS} told`,
  )
  claims.check(
    done.size === USERS && sent.length > USERS,
    'what came twice is known by its webhook-id: nothing is done twice',
    `${sent.length} requests, ${done.size} done`,
  )
  return next
}

const isDelivered = ({ status }: Record<string, unknown>) => status === 'delivered'

function sentTo({ received }: Receiver, path: string): Received[] {
  return received.filter((one) => one.path === path)
}
