import { TenancyError, type TenantKey } from '@org/core'
import { withAdminPool } from '../../admin/session.ts'
import { type Admin, inAdminTransaction } from '../../admin/transaction.ts'
import type { CredentialKeeper } from '../../credentials/keeper.ts'
import { isOurs } from '../../credentials/table.ts'
import { databaseOf, markerOf, roleOf, schemaOf } from '../../isolation/names.ts'
import { isShut } from '../../registry/record.ts'
import { copyLedger } from '../copy-ledger.ts'
import { standingOf } from '../lifecycle.ts'
import { ensureLoginRole, fixSearchPath, removeLoginRole, setLogin } from '../login-role.ts'
import { allowConnect, createDatabase, databaseExists, dropDatabase, sessionOf } from '../tenant-database.ts'
import { drainSchema, setUsage } from '../tenant-schema.ts'
import { furnishSchema } from './in-schema.ts'
import type { LevelLifecycle, Lifecycle, TenantWork } from './level.ts'

interface Whose {
  readonly lifecycle: Pick<Lifecycle, 'naming'>
  readonly tenant: TenantKey
}

const ownRole = ({ lifecycle, tenant }: Whose) => roleOf(lifecycle.naming, tenant)

/** Unless it was adopted, a tenant's database has the name of its role: both belong to the server, so both carry the role prefix. */
const ownDatabase = ({ lifecycle, tenant }: Whose) => databaseOf(lifecycle.naming, tenant)

const atHome: LevelLifecycle['atHome'] = (work, fn) =>
  withAdminPool(work.lifecycle.adminPool, ownDatabase(work), (pool) => inAdminTransaction(pool, fn))

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
      return await ensureLoginRole(work, keeper, ownDatabase(work))
    },
    ownerOf: (lifecycle, tenant) => ownRole({ lifecycle, tenant }),
    databaseOf: (lifecycle, tenant) => ownDatabase({ lifecycle, tenant }),
    atHome,
    furnish: async (work) => {
      await createDatabase(sessionOf(work), ownDatabase(work), template)
      await allowConnect(work.admin, ownDatabase(work), ownRole(work), true)
      await fixSearchPath(work.admin, work, ownDatabase(work))
      return await atHome(work, async (home) => {
        const furnished = await furnishSchema(work, home, ownRole(work), ownRole(work))
        await copyLedger(home, work)
        // It commits on its own: a suspended tenant must not be let in until the other transaction is through.
        if (isShut(work.status)) {
          await setUsage(home, schemaOf(work.lifecycle.naming, work.tenant), [ownRole(work)], false)
        }
        return furnished
      })
    },
    takeOutOfService: async (work) => {
      await setUsageAtHome(work, false)
      await setLogin(work.admin, ownRole(work), false)
      await allowConnect(work.admin, ownDatabase(work), ownRole(work), false)
    },
    putBackIntoService: async (work) => {
      await setUsageAtHome(work, true)
      await setLogin(work.admin, ownRole(work), true)
      await allowConnect(work.admin, ownDatabase(work), ownRole(work), true)
    },
    exists: async (work) => {
      await refuseForeign(work)
      return await isOurs(work.admin, work.lifecycle.registry, work.tenant)
    },
    drain: async (work) => {
      if (await databaseExists(work.admin, ownDatabase(work))) {
        await atHome(work, (home) => closeForEver(home, work))
        await allowConnect(work.admin, ownDatabase(work), ownRole(work), false)
      }
      await setLogin(work.admin, ownRole(work), false)
    },
    takeDown: async (work) => {
      await dropDatabase(sessionOf(work), ownDatabase(work), ownRole(work))
      await removeLoginRole(work)
    },
  }
}

/** Behind the last running scope; the marker is not there yet when provisioning was cut off. */
async function closeForEver(home: Admin, { lifecycle: { naming }, tenant }: TenantWork): Promise<void> {
  if ((await standingOf(home, naming, tenant)) === 'nothing') return
  const schema = schemaOf(naming, tenant)
  await drainSchema(home, schema, markerOf(naming, tenant))
  await setUsage(home, schema, [roleOf(naming, tenant)], false)
}

async function setUsageAtHome(work: TenantWork, allowed: boolean): Promise<void> {
  const schema = schemaOf(work.lifecycle.naming, work.tenant)
  await atHome(work, (home) => setUsage(home, schema, [ownRole(work)], allowed))
}

/** A database of that name that this registry did not make is somebody else's: never filled, never dropped. */
async function refuseForeign(work: TenantWork): Promise<void> {
  const { admin, lifecycle, tenant } = work
  if (await isOurs(admin, lifecycle.registry, tenant)) return
  if (!(await databaseExists(admin, ownDatabase(work)))) return
  throw new TenancyError(
    'CONFLICT',
    'A database of that name is there already and was not made for this tenant. Choose another key or rolePrefix.',
    { details: { database: ownDatabase(work) } },
  )
}
