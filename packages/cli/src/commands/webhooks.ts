import { TenancyError, type TenantQueryable } from '@org/core'
import type { WebhookDelivery, Webhooks } from '@org/governance/webhooks'
import { usage } from '../cli-error.ts'
import {
  actionOf,
  argument,
  argumentsFrom,
  type CommandModule,
  DRY_RUN,
  type Invocation,
} from '../command.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { moment, plural } from '../output/format.ts'
import { pace } from '../output/progress.ts'
import { type Places, withPlaces } from './places.ts'
import { requireTenant } from './require-tenant.ts'
import { names, whole } from './values.ts'

interface Options {
  readonly endpoint?: string
  readonly status?: WebhookDelivery['status']
  readonly limit?: number
  readonly cursor?: string
  readonly delivery?: string[]
  readonly dryRun?: boolean
}

const ACTIONS = ['list', 'deliveries', 'redeliver', 'test'] as const
type Action = (typeof ACTIONS)[number]
type Run = (invocation: Invocation, at: At, options: Options) => Promise<ExitCode>

export const webhooks: CommandModule<Options> = {
  arguments: [
    ['<action>', ACTIONS.join(', ')],
    ['<key>', 'the tenant'],
  ],
  words: ACTIONS,
  options: [
    { flags: '--endpoint <id>', text: 'only deliveries to this endpoint; with test: which' },
    {
      flags: '--status <status>',
      text: 'only deliveries that are so',
      choices: ['pending', 'delivered', 'failed'],
    },
    { flags: '--delivery <ids>', text: 'with redeliver: these, separated by commas', parse: names },
    {
      flags: '--limit <number>',
      text: 'with deliveries: at most so many (default 50)',
      parse: whole('--limit', 1, 500),
    },
    { flags: '--cursor <cursor>', text: 'with deliveries: the next page' },
    DRY_RUN,
  ],
  examples: [
    ['pg-tenant webhooks list acme', 'its endpoints, and which are suspended; never a secret'],
    ['pg-tenant webhooks deliveries acme --status failed', 'what did not arrive, and why'],
    ['pg-tenant webhooks redeliver acme --status failed', 'sends all of it again, when a worker runs'],
    ['pg-tenant webhooks test acme --endpoint 4b1d…', 'an event webhook.test to one endpoint'],
  ],
  exits: 'redeliver wants at least one of --delivery, --endpoint, --status.',
  afterStop: 'Run it again: what was published already is sent once more, under the same webhook-id.',
  async run(invocation, args, options) {
    const action = actionOf('webhooks', args, ACTIONS)
    if (argumentsFrom(args, 2)) throw usage('webhooks takes one tenant.')
    const { endpoint, status, delivery } = options
    if (action === 'redeliver' && [endpoint, status, delivery].every((said) => said === undefined))
      throw usage('redeliver which? Say --delivery, --endpoint or --status. Nothing was done.')
    if (action === 'test' && endpoint === undefined) throw usage('test which? Say --endpoint <id>.')
    return await withPlaces(invocation, async (places) =>
      RUN[action](invocation, await at(places, argument(args, 1)), options),
    )
  },
}

/** The webhooks of a tenant, in scopes of it. */
interface At {
  readonly key: string
  readonly hooks: Webhooks
  scope<T>(fn: (db: TenantQueryable) => Promise<T>): Promise<T>
}

/** @throws TenancyError INVALID_TENANT_KEY, TENANT_NOT_FOUND */
async function at({ tenancy, config, controlSchema }: Places, key: string): Promise<At> {
  await requireTenant(tenancy, key)
  const [{ outbox }, { webhooks: make }] = await Promise.all([
    import('@org/governance/outbox'),
    import('@org/governance/webhooks'),
  ])
  const events = outbox({ isolation: config.isolation ?? 'role', controlSchema })
  return {
    key,
    hooks: make({ outbox: events, sealing: UNOPENED }),
    scope: (fn) => tenancy.withTenant(key, fn),
  }
}

