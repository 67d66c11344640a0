import { isTenancyError } from '@org/core'
import { idempotency } from '@org/governance/idempotency'
import type { Tenancy, TenantDb } from '@org/pg-tenant'
import type { Operation } from '../context.ts'
import { Deliberate } from '../deliberate.ts'
import { audit, events, sealing } from '../governance/parts.ts'
import type { OperationKind } from './kind.ts'

const log = audit()
/** Requests that carry the same key: several at once, some of them much later. */
const REPEATED = 5

function tenancyOf(o: Operation): Tenancy {
  if (o.subject.tenancy) return o.subject.tenancy
  throw new TypeError('only the library has events')
}

/** One scope, remembered beforehand. */
async function deed(
  o: Operation,
  kind: 'effect' | 'told' | 'entry',
  work: (db: TenantDb) => Promise<unknown>,
): Promise<void> {
  o.world.governance?.begin(o.op, { kind, tenant: o.tenant })
  await tenancyOf(o).withTenant(o.tenant.key, async (db) => void (await work(db)), o.options())
}

/** Governed runs have no other levels. */
const levelOf = ({ world }: Operation) => (world.level === 'schema' ? 'schema' : 'role')
const carried = ({ op, tenant: { key } }: Operation) => ({ op, tenant: key })
const maybe = async (o: Operation, db: TenantDb) => {
  if (o.random.chance(0.5)) await db.query('select tenant from soak_row limit 1')
}

/** Events, entries of the audit log and idempotent requests, with `--governance`. */
export const GOVERNED: readonly OperationKind[] = [
  {
    name: 'governance: publish',
    weight: 14,
    run: (o) =>
      deed(o, 'effect', async (db) => {
        await events(levelOf(o)).publish(db, 'soak.effect', carried(o), {
          ...(o.random.chance(0.3) && { key: `k${o.random.int(4)}` }),
          ...(o.random.chance(0.2) && { delay: o.random.int(2_000) }),
        })
        await maybe(o, db)
      }),
  },
  {
    name: 'governance: publish and give up',
    weight: 4,
    run: (o) =>
      deed(o, 'effect', async (db) => {
        await events(levelOf(o)).publish(db, 'soak.effect', carried(o))
        await maybe(o, db)
        throw new Deliberate()
      }),
  },
  {
    name: 'governance: tell a webhook',
    weight: 4,
    run: (o) => deed(o, 'told', (db) => events(levelOf(o)).publish(db, 'soak.told', carried(o))),
  },
  {
    name: 'governance: audit',
    weight: 12,
    run: (o) =>
      deed(o, 'entry', async (db) => {
        await log.record(db, {
          actor: { type: 'user', id: `u${o.op % 50}` },
          action: 'soak.deed',
          entity: { type: 'op', id: String(o.op) },
          requestId: String(o.op),
          metadata: { tenant: o.tenant.key },
        })
        await maybe(o, db)
        if (o.random.chance(0.1)) throw new Deliberate()
      }),
  },
  {
    name: 'governance: once',
    weight: 10,
    async run(o) {
      const turn = o.random.chance(0.8)
        ? Math.floor(o.op / (20 * REPEATED))
        : o.random.int(1 + Math.floor(o.op / 100))
      const key = `r${turn}`
      o.tenant = o.world.tenants[turn % o.world.tenants.length] as typeof o.tenant
      o.world.governance?.begin(o.op, { kind: 'once', tenant: o.tenant, key })
      const { once } = idempotency({ scopes: tenancyOf(o), sealing })
      const request = {
        ...{ tenant: o.tenant.key, principal: 'user:u1', handler: 'soak.once', key },
        fingerprint: { method: 'POST', url: '/soak', body: { key } },
      }
      const { answer } = await once(request, async (db) => {
        const values = [key, o.tenant.key, o.op]
        await db.query('insert into soak_once (key, tenant, op) values ($1, $2, $3)', values)
        return String(o.op)
      }).catch((error: unknown) => {
        // How the claim fails inside is nobody's business.
        if (isTenancyError(error, 'VALIDATION_ERROR'))
          o.world.findings.add('uncoded', `op ${o.op}: a good request was said to be bad`)
        throw error
      })
      o.world.governance?.answered(o.op, answer)
    },
  },
]
