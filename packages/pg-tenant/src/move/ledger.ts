import type { TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'

/**
 * How far a move has come, written down in the cluster the tenant leaves, each time in the transaction that goes that far:
 * - `ahead`: a copy is being sent ahead; the tenant is in service. It is never gone on with.
 * - `closed`: no scope is open and none opens; what is there is all there is.
 * - `copied`: the cluster it goes to has all of it, out of service.
 * - `switched`: it lives there. From here on a move is finished and never undone.
 */
export type Reached = 'ahead' | 'closed' | 'copied' | 'switched'

export interface MoveState {
  readonly startedAt: string
  /** Which process goes on with it, a new name for each: see claim.ts. Moves that an earlier release began have none. */
  readonly run?: string
  readonly from: string
  readonly to: string
  /** The status it had, and has again when it is there. */
  readonly cameFrom: 'active' | 'suspended'
  readonly suspendedReason: string | null
  readonly reached: Reached
  readonly rows: number
  /** What its belongings were when it changed hands. */
  readonly print?: Readonly<Record<string, string>>
  /** A copy that was sent ahead, and has not been read whole since: nothing is taken down where it came from before that. */
  readonly uncompared?: true
  /** The two were compared when it had changed hands, and were not the same. */
  readonly differs?: true
}

const tableOf = ({ controlSchema }: RegistryPlace) => qualify(controlSchema, 'tenant_move')

/** The move of a tenant that is under way, if there is one. */
export async function openMove(
  admin: Pick<Admin, 'run'>,
  place: RegistryPlace,
  tenant: TenantKey,
): Promise<MoveState | undefined> {
  const [row] = await admin.run(
    `select state from ${tableOf(place)} where prefix = $1 and key = $2 and finished_at is null`,
    [place.prefix, tenant],
  )
  return row?.state as MoveState | undefined
}

export async function beginMove(
  admin: Admin,
  place: RegistryPlace,
  tenant: TenantKey,
  state: MoveState,
): Promise<void> {
  await admin.run(
    `insert into ${tableOf(place)} (prefix, key, started_at, state) values ($1, $2, $3, $4::jsonb)`,
    [place.prefix, tenant, state.startedAt, JSON.stringify(state)],
  )
}

export async function saveMove(
  admin: Admin,
  place: RegistryPlace,
  tenant: TenantKey,
  state: MoveState,
): Promise<void> {
  await admin.run(
    `update ${tableOf(place)} set state = $4::jsonb where prefix = $1 and key = $2 and started_at = $3`,
    [place.prefix, tenant, state.startedAt, JSON.stringify(state)],
  )
}

/** It is over: finished, or forgotten where it was undone. */
export async function endMove(
  admin: Admin,
  place: RegistryPlace,
  tenant: TenantKey,
  { startedAt }: MoveState,
  how: 'finished' | 'undone',
): Promise<void> {
  await admin.run(
    how === 'finished'
      ? `update ${tableOf(place)} set finished_at = now() where prefix = $1 and key = $2 and started_at = $3`
      : `delete from ${tableOf(place)} where prefix = $1 and key = $2 and started_at = $3`,
    [place.prefix, tenant, startedAt],
  )
}