/** The command makes no endpoint and signs nothing: it has no use for their secrets. */
const UNOPENED = {
  seal: (): never => {
    throw new TenancyError('INTERNAL_ERROR', 'The command seals no secrets.')
  },
  open: (): never => {
    throw new TenancyError('INTERNAL_ERROR', 'The command opens no secrets.')
  },
}

const list: Run = async ({ output }, { hooks, scope }) => {
  const endpoints = await scope((db) => hooks.endpoints.list(db))
  output.document({ endpoints })
  if (endpoints.length === 0) output.note('No endpoints.')
  else {
    output.table(
      ['id', 'url', 'events', 'status', 'failing since'].map((title) => ({ title })),
      endpoints.map(({ id, url, events, status, suspendedReason, failingSince }) => [
        id,
        url,
        events.join(', '),
        suspendedReason === null ? status : `${status} (${suspendedReason})`,
        moment(failingSince),
      ]),
    )
  }
  return EXIT.ok
}

const deliveries: Run = async ({ output }, { hooks, scope }, { endpoint, status, limit, cursor }) => {
  const page = await scope((db) => hooks.deliveries.list(db, { endpointId: endpoint, status, limit, cursor }))
  output.document({ deliveries: page.deliveries, nextCursor: page.nextCursor ?? null })
  if (page.deliveries.length === 0) output.note('No deliveries.')
  else {
    output.table(
      ['id', 'type', 'status', 'attempts', 'answer', 'last attempt'].map((title) => ({ title })),
      page.deliveries.map((one) => [
        one.id,
        one.type,
        one.status,
        String(one.attempts),
        one.error ?? (one.responseStatus === null ? '-' : String(one.responseStatus)),
        moment(one.lastAttemptAt),
      ]),
    )
  }
  if (page.nextCursor !== undefined) output.note(`More: --cursor ${page.nextCursor}`)
  return EXIT.ok
}

/** A page of deliveries is published anew in one transaction. */
const redeliver: Run = async ({ output, signal }, { hooks, key, scope }, options) => {
  const { delivery, dryRun = false } = options
  // Those that are named are looked up first: of nonsense, or of one that is not there, nothing is done and nothing promised.
  if (delivery !== undefined) {
    await scope(async (db) => {
      for (const id of delivery) await hooks.deliveries.get(db, id)
    })
  }
  const ids = delivery ?? (await chosen({ key, hooks, scope }, options))
  const progress = output.progress('deliveries')
  const at = pace(ids.length)
  let done = 0
  for (; done < ids.length && !signal.aborted; progress.update(at(done, 0))) {
    const some = ids.slice(done, done + AT_ONCE)
    if (!dryRun) {
      await scope(async (db) => {
        for (const id of some) await hooks.deliveries.redeliver(db, id)
      })
    }
    done += some.length
  }
  progress.end()
  output.document({ tenant: key, redelivered: done, dryRun, stopped: signal.aborted })
  output.say(`${plural(done, 'delivery')} ${dryRun ? 'would be' : 'will be'} sent again.`)
  return signal.aborted ? EXIT.interrupted : EXIT.ok
}

const AT_ONCE = 500

/** All that the filter names, as they are now: what is sent again meanwhile changes its status. */
async function chosen({ hooks, scope }: At, { endpoint, status }: Options): Promise<string[]> {
  const ids: string[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await scope((db) =>
      hooks.deliveries.list(db, { endpointId: endpoint, status, limit: AT_ONCE, cursor }),
    )
    ids.push(...page.deliveries.map(({ id }) => id))
    cursor = page.nextCursor
    if (cursor === undefined) return ids
  }
}

const test: Run = async ({ output }, { hooks, key, scope }, { endpoint = '', dryRun = false }) => {
  const delivery = dryRun
    ? await scope(async (db) => void (await hooks.endpoints.get(db, endpoint)))
    : await scope((db) => hooks.deliveries.test(db, endpoint))
  output.document({ tenant: key, endpoint, delivery: delivery ?? null, dryRun })
  output.say(
    dryRun ? 'It would be told webhook.test.' : `Delivery ${delivery}: it is sent when a worker runs.`,
  )
  return EXIT.ok
}

const RUN: Readonly<Record<Action, Run>> = { list, deliveries, redeliver, test }
