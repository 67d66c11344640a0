import { SQLSTATE, TenancyError } from '@org/core'
import { withAdminPool } from '../admin/session.ts'
import { traitsOf } from '../isolation/traits.ts'
import { transferOwnership } from '../lifecycle/transfer-ownership.ts'
import { type Script, untilCommit } from '../migrations/script.ts'
import { askingOwner, attempt, type Trouble, undo } from './attempt.ts'
import { migrationMessages } from './message.ts'
import { migrateOutsideTransaction } from './outside-transaction.ts'
import { type Behind, requireExpanded } from './plan.ts'
import { lookAgain } from './reconcile.ts'
import type { Material } from './room-parts.ts'

/** A tenant on its way through the migrations; kept between tries. */
export interface Journey {
  behind: Behind
  /** Ids applied by this run. */
  readonly applied: string[]
  attempts: number
  ms: number
  /** Whether the plan must be made again first: the last try ended in the dark, or the ledger did not agree. */
  doubtful: boolean
}

export type Step =
  | { readonly kind: 'arrived' }
  | { readonly kind: 'gone' }
  | Exclude<Trouble, { kind: 'stale' }>

/** One try at everything a tenant lacks; what it has achieved stays achieved. */
export async function migrateTenant(
  material: Material,
  journey: Journey,
  asked: ReadonlySet<number>,
): Promise<Step> {
  for (let looks = 0; looks < 3; looks++) {
    if (journey.doubtful) {
      const found = await lookAgain(material, journey.behind.tenant)
      if ('trouble' in found) return notStale(found.trouble)
      if (!found.behind) return { kind: 'gone' }
      journey.behind = found.behind
      journey.doubtful = false
      requireExpanded(material.scripts, asked, journey.behind)
    }
    const trouble = await advance(material, journey, asked)
    if (!trouble) return { kind: 'arrived' }
    journey.doubtful = trouble.kind !== 'busy'
    if (trouble.kind === 'failed' && (await wasEarlier(material, journey, looks, trouble.error))) continue
    if (trouble.kind === 'failed' && (await isOutdated(material, journey, looks))) continue
    if (trouble.kind !== 'stale') return trouble
  }
  return notStale({ kind: 'stale' })
}

/** There is no such role, or it may not create there. */
const NO_OWNER: readonly unknown[] = [
  SQLSTATE.UNDEFINED_OBJECT,
  SQLSTATE.INSUFFICIENT_PRIVILEGE,
  SQLSTATE.INVALID_PARAMETER_VALUE,
]

/** Whether a failure comes from a tenant that an earlier release made, which has been brought over now. */
async function wasEarlier(
  { lifecycle }: Material,
  { behind: { tenant } }: Journey,
  looks: number,
  error: TenancyError,
): Promise<boolean> {
  if (looks > 0 || !traitsOf(lifecycle.level).separateOwner || !NO_OWNER.includes(error.details.sqlState))
    return false
  // On a connection of its own: all of the pool's may be lanes.
  return await withAdminPool(lifecycle.adminPool, undefined, (adminPool) =>
    transferOwnership({ ...lifecycle, adminPool }, tenant),
  )
}

/** Whether a failure comes from a plan that is not right: the schema has more or less than the registry says. */
async function isOutdated(material: Material, journey: Journey, looks: number): Promise<boolean> {
  if (looks > 0 || !material.books.alive || !material.home.alive) return false
  const found = await lookAgain(material, journey.behind.tenant)
  if ('trouble' in found || !found.behind) return false
  const { has, status } = journey.behind
  return found.behind.status !== status || found.behind.has.length !== has.length
}

/** Runs the missing migrations in order: those in a transaction together, the others one by one. */
async function advance(
  material: Material,
  journey: Journey,
  asked: ReadonlySet<number>,
): Promise<Trouble | undefined> {
  for (;;) {
    const group = nextGroup(material.scripts, journey.behind, asked)
    const [first] = group
    if (!first) return undefined
    const trouble = first.transaction
      ? await askingOwner(material.seen, () => runTransaction(material, journey.behind, group))
      : await migrateOutsideTransaction(material, journey.behind, first)
    if (trouble && !first.transaction) material.home.destroy()
    if (trouble) return trouble
    journey.behind = {
      ...journey.behind,
      has: [...journey.behind.has, ...group.map(({ ordinal }) => ordinal)],
    }
    journey.applied.push(...group.map(({ id }) => id))
  }
}

/**
 * One message; or, where the tenant has a database of its own, one there between two to the registry, which holds the lock
 * meanwhile. Its own ledger is the truth: what the registry lacks afterwards is found by looking again.
 */
async function runTransaction(
  material: Material,
  behind: Behind,
  group: readonly Script[],
): Promise<Trouble | undefined> {
  const { books, home, settings } = material
  const { tenant } = behind
  const spent: number[] = []
  const { before, home: work, after } = migrationMessages(material, behind, group, spent)
  if (books === home) return await attempt(home, tenant, work, settings)
  const locked = await attempt(books, tenant, before, settings, 'T')
  if (locked) return locked
  const trouble = await attempt(home, tenant, work, settings)
  if (!trouble) return await attempt(books, tenant, after(spent), settings)
  await undo(books)
  return trouble
}

/** What goes into the next message. */
export function nextGroup(scripts: readonly Script[], { has }: Behind, asked: ReadonlySet<number>): Script[] {
  const missing = scripts.filter(({ ordinal }) => asked.has(ordinal) && !has.includes(ordinal))
  const [first] = missing
  if (!first) return []
  if (!first.transaction) return [first]
  const end = missing.findIndex(({ transaction }) => !transaction)
  return [...untilCommit(end < 0 ? missing : missing.slice(0, end))]
}

function notStale(trouble: Trouble): Exclude<Trouble, { kind: 'stale' }> {
  if (trouble.kind !== 'stale') return trouble
  return {
    kind: 'passing',
    error: new TenancyError('CONFLICT', 'The tenant changed while it was looked at. Run migrate again.'),
  }
}
