import {
  codedControl,
  type OptionNames,
  type Queryable,
  requireKnownOptions,
  TenancyError,
  type TenantKey,
} from '@org/core'
import { integerOption, invalidOption } from '../input/input.ts'
import { short, type UsageTables } from './meter.ts'

export interface CallQuotaOptions {
  /** A pool of a role among the managers. At level `database` a function of the tenant. */
  readonly control: Queryable | ((tenant: TenantKey) => Queryable | Promise<Queryable>)
  /** The resource whose limit it is (default `api_calls`). */
  readonly resource?: string | undefined
  /** How many calls a process takes at once, 1 to 1,000,000 (default 100): so many are lost when it is killed. */
  readonly chunk?: number | undefined
  /** For how many tenants calls are held at once, 1 to 1,000,000 (default 10,000); beyond it the oldest are given back. */
  readonly maxTenants?: number | undefined
  /** A clock that only goes forward, in milliseconds (default `performance.now`); for tests. */
  readonly now?: (() => number) | undefined
}

const NAMES: OptionNames<CallQuotaOptions> = {
  control: true,
  resource: true,
  chunk: true,
  maxTenants: true,
  now: true,
}

/** Calls of a month, counted over all processes. */
export interface CallQuota {
  /**
   * Counts one call. Asks the database once for each chunk.
   *
   * @throws TenancyError RATE_LIMITED with `details.retryAfter`, the seconds to the next month, when none is left;
   *   SERVICE_UNAVAILABLE, DATABASE_ERROR when it cannot be told
   */
  count(tenant: TenantKey): Promise<void>
  /** Gives back what was taken and not used: when the process ends. */
  close(): Promise<void>
}

interface Held {
  left: number
  readonly granted: number
  /** When the month is over, or it is worth asking again, by the clock of this process. */
  readonly until: number
  /** Seconds to the end of the month. */
  readonly seconds: number
  readonly period: string
}

/** How long it is believed that there is no limit, and that nothing is left, in milliseconds. */
const UNLIMITED_MS = 60_000
const EMPTY_MS = 1_000

/** Takes what is left of the month, up to a chunk. A resource without a limit, or not there, is as much as one likes. */
const leaseSql = ({ resource }: UsageTables) => `with held as (
    select r.limit_value, date_trunc('month', now(), 'UTC') as period,
        case when r.period_start >= date_trunc('month', now(), 'UTC') then r.used else 0 end as used
      from ${resource} r where r.tenant = $1::text and r.resource_type = $2::text for update
  ), granted as (
    select h.period, h.used, least($3::numeric, coalesce(greatest(floor(h.limit_value - h.used), 0), $3::numeric)) as amount
      from held h
  ), moved as (
    update ${resource} r set used = g.used + g.amount, period_start = g.period, updated_at = now()
      from granted g where r.tenant = $1::text and r.resource_type = $2::text and g.amount > 0
  )
  select g.amount::float8 as amount, g.period::text as period,
      extract(epoch from ((g.period at time zone 'utc') + interval '1 month') at time zone 'utc' - clock_timestamp())::float8 as seconds
    from granted g`

const giveSql = ({ resource }: UsageTables) => `update ${resource} set used = greatest(used - $3::numeric, 0)
  where tenant = $1::text and resource_type = $2::text and period_start = $4::timestamptz`

/** @internal See `Usage.calls`. */
export function callQuota(options: CallQuotaOptions, tables: UsageTables): CallQuota {
  requireKnownOptions(options, NAMES)
  if (typeof options !== 'object' || options === null || !options.control)
    throw invalidOption('control', 'a pool')
  const resource = short(options.resource ?? 'api_calls', 'resource')
  const chunk = integerOption('chunk', options.chunk ?? 100, 1, 1_000_000)
  const maxTenants = integerOption('maxTenants', options.maxTenants ?? 10_000, 1, 1_000_000)
  const { now = () => performance.now() } = options
  const controlOf = async (tenant: TenantKey) => {
    const { control } = options
    return codedControl(
      typeof control === 'function' ? await control(tenant) : control,
      'installUsage(admin)',
    )
  }
  const held = new Map<TenantKey, Held>()
  const asking = new Map<TenantKey, Promise<Held>>()

  const give = async (tenant: TenantKey, { left, period }: Held) => {
    if (left > 0 && period !== '')
      await (await controlOf(tenant)).query(giveSql(tables), [tenant, resource, left, period])
  }
  const lease = async (tenant: TenantKey): Promise<Held> => {
    const control = await controlOf(tenant)
    const { rows } = await control.query<Lease>(leaseSql(tables), [tenant, resource, chunk])
    const [row] = rows
    const fresh = row === undefined ? unlimited(now()) : granted(row, now())
    held.delete(tenant)
    held.set(tenant, fresh)
    const [oldest] = held
    if (held.size > maxTenants && oldest) {
      held.delete(oldest[0])
      // What cannot be given back now is lost to the month, never counted twice.
      give(...oldest).catch(() => {})
    }
    return fresh
  }
  const asked = (tenant: TenantKey): Promise<Held> => {
    const running = asking.get(tenant)
    if (running) return running
    const asks = lease(tenant).finally(() => asking.delete(tenant))
    asking.set(tenant, asks)
    return asks
  }

  return {
    count: async (tenant) => {
      for (;;) {
        const mine = held.get(tenant)
        const holds = mine !== undefined && mine.until > now() ? mine : undefined
        if (holds && holds.left > 0) {
          holds.left--
          return
        }
        // Of those that wait together the last may find it used up: they ask for more.
        const { granted, seconds } = holds?.granted === 0 ? holds : await asked(tenant)
        if (granted === 0) throw noneLeft(seconds)
      }
    },
    close: async () => {
      const all = [...held]
      held.clear()
      for (const [tenant, one] of all) await give(tenant, one)
    },
  }
}

interface Lease {
  readonly amount: number
  readonly period: string
  readonly seconds: number
}

function granted({ amount, period, seconds }: Lease, now: number): Held {
  const until = now + Math.min(seconds * 1_000, amount === 0 ? EMPTY_MS : Number.POSITIVE_INFINITY)
  return { left: amount, granted: amount, until, seconds, period }
}

/** No limit was ever set: nothing is counted. */
function unlimited(now: number): Held {
  const all = Number.POSITIVE_INFINITY
  return { left: all, granted: all, until: now + UNLIMITED_MS, seconds: 0, period: '' }
}

function noneLeft(seconds: number): TenancyError {
  return new TenancyError(
    'RATE_LIMITED',
    'The calls of this month are used up. Raise the limit (setLimits), or wait.',
    {
      details: { retryAfter: Math.max(1, Math.ceil(seconds)) },
    },
  )
}
