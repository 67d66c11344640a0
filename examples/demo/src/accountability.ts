import { randomUUID } from 'node:crypto'
import type { Claims } from './claims.ts'
import type { DemoHub, Onboarded } from './hub.ts'
import type { Observer } from './observer.ts'
import { until } from './until.ts'
import { startWorker } from './worker.ts'

export interface RecordScene {
  readonly hub: DemoHub
  /** An administrator of initech. */
  readonly tenant: Onboarded
  readonly observer: Observer
  readonly claims: Claims
}

interface Verification {
  readonly ok?: boolean
  readonly entries?: number
  readonly unsealed?: number
  readonly faults?: readonly { readonly kind: string; readonly id: string | null }[]
}

/** Who did what; and that a superuser's hand in it shows. */
export async function showAudit({ hub, tenant, observer, claims }: RecordScene): Promise<void> {
  const entries = await hub.list('/v1/audit-logs?limit=100', tenant.token)
  const by = (type: string, action: string) =>
    entries.find((one) => one.action === action && (one.actor as { type: string }).type === type)
  const created = by('operator', 'platform.tenants.create')
  claims.check(created !== undefined, 'initech reads who made it', sentenceOf(created))
  const invited = by('user', 'identity.users.create')
  const isAna = (invited?.actor as { id?: string } | undefined)?.id === tenant.adminId
  claims.check(isAna, 'and who invited its users', sentenceOf(invited))

  const worker = await startWorker(hub.environment)
  try {
    const verify = async () =>
      (await hub.ask('GET', '/v1/audit-logs/verification', undefined, tenant.token)).data as Verification
    const whole = await until(verify, ({ unsealed }) => unsealed === 0)
    claims.check(
      whole.ok === true && whole.unsealed === 0,
      'sealed by the worker, and as it was written',
      `${whole.entries} entries`,
    )
    const id = String(invited?.id)
    await observer.rewriteAudit(id, 'account.me.read')
    const { ok, faults = [] } = await verify()
    claims.check(
      ok === false && faults.some((fault) => fault.id === id),
      'a superuser changes one row of it: GET …/verification',
      `${faults[0]?.kind} ${faults[0]?.id?.slice(0, 13)}…`,
    )
  } finally {
    await worker.close()
  }
}

/** The same request again; the last place of a plan. */
export async function showOnceAndLimits({ hub, tenant, claims }: RecordScene): Promise<void> {
  const key = randomUUID()
  const send = () => hub.ask('POST', '/v1/groups', { name: 'Accounting' }, tenant.token, key)
  const [first, again] = [await send(), await send()]
  const groups = (await hub.list('/v1/groups', tenant.token)).filter(({ name }) => name === 'Accounting')
  claims.check(
    first.status === 201 && first.text === again.text && again.replayed && groups.length === 1,
    'POST /v1/groups twice with one Idempotency-Key',
    `${again.status}, the same answer; ${groups.length} group`,
  )
  const other = await hub.ask('POST', '/v1/groups', { name: 'Other' }, tenant.token, key)
  claims.checkAnswer(
    'another request with that key',
    '422 IDEMPOTENCY_KEY_REUSED',
    `${other.status} ${other.error?.code}`,
  )

  const users = await hub.list('/v1/users?limit=100', tenant.token)
  await hub.ask('PUT', '/v1/tenants/initech/limits', { limits: { max_users: users.length + 1 } })
  const race = await Promise.all(
    [1, 2, 3, 4, 5].map((n) =>
      hub.ask('POST', '/v1/users', { email: `late${n}@initech.example`, name: 'Late' }, tenant.token),
    ),
  )
  const made = race.filter(({ status }) => status === 201)
  const refused = race.filter(({ error }) => error?.details?.reason === 'limit_reached')
  claims.check(
    made.length === 1 && refused.length === 4,
    'five want the last place of the plan at once',
    `${made.length} gets it, ${refused.length} × ${refused[0]?.status} ${refused[0]?.error?.details?.limit}`,
  )
}

/** Somebody is erased, and found nowhere. */
export async function showErasure({ hub, tenant, observer, claims }: RecordScene): Promise<void> {
  const users = await hub.list('/v1/users?limit=100', tenant.token)
  const who = users.find(({ email }) => email === 'user7@initech.example')
  const before = await observer.findText('user7@initech.example')
  const { status } = await hub.ask('DELETE', `/v1/users/${who?.id}`, undefined, tenant.token)
  const after = await observer.findText('user7@initech.example')
  claims.check(
    status === 204 && before.length > 0 && after.length === 0,
    'DELETE /v1/users/{id}: the address, in every table there is',
    `before: ${before.join(', ') || 'nowhere'}; after: ${after.join(', ') || 'nowhere'}`,
  )
}

function sentenceOf(entry: Record<string, unknown> | undefined): string {
  if (entry === undefined) return 'nobody'
  const { type, id } = entry.actor as { type: string; id: string }
  return `${type} ${id.slice(0, 8)}…: ${entry.action}`
}
