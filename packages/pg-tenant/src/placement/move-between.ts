import { invalidOption, TenancyError, type TenantKey } from '@org/core'
import { withAdminPool } from '../admin/session.ts'
import { inAdminTransaction } from '../admin/transaction.ts'
import { unlessAborted } from '../archive/abort.ts'
import { keyFor } from '../isolation/names.ts'
import { isBare, prepare } from '../lifecycle/prepare.ts'
import { type MoveState, openMove } from '../move/ledger.ts'
import { type MoveResult, moveTenant } from '../move/move.ts'
import { requireTwoRegistries, withinOne } from '../move/one-database.ts'
import { type MoveOptions, type MoveSettings, parseMove } from '../move/options.ts'
import { type Route, type Side, saidBy, underWay } from '../move/route.ts'
import type { TenantStatus } from '../registry/record.ts'
import { recordOf } from '../registry/registry.ts'
import { type Inside, insideOf } from '../tenancy/create-tenancy.ts'
import { conflicting } from './decide.ts'
import type { PlacedTenancy } from './placed-tenancy.ts'
import { silent } from './places.ts'

/** See {@link Fleet.move}. */
export async function moveBetween(
  placements: Readonly<Record<string, PlacedTenancy>>,
  key: string,
  to: string,
  options: MoveOptions | undefined,
): Promise<MoveResult> {
  const settings = parseMove(options)
  const names = Object.keys(placements)
  if (!names.includes(to)) throw invalidOption('to', `one of ${names.join(', ')}`)
  if (settings.from !== undefined && !names.includes(settings.from))
    throw invalidOption('from', `one of ${names.join(', ')}`)
  const { signal } = settings.patience
  const { undo } = settings
  const opening = names.map(async (name): Promise<Side> => {
    const lifecycle = await inTime(name, inside(placements, name).lifecycle(key, undo))
    return { name, lifecycle }
  })
  const sides = await unlessAborted(Promise.all(opening), signal)
  const target = sides.find(({ name }) => name === to) as Side
  const tenant = keyFor(target.lifecycle.naming, key)
  const { side: from, open } = await leaving(sides, tenant, to, settings)
  if (settings.from !== undefined && settings.from !== from.name) throw notThere(tenant, from.name)
  if (from.name === to && open) throw underWay(tenant, open)
  if (from.name === to)
    return { tenant, from: to, to, moved: false, undone: false, rows: 0, gapMs: 0, left: [] }
  try {
    return await onSeparatePools({ tenant, from, to: target }, settings)
  } finally {
    for (const { name } of [from, target]) inside(placements, name).forget(tenant)
  }
}

/** Two placements of one database may have one pool, which must not wait for itself. */
async function onSeparatePools(route: Route, settings: MoveSettings): Promise<MoveResult> {
  const move = async (separate: Route) =>
    moveTenant(settings.undo ? separate : await withinOne(separate), settings)
  const { from, to } = route
  if (from.lifecycle.adminPool !== to.lifecycle.adminPool) return await move(route)
  return await withAdminPool(to.lifecycle.adminPool, undefined, (adminPool) =>
    move({ ...route, to: { ...to, lifecycle: { ...to.lifecycle, adminPool } } }),
  )
}

/** Where it is; or, when a move was cut off, where it left. Every cluster has to say so, unless one says what is to be undone. */
async function leaving(
  sides: readonly Side[],
  tenant: TenantKey,
  to: string,
  { patience: { signal }, undo }: MoveSettings,
): Promise<Standing> {
  const asked = sides.map((side) => inTime(side.name, standingIn(side, tenant)))
  const answers = await unlessAborted(Promise.allSettled(asked), signal)
  const found = answers.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const failed = answers.find((one) => one.status === 'rejected')
  if (failed && !(undo && found.some(({ open }) => open?.to === to))) throw failed.reason
  const moving = found.find(({ open }) => open !== undefined)
  if (moving) return moving
  const holders = found.filter(({ status }) => status === 'active' || status === 'suspended')
  const [holder, another] = holders
  if (holder && another) {
    await requireTwoRegistries(holder.side, another.side)
    throw conflicting(
      tenant,
      holders.map(({ side }) => side.name),
    )
  }
  if (holder) return holder
  throw new TenancyError(
    'TENANT_NOT_FOUND',
    'No cluster holds this tenant, or it is being provisioned or dropped. Nothing was moved.',
    { details: { tenant, placement: to } },
  )
}

interface Standing {
  readonly side: Side
  readonly status: TenantStatus | undefined
  readonly open: MoveState | undefined
}

async function standingIn(side: Side, tenant: TenantKey): Promise<Standing> {
  const { adminPool, registry } = side.lifecycle
  // Who only looks leaves no control schema where nobody ever was.
  if (await isBare(side.lifecycle)) return { side, status: undefined, open: undefined }
  await prepare(side.lifecycle)
  return await inAdminTransaction(adminPool, async (admin) => {
    const status = (await recordOf(admin, registry, tenant))?.status
    return { side, status, open: await openMove(admin, registry, tenant) }
  })
}

/** Milliseconds a cluster gets to answer; longer than administrative work waits for a lock. */
const ANSWER_MS = 15_000

/** One that hangs may be the one that holds the tenant, too. @throws TenancyError CONNECTION_LOST, each names the placement */
async function inTime<T>(placement: string, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(silent(placement)), ANSWER_MS)
  })
  try {
    return await Promise.race([answer, late])
  } catch (error) {
    throw saidBy({ name: placement }, error)
  } finally {
    clearTimeout(timer)
  }
}

function notThere(tenant: TenantKey, placement: string): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'The tenant is not where it is to be moved from. Nothing was changed.',
    { details: { tenant, reason: 'from', placement } },
  )
}

/** @throws TenancyError INVALID_OPTION */
function inside(placements: Readonly<Record<string, PlacedTenancy>>, name: string): Inside {
  const found = insideOf(placements[name] as PlacedTenancy)
  if (found) return found
  throw invalidOption(`placements.${name}`, 'made by createTenancy, or its tenants cannot be moved')
}
