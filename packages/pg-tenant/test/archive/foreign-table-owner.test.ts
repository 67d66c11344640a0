// @module-tag sampled
import type { PoolClient } from 'pg'
import { expect, it } from 'vitest'
import { useSetting } from '../levels/setting.ts'
import { hasTurn } from '../support/sample.ts'
import { codeOf } from '../support/world.ts'
import { useFolder } from './support.ts'

// Somebody else who may make tables in a tenant's schema: an earlier owner, say, of one that was adopted.
const setting = useSetting()
const folder = useFolder()

it.each((['schema', 'role'] as const).filter((level) => hasTurn(level, ['role'])))(
  'level %s: a table of somebody else, which the administrator alone may read, has none of its code run with that one’s rights',
  async (level) => {
    const tenancy = setting.tenancy(level, {
      migrations: [{ id: '1', sql: 'create table kept (id int primary key, file oid)' }],
    })
    const { root, adminRole, admin } = setting.world
    await tenancy.provision('home')
    const [home, other] = [`${level}_home`, `${adminRole}_${level}_other`]
    await root.query(`create role ${other}; grant usage, create on schema ${home} to ${other}; create schema away_${level} authorization ${other};
      set role ${other};
      create function away_${level}.f(int) returns int language plpgsql immutable
        as $f$ begin raise warning 'ran as %', current_user; return $1; end $f$;
      create table ${home}.theirs (n int, file oid); insert into ${home}.theirs values (1, 2), (3, null);
      create index on ${home}.theirs ((n + away_${level}.f(1)));
      revoke all on ${home}.theirs from public; grant select on ${home}.theirs to ${adminRole}; reset role;
      revoke all on ${home}.theirs from ${setting.world.appRole};
      set role ${setting.world.appRole}; select lo_from_bytea(0, 'somebody’s'); reset role`)
    const heard: string[] = []
    const listening = new WeakSet<PoolClient>()
    const listen = (client: PoolClient) => {
      if (listening.has(client)) return
      listening.add(client)
      client.on('notice', ({ message }) => heard.push(String(message)))
    }
    admin.on('acquire', listen)
    const refused = tenancy.export('home', { to: folder.path(`${level}-people`) })
    expect(await codeOf(refused)).toBe('CONFLICT')
    const { rows, skipped } = await tenancy.backup('home', { to: folder.path(`${level}-home`) })
    expect(rows).toBe(2)
    // Whether it names any nobody may ask: so it is named.
    const lost = level === 'schema' ? [{ name: 'theirs.file', kind: 'large objects' }] : []
    expect(skipped).toEqual(lost)
    const gone = await tenancy.offboard('home', { confirm: 'home', backup: 'skip' })
    expect(gone.tables).toContainEqual({ name: 'theirs', rows: 2, bytes: expect.any(Number) })
    admin.off('acquire', listen)
    expect(heard.filter((message) => message.startsWith('ran as'))).toEqual([])
    await root.query(`drop schema away_${level} cascade; drop owned by ${other}; drop role ${other}`)
  },
)

it.each((['schema', 'role'] as const).filter((level) => hasTurn(level, ['role'])))(
  'level %s: a sequence of somebody else is named, with what its owner can do, and then comes along',
  async (level) => {
    const tenancy = setting.tenancy(level)
    const { root, adminRole, appRole } = setting.world
    await tenancy.provision('counted')
    const sequence = `${level}_counted.theirs`
    await root.query(
      `create sequence ${sequence}; select nextval('${sequence}'); revoke all on ${sequence} from ${adminRole}, ${appRole}`,
    )
    await expect(tenancy.backup('counted', { to: folder.path(`${level}-counted`) })).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { reason: 'owner', sequence: 'theirs' },
    })
    const { rows } = await root.query(
      `select relowner::regrole as reader from pg_class where oid = '${level}_counted.notes'::regclass`,
    )
    await root.query(`grant select on ${sequence} to ${rows[0].reader}`)
    const from = folder.path(`${level}-granted`)
    await tenancy.backup('counted', { to: from })
    await tenancy.restore('recounted', { from })
    const copy = await root.query(`select last_value from ${level}_recounted.theirs`)
    expect(copy.rows).toEqual([{ last_value: '1' }])
  },
)

it.each((['schema', 'role', 'database'] as const).filter((level) => hasTurn(level, ['role'])))(
  'level %s: doctor finds what would stop a backup before it does, and its advice lets the backup pass',
  async (level) => {
    const tenancy = setting.tenancy(level)
    const { adminRole, appRole } = setting.world
    await tenancy.provision('looked')
    const schema = setting.schemaOf(level, 'looked')
    const asRoot = (sql: string) => setting.rootAt(level, 'looked', sql)
    const found = async () => {
      const { findings } = await tenancy.doctor()
      return findings
        .flatMap(({ code, subject }) => (code === 'FOREIGN_OWNER' ? [subject.split(': ').at(-1)] : []))
        .sort()
    }
    const attempt = (name: string) => tenancy.backup('looked', { to: folder.path(`${level}-${name}`) })
    expect(await found()).toEqual([])
    // Of a superuser: two that the tenant or the administrator may read all the same, one that policies hide, one of nobody here.
    const { rows } = await asRoot(
      `select relowner::regrole::text as owner from pg_class where oid = '${schema}.notes'::regclass`,
    )
    const owner = String(rows[0]?.owner)
    await asRoot(`create table ${schema}.read (n int); create table ${schema}.hidden (n int); create table ${schema}.theirs (n int);
      create sequence ${schema}.counted; create sequence ${schema}.administrators; alter sequence ${schema}.administrators owner to ${adminRole}; alter table ${schema}.hidden enable row level security;
      revoke all on ${schema}.theirs, ${schema}.hidden, ${schema}.counted from ${adminRole}, ${appRole}, ${owner};
      grant select on ${schema}.read, ${schema}.hidden to ${owner}`)
    expect(await codeOf(attempt('refused'))).toBe('CONFLICT')
    // What the administrator made, the tenant may not read; at level `schema` the administrator reads all.
    const wrong = [...(level === 'schema' ? [] : ['administrators']), 'counted', 'hidden', 'theirs'].map(
      (name) => `${schema}.${name}`,
    )
    expect(await found()).toEqual(wrong)
    await asRoot(`alter table ${schema}.theirs owner to ${owner}; alter table ${schema}.hidden owner to ${owner};
      alter sequence ${schema}.counted owner to ${owner}; alter sequence ${schema}.administrators owner to ${owner}`)
    expect(await found()).toEqual([])
    expect((await attempt('passes')).tables.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['read', 'hidden', 'theirs']),
    )
  },
)
