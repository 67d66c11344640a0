import { integerOption, invalidOption, type TenantKey } from '@org/core'
import { keyFor } from '../isolation/names.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { find, list } from '../registry/read.ts'
import type { TenantRecord } from '../registry/record.ts'
import { tenantNotFound } from '../registry/require-tenants.ts'
import { checkApplication } from './application.ts'
import { inParallel } from './in-parallel.ts'
import { checkLeftovers } from './leftovers.ts'
import type { EnterScope } from './probe.ts'
import { reportOf, type VerifyReport } from './report.ts'
import { newScene } from './scene.ts'
import { checkSuspended, checkTenant } from './tenant.ts'

/** Options of `verify`. */
export interface VerifyOptions {
  /** These keys, `all` there are (default), or so many taken at random. */
  readonly tenants?: readonly string[] | 'all' | { readonly sample: number } | undefined
  /** How many others each tenant is tried against, 1 to 100 (default 2). */
  readonly against?: number | undefined
  /** How many tenants are entered at once, 1 to 100 (default 4): no more than the pool has connections. */
  readonly concurrency?: number | undefined
}

const PAGE = 10_000
const LEFTOVER_PAIRS = 3

/**
 * Proves isolation by attacking it: connects as the application, through the pool it is given, enters each tenant and
 * tries what must not work. All of it is rolled back. Each tenant is tried against a few others; the rights of all
 * pairs are looked up in the catalogue at once.
 *
 * @param enter how the application enters a tenant
 * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY, TENANT_NOT_FOUND, CONNECTION_LOST, DATABASE_ERROR
 */
export async function verifyIsolation(
  lifecycle: Lifecycle,
  enter: EnterScope,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const { against, concurrency } = parse(options)
  const started = performance.now()
  const everybody = await allOf(lifecycle)
  const chosen = await choose(lifecycle, everybody, options.tenants ?? 'all')
  const active = chosen.filter(({ status }) => status === 'active').map(({ key }) => key)
  const others = everybody.filter(({ status }) => status === 'active').map(({ key }) => key)
  const ring = ringOf(others)
  const scene = newScene(lifecycle, enter)
  await checkApplication(scene, active)
  for (const key of active.slice(0, LEFTOVER_PAIRS)) {
    const [other] = ring(key, 1)
    if (other !== undefined) await checkLeftovers(scene, key, other)
  }
  await inParallel(chosen, concurrency, async ({ key, status }) => {
    if (status === 'suspended') await checkSuspended(scene, key)
    else await checkTenant(scene, key, ring(key, against))
  })
  return reportOf(lifecycle.level, chosen.length, scene.checks, performance.now() - started)
}

function parse({ tenants = 'all', against = 2, concurrency = 4 }: VerifyOptions) {
  const sample = typeof tenants === 'object' && 'sample' in tenants ? tenants.sample : 1
  if (!(tenants === 'all' || Array.isArray(tenants) || (Number.isInteger(sample) && sample >= 1)))
    throw invalidOption('tenants', 'keys, "all" or { sample: a whole number from 1 }')
  integerOption('against', against, 1, 100)
  integerOption('concurrency', concurrency, 1, 100)
  return { against, concurrency }
}

/** Those that can be entered, or must not be. */
async function allOf({ pool, registry, level }: Lifecycle): Promise<TenantRecord[]> {
  const all: TenantRecord[] = []
  for (let after = ''; ; ) {
    const page = await list(pool, registry, { after, limit: PAGE })
    all.push(...page)
    const last = page.at(-1)
    if (page.length < PAGE || !last) break
    after = last.key
  }
  return all.filter(({ status, isolation }) => isolation === level && /^(active|suspended)$/.test(status))
}

async function choose(
  { naming, pool, registry }: Lifecycle,
  all: readonly TenantRecord[],
  tenants: NonNullable<VerifyOptions['tenants']>,
): Promise<readonly TenantRecord[]> {
  if (tenants === 'all') return all
  if ('sample' in tenants) return sampleOf(all, tenants.sample)
  const chosen: TenantRecord[] = []
  const known = new Map(all.map((one) => [one.key, one]))
  for (const text of tenants) {
    const key = keyFor(naming, text)
    const record = known.get(key) ?? (await find(pool, registry, key))
    if (!record || record.status === 'deleted') throw tenantNotFound(key)
    chosen.push(record)
  }
  return chosen
}

function sampleOf<T>(all: readonly T[], count: number): readonly T[] {
  const left = [...all]
  const taken: T[] = []
  while (taken.length < count && left.length > 0) {
    taken.push(...left.splice(Math.floor(Math.random() * left.length), 1))
  }
  return taken
}

/** The next few after a tenant, round the ring: every tenant is attacker and attacked equally often. */
function ringOf(all: readonly TenantKey[]): (key: TenantKey, count: number) => TenantKey[] {
  const places = new Map(all.map((key, at) => [key, at]))
  return (key, count) => {
    const at = places.get(key) ?? -1
    const length = at < 0 ? all.length : all.length - 1
    return Array.from(
      { length: Math.min(count, length) },
      (_, step) => all[(at + 1 + step) % all.length] ?? key,
    )
  }
}
