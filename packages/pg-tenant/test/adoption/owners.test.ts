import { describe, expect, it } from 'vitest'
import { codeOf, useWorld } from '../support/world.ts'
import { BASELINE, catalogueOf, LATER, makeOwner, makeSchema, rowsOf } from './legacy.ts'

const world = useWorld([])
const migrations = [BASELINE, LATER]
const without = ['DRIFT', 'PUBLIC_PRIVILEGE', 'ORPHAN_ROLE']

describe.each(['role', 'schema'] as const)('level %s: whose the tables were', (isolation) => {
  const prefix = `${isolation[0]}x_`
  const tenancyOf = () => world.tenancy({ migrations, isolation, schemaPrefix: prefix })
  const key = (name: string) => `${isolation}-${name}`

  it.each(['application', 'administrator', 'quiet', 'superuser'])('%s', async (who) => {
    const tenancy = tenancyOf()
    const schema = `${isolation}_of_${who}`
    const owner = await ownerOf(who)
    if (who === 'application' || who === 'quiet')
      await world.root.query(`grant ${owner} to ${world.adminRole}`)
    await makeSchema(world, owner, schema)
    if (who === 'superuser') await world.root.query(`alter schema ${schema} owner to ${world.adminRole}`)
    const [was, rows] = [await catalogueOf(world, schema), await rowsOf(world, schema)]
    const adopt = () => tenancy.adopt(key(who), { schema, baseline: BASELINE.id })
    if (who === 'superuser') {
      // Nobody but a superuser may take a superuser's tables.
      expect(await codeOf(adopt())).toBe('CONFLICT')
      const dry = await tenancy.adopt(key(who), { schema, baseline: BASELINE.id, dryRun: true })
      const { fix = '' } = dry.findings.find(({ code }) => code === 'OWNER_OUT_OF_REACH') ?? {}
      await world.root.query(fix.slice(fix.indexOf('alter')))
      expect((await adopt()).adopted).toBe(true)
      return
    }
    await adopt()
    expect(
      (await tenancy.query(key(who), `insert into notes (body) values ('x') returning id`)).rows,
    ).toEqual([{ id: 4 }])
    const as = `do $$ begin set local role ${owner}; perform count(*) from ${schema}.notes; insert into ${schema}.notes (body) values ('y'); end $$`
    await world.root.query(as)
    await tenancy.query(key(who), 'delete from notes where id > 3')
    await tenancy.undoAdoption(key(who))
    expect(await catalogueOf(world, schema)).toEqual(was)
    expect(await rowsOf(world, schema)).toEqual(rows)
    await adopt()
    expect(await tenancy.confirmAdoption(key(who))).toBe(true)
    expect(await tenancy.migrate()).toMatchObject({ ok: true, migrated: 1 })
    expect((await tenancy.query(key(who), 'select done from notes limit 1')).rows).toEqual([{ done: false }])
    const beside = world.pool().query(`select from ${schema}.notes`)
    // At level `schema` it is the application that scopes run as.
    await (isolation === 'role' ? expect(beside).rejects.toMatchObject({ code: '42501' }) : beside)
    const { rows: owners } = await world.root.query(
      `select distinct pg_get_userbyid(relowner) as owner from pg_class where relnamespace = '${schema}'::regnamespace and relname not like '\\_tenant\\_%'`,
    )
    expect(owners).toEqual([{ owner: expect.stringMatching(`^${world.rolePrefix}.*${who}$`) }])
    if (who === 'quiet') await expect(world.root.query(as)).rejects.toMatchObject({ code: '42501' })
    // The tenants of the other level are in the same database.
    const findings = (await tenancy.doctor()).findings.filter(
      ({ message }) => isolation === 'role' || !message.includes('_role-'),
    )
    expect(findings.filter(({ code, severity }) => severity !== 'notice' && !without.includes(code))).toEqual(
      [],
    )
  })
})

async function ownerOf(who: string): Promise<string> {
  if (who === 'application') {
    await world.root.query(
      `do $$ begin execute format('grant create on database %I to ${world.appRole}', current_database()); end $$`,
    )
    return world.appRole
  }
  if (who === 'administrator') return world.adminRole
  if (who === 'superuser')
    return String((await world.root.query('select current_user as name')).rows[0]?.name)
  const { rows } = await world.root.query('select from pg_roles where rolname = $1', [
    `${world.rolePrefix}quiet`,
  ])
  if (rows.length > 0) return `${world.rolePrefix}quiet`
  const role = await makeOwner(world, 'quiet')
  await world.root.query(`alter role ${role} noinherit`)
  return role
}
