import { markerOf, ownerRoleOf, schemaOf } from '../../isolation/names.ts'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import { onThisNode } from '../distributed-schemas.ts'
import { dropRole, ensureRole, roleExists } from '../tenant-role.ts'
import { runEach } from '../tenant-schema.ts'
import { transferOwnershipAtOnce } from '../transfer-ownership.ts'
import { allowUsage, furnishSchema, renameSchema, schemaSteps } from './in-schema.ts'
import type { LevelLifecycle, Lifecycle, TenantWork } from './level.ts'

/** The tenant's role; none where schemas are spread over nodes, whose owner is the administrator everywhere. */
function ownRole({ lifecycle, tenant }: Pick<TenantWork, 'tenant'> & { lifecycle: OfLevel }) {
  return lifecycle.distributedSchemas ? undefined : ownerRoleOf(lifecycle.naming, tenant)
}
type OfLevel = Pick<Lifecycle, 'naming' | 'distributedSchemas'>

async function ensureOwner(work: TenantWork): Promise<undefined> {
  const role = ownRole(work)
  if (role !== undefined) await ensureRole(work.admin, role, { login: false, application: undefined })
  return undefined
}

/**
 * Every role that scopes run as, which is who was let into the schema as the application is: a release that logs in as another role may
 * serve the tenant as well. Who was only let read in it is none of them, and is not let in by `resume`.
 * A tenant of an earlier release has no role of its own yet, and is suspended all the same.
 */
const steps = schemaSteps(async (work) => {
  const { admin, application, lifecycle, tenant } = work
  const role = ownRole(work)
  const { naming } = lifecycle
  const letIn = await admin.run<{ name: string }>(LET_IN, [
    schemaOf(naming, tenant),
    markerOf(naming, tenant),
  ])
  const own = role !== undefined && (await roleExists(admin, role)) ? [role] : []
  return [...new Set([application, ...own, ...letIn.map(({ name }) => name)])]
})

// $1 schema, $2 marker. Of what `granting` gives, suspending leaves CREATE.
const LET_IN = `select distinct r.rolname::text as name from pg_namespace n join pg_class m on m.relnamespace = n.oid
    cross join lateral aclexplode(m.relacl) a cross join lateral aclexplode(n.nspacl) h join pg_roles r on r.oid = a.grantee
  where n.nspname = $1 and m.relname = $2 and a.grantee <> m.relowner and h.grantee = a.grantee
    and a.privilege_type = 'SELECT' and h.privilege_type = 'CREATE' order by 1`

/**
 * Level `schema`: the application itself may use every tenant's schema. What is in it belongs to a NOLOGIN role of the tenant's,
 * which nobody is but in the tenant's room: what runs there has no right of the administrator's.
 */
export const schemaLevel: LevelLifecycle = {
  ...steps,
  level: 'schema',
  ensureRoles: ensureOwner,
  putBackIntoService: async (work) => {
    await steps.putBackIntoService(work)
    const {
      lifecycle: { naming },
      tenant,
    } = work
    const table = qualify(schemaOf(naming, tenant), markerOf(naming, tenant))
    // An archive that was cut off may have taken it (see while-readable.ts).
    await work.admin.run(`grant select on ${table} to ${quoteIdentifier(work.application)}`)
  },
  ownerOf: (lifecycle, tenant) => ownRole({ lifecycle, tenant }),
  ready: {
    ensureRoles: async (work) => void (await ensureOwner(work)),
    adopt: async (work, from) => {
      if (work.lifecycle.distributedSchemas) {
        await runEach(work.admin, [renameSchema(work, from), allowUsage(work, work.application)])
        return undefined
      }
      await transferOwnershipAtOnce({ ...work, tenant: from })
      const to = [work.application, String(ownRole(work))]
      const usage = to.map((role) => allowUsage(work, role))
      const roles = [from, work.tenant].map((tenant) => String(ownRole({ ...work, tenant })))
      const [old, name] = roles.map(quoteIdentifier)
      const renameRole = `alter role ${old} rename to ${name}`
      await work.admin.run([renameSchema(work, from), renameRole, ...usage].join(';'))
      return undefined
    },
  },
  furnish: (work) => furnishSchema(work, work.admin, work.application, ownRole(work)),
  takeDown: async (work) => {
    const { admin, lifecycle } = work
    const role = ownRole(work) ?? (await roleOfOrdinary(work))
    await steps.takeDown(work)
    if (role === undefined) return
    // It cannot log in to other nodes, where it has nothing any more.
    await dropRole(admin, role, lifecycle.distributedSchemas && ((ddl) => onThisNode(admin, ddl)))
  },
}

// $1 schema, $2 marker, $3 role: one that a tenant's schema was given to, and nobody logs in as.
const GIVEN_TO = `select from pg_namespace n join pg_class m on m.relnamespace = n.oid and m.relname = $2
    join pg_roles r on r.rolname = $3 and not r.rolcanlogin and not r.rolsuper cross join lateral aclexplode(m.relacl) a
  where n.nspname = $1 and a.grantee = r.oid limit 1`

/** The role of a tenant that is not distributed although new ones are: it was made before that. */
async function roleOfOrdinary({
  admin,
  lifecycle: { naming },
  tenant,
}: TenantWork): Promise<string | undefined> {
  const role = ownerRoleOf(naming, tenant)
  const given = await admin.run(GIVEN_TO, [schemaOf(naming, tenant), markerOf(naming, tenant), role])
  return given.length > 0 ? role : undefined
}
