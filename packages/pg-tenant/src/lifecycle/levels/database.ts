import { TenancyError, type TenantKey } from '@org/core'
import { withAdminPool } from '../../admin/session.ts'
import { type Admin, inAdminTransaction } from '../../admin/transaction.ts'
import type { CredentialKeeper } from '../../credentials/keeper.ts'
import { isOurs } from '../../credentials/table.ts'
import { roleOf, schemaOf } from '../../isolation/names.ts'
import { copyLedger } from '../copy-ledger.ts'
import { standingOf } from '../lifecycle.ts'
import { ensureLoginRole, fixSearchPath, removeLoginRole, setLogin } from '../login-role.ts'
import { allowConnect, createDatabase, databaseExists, dropDatabase, sessionOf } from '../tenant-database.ts'
import { drainSchema, setUsage } from '../tenant-schema.ts'
import { furnishSchema } from './in-schema.ts'
import type { LevelLifecycle, Lifecycle, TenantWork } from './level.ts'

/** The tenant's database has the name of its role: both belong to the server, so both carry the role prefix. */
const nameOf = ({
  lifecycle,
  tenant,
}: {
  readonly lifecycle: Pick<Lifecycle, 'naming'>
  readonly tenant: TenantKey
}) => roleOf(lifecycle.naming, tenant)

const atHome: LevelLifecycle['atHome'] = (work, fn) =>
  withAdminPool(work.lifecycle.adminPool, nameOf(work), (pool) => inAdminTransaction(pool, fn))

/**
 * Level `database`: a database and a login role for each tenant. CREATE and DROP DATABASE cannot run in a transaction:
 * the registry says what is under way, every step may be repeated, and whoever runs it again finishes.
 *
 * @param template what databases are copied from
 */
export function databaseLevel(keeper: CredentialKeeper, template: string): LevelLifecycle {
  return {
    level: 'database',
    keeper,
    staged: true,
    ensureRoles: async (work) => {
      await refuseForeign(work)
      return await ensureLoginRole(work, keeper, nameOf(work))
    },
    ownerOf: (lifecycle, tenant) => nameOf({ lifecycle, tenant }),
    databaseOf: (lifecycle, tenant) => nameOf({ lifecycle, tenant }),
    atHome,
    furnish: async (work) => {
      await createDatabase(sessionOf(work), nameOf(work), template)
      await allowConnect(work.admin, nameOf(work), nameOf(work), true)
      await fixSearchPath(work.admin, work, nameOf(work))
      return await atHome(work, async (home) => {
        const furnished = await furnishSchema(work, home, nameOf(work), nameOf(work))
        await copyLedger(home, work)
        // It commits on its own: a suspended tenant must not be let in until the other transaction is through.
        if (work.status === 'suspended') {
          await setUsage(home, schemaOf(work.lifecycle.naming, work.tenant), nameOf(work), false)
        }
        return furnished
      })
    },
    takeOutOfService: async (work) => {
      await setUsageAtHome(work, false)
      await setLogin(work.admin, nameOf(work), false)
      await allowConnect(work.admin, nameOf(work), nameOf(work), false)
    },
    putBackIntoService: async (work) => {
      await setUsageAtHome(work, true)
      await setLogin(work.admin, nameOf(work), true)
      await allowConnect(work.admin, nameOf(work), nameOf(work), true)
    },
    exists: async (work) => {
      await refuseForeign(work)
      return await isOurs(work.admin, work.lifecycle.registry, work.tenant)
    },
    drain: async (work) => {
      if (await databaseExists(work.admin, nameOf(work))) {
        await atHome(work, (home) => closeForEver(home, work))
        await allowConnect(work.admin, nameOf(work), nameOf(work), false)
      }
      await setLogin(work.admin, nameOf(work), false)
    },
    takeDown: async (work) => {
      await dropDatabase(sessionOf(work), nameOf(work))
      await removeLoginRole(work)
    },
  }
}

/** Behind the last running scope; the marker is not there yet when provisioning was cut off. */
async function closeForEver(home: Admin, { lifecycle: { naming }, tenant }: TenantWork): Promise<void> {
  if ((await standingOf(home, naming, tenant)) === 'nothing') return
  const schema = schemaOf(naming, tenant)
  await drainSchema(home, schema, naming.marker)
  await setUsage(home, schema, roleOf(naming, tenant), false)
}

async function setUsageAtHome(work: TenantWork, allowed: boolean): Promise<void> {
  const schema = schemaOf(work.lifecycle.naming, work.tenant)
  await atHome(work, (home) => setUsage(home, schema, nameOf(work), allowed))
}

/** A database of that name that this registry did not make is somebody else's: never filled, never dropped. */
async function refuseForeign(work: TenantWork): Promise<void> {
  const { admin, lifecycle, tenant } = work
  if (await isOurs(admin, lifecycle.registry, tenant)) return
  if (!(await databaseExists(admin, nameOf(work)))) return
  throw new TenancyError(
    'CONFLICT',
    'A database of that name is there already and was not made for this tenant. Choose another key or rolePrefix.',
    { details: { database: nameOf(work) } },
  )
}
