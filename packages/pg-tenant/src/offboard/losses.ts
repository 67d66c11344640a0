import { TenancyError, type TenantKey } from '@org/core'
import { applicationIn, beginReading } from '../archive/describe.ts'
import { namedLargeObjects } from '../archive/large-objects.ts'
import { readSkipped, type Skipped } from '../archive/structure/read.ts'
import { type Visit, visitTenant } from '../archive/visit.ts'
import { prepare } from '../lifecycle/prepare.ts'
import { find } from '../registry/read.ts'
import type { OffboardSettings } from './options.ts'

/**
 * What no archive holds is told before anything is closed; an off-boarding that loses it has to name it. One without a
 * backup loses everything, and has said so.
 *
 * @throws TenancyError CONFLICT (`details.reason` `not_archived`)
 */
export async function refuseLosses(visit: Visit, { backup, lose }: OffboardSettings): Promise<void> {
  const { lifecycle, place, tenant } = visit
  if (backup === 'skip') return
  await prepare(lifecycle)
  const record = await find(lifecycle.pool, lifecycle.registry, tenant)
  // What is further on has been asked before.
  if (record?.status !== 'active' && record?.status !== 'suspended') return
  const skipped = await visitTenant(visit, [record.status], async (found) => {
    await beginReading(found, place)
    const left = await readSkipped(found.home, place, applicationIn(lifecycle.level, found.application))
    return [...left, ...(await namedLargeObjects(found, visit))]
  })
  requireNamed(tenant, skipped, lose)
}

/** @throws TenancyError CONFLICT */
export function requireNamed(tenant: TenantKey, skipped: readonly Skipped[], lose: readonly string[]): void {
  const named = new Set(lose)
  const lost = skipped.filter(({ name, kind }) => !named.has(name) && !named.has(kind))
  if (lost.length === 0) return
  const list = lost.slice(0, NAMED).map(({ name, kind }) => `${kind} ${name}`)
  const more = lost.length > NAMED ? ` and ${lost.length - NAMED} more` : ''
  throw new TenancyError(
    'CONFLICT',
    `The backup would not hold: ${list.join(', ')}${more}. Nothing was dropped and the tenant is in service. Keep it another ` +
      'way, or name it in lose to off-board the tenant without it.',
    { details: { tenant, reason: 'not_archived', lost: list.join(', '), count: lost.length } },
  )
}

/** Losses named in an error; the rest is counted. */
const NAMED = 20
