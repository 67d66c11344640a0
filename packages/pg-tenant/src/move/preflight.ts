import { TenancyError } from '@org/core'
import { inAdminTransaction } from '../admin/transaction.ts'
import { placeOf } from '../archive/place.ts'
import { requireAlone } from '../lifecycle/dependents.ts'
import { isBare, prepare } from '../lifecycle/prepare.ts'
import { refuseLosses } from '../offboard/losses.ts'
import { tenantTransaction } from '../offboard/work.ts'
import { recordOf } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'
import { atHome, requireReplicable } from './ahead/publication.ts'
import { carry } from './belongings.ts'
import { refuseNamed } from './named.ts'
import type { MoveSettings } from './options.ts'
import { rehearse } from './rehearse.ts'
import { changesTables, type Route, refused, taken } from './route.ts'
import { refuseOwnRows, refuseStaying } from './staying.ts'

/**
 * Everything that can be known before anything is closed.
 *
 * @throws TenancyError CONFLICT (`details.reason`: `names`, `named`, `tables`, `version`, `key_taken`, `room`, `belongings`, `stays`, `unconfirmed`,
 *   `not_archived`, `replication`, `sequence`), INVALID_OPTION (a right that the administrator lacks there)
 */
export async function preflight(route: Route, settings: MoveSettings): Promise<void> {
  const { from, tenant, to } = route
  await prepare(from.lifecycle)
  const bare = settings.dryRun && (await isBare(to.lifecycle))
  if (!bare) await prepare(to.lifecycle)
  await requireConfirmed(route)
  if (!bare) await requireFree(route)
  if (!changesTables(route)) await requireSameHistory(route)
  await tenantTransaction(from.lifecycle, tenant, settings.patience.signal, requireAlone)
  if (settings.room !== undefined) await requireRoom(route, settings.room)
  if (settings.copy === 'replication') await requireReplicable(route)
  const visit = { lifecycle: from.lifecycle, tenant, place: placeOf(from.lifecycle, tenant) }
  const lossless = { backup: { to: '' }, lose: settings.lose, requestedBy: null, patience: settings.patience }
  await refuseLosses(visit, lossless)
  await inAdminTransaction(from.lifecycle.adminPool, (admin) => refuseStaying(admin, route, settings.lose))
  await refuseOwnRows(route, settings.lose)
  await carry(route, settings.patience.signal)
  await refuseNamed(route, settings.lose)
  await rehearse(route, settings, bare)
}

/** Earlier owners still write past the scopes that are waited for, and it could not be undone any more. */
async function requireConfirmed(route: Route): Promise<void> {
  const { from, tenant } = route
  const { adminPool, registry } = from.lifecycle
  const unconfirmed = await inAdminTransaction(adminPool, (admin) =>
    admin.run(
      `select from ${qualify(registry.controlSchema, 'tenant_adoption')} where prefix = $1 and key = $2`,
      [registry.prefix, tenant],
    ),
  )
  if (unconfirmed.length > 0) throw refused(route, 'unconfirmed', UNCONFIRMED)
}

async function requireFree(route: Route): Promise<void> {
  const { lifecycle } = route.to
  const record = await inAdminTransaction(lifecycle.adminPool, (admin) =>
    recordOf(admin, lifecycle.registry, route.tenant),
  )
  if (record && record.status !== 'deleted' && record.status !== 'arriving') throw taken(route)
}

/** What was applied here has to be known there, word for word: the rest is applied there behind the data. */
async function requireSameHistory(route: Route): Promise<void> {
  const { from, tenant, to } = route
  const { registry } = from.lifecycle
  const applied = await inAdminTransaction(from.lifecycle.adminPool, (admin) =>
    admin.run(
      `select id, checksum from ${qualify(registry.controlSchema, 'tenant_migration')} where prefix = $1 and key = $2`,
      [registry.prefix, tenant],
    ),
  )
  const known = new Map(to.lifecycle.migrations.map(({ id, checksum }) => [id, checksum]))
  const other = applied.find(({ id, checksum }) => known.get(String(id)) !== checksum)
  if (other) throw refused(route, 'version', VERSION)
}

// $1 schema. Indexes and what lies apart are counted with their table.
const BYTES = `select coalesce(sum(pg_total_relation_size(c.oid)), 0)::float8 as bytes from pg_namespace n join pg_class c on c.relnamespace = n.oid
  where n.nspname = $1 and c.relkind in ('r', 'm')`

/** No server tells over SQL how much room its disk has: whoever knows has said so. */
async function requireRoom(route: Route, room: number): Promise<void> {
  const { lifecycle } = route.from
  const place = placeOf(lifecycle, route.tenant)
  // Of tables that all share nobody knows what is whose.
  if (place.tenantColumn !== undefined) return
  const [row] = await atHome(lifecycle, place, (admin) => admin.run(BYTES, [place.schema]))
  const bytes = Number(row?.bytes)
  if (bytes <= room) return
  const { code, message, details } = refused(route, 'room', ROOM)
  throw new TenancyError(code, message, { details: { ...details, bytes, room } })
}

const ROOM =
  'The tenant takes more bytes (bytes) than there are free in the cluster it is to go to (room, as you said). Enlarge its volume, or ' +
  'choose another cluster. Nothing was changed.'
const UNCONFIRMED =
  'The tenant was adopted and nobody has confirmed that yet: earlier owners of its tables may still write to them, which would be ' +
  'lost. Say confirmAdoption(key), or undoAdoption(key), first. Nothing was changed.'
const VERSION =
  'The tenant has a migration that the cluster it is to go to does not know, or not with the same text. Deploy the same release ' +
  'to both and migrate. Nothing was changed.'
