import { AsyncLocalStorage } from 'node:async_hooks'
import { perTenant } from '@org/pg-tenant'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { PrismaClient } from './generated/client.ts'
import { ACME, assert, end, GLOBEX, no, tenancy, test, times } from './world.mjs'

const DDL = `create type "Kind" as enum ('a', 'b');
create table "User" (id serial primary key, email text not null unique, tags jsonb, at timestamp(3) not null default now(),
  kind "Kind" not null default 'a', roles text[], big bigint, dec decimal(65,30), bin bytea);
create table "Post" (id serial primary key, title text not null,
  "authorId" int not null references "User" (id) on delete cascade on update cascade)`
const clients = perTenant(
  (key) => new PrismaClient({ adapter: new PrismaPg(tenancy.pool(key), { schema: tenancy.schemaOf(key) }) }),
  { max: 50, close: (client) => client.$disconnect() },
)
const add = (client, email) => client.user.create({ data: { email } })
for (const key of [ACME, GLOBEX]) await tenancy.pool(key).query(DDL)

test('Prisma, a client for each tenant', (t) =>
  clients.use(ACME, async (prisma) => {
    await t.test('creates and reads every type, with relations', async () => {
      await prisma.user.create({
        data: {
          ...{ email: 'a@x', tags: { a: 1 }, roles: ['r', 's'], big: 2n ** 60n, dec: '1.5' },
          bin: Buffer.from('hi'),
          posts: { create: [{ title: 'p1' }, { title: 'p2' }] },
        },
      })
      const user = await prisma.user.findUniqueOrThrow({ where: { email: 'a@x' }, include: { posts: true } })
      assert.deepEqual([user.tags, user.roles, user.big], [{ a: 1 }, ['r', 's'], 2n ** 60n])
      assert.deepEqual([user.dec.toString(), Buffer.from(user.bin).toString()], ['1.5', 'hi'])
      assert(user.at instanceof Date)
      assert.equal(user.posts.length, 2)
    })
    await t.test('knows violations by their codes and fields', async () => {
      await assert.rejects(
        add(prisma, 'a@x'),
        (error) => error.code === 'P2002' && /email/.test(JSON.stringify(error.meta)),
      )
      await assert.rejects(prisma.post.create({ data: { title: 't', authorId: 999 } }), { code: 'P2003' })
      await assert.rejects(prisma.user.update({ where: { id: 999 }, data: { email: 'z' } }), {
        code: 'P2025',
      })
    })
    await t.test('commits and rolls back, interactively and in batches', async () => {
      await prisma.$transaction((tx) => add(tx, 'b@x'))
      await assert.rejects(
        prisma.$transaction(async (tx) => {
          await add(tx, 'c@x')
          no()
        }),
        /no/,
      )
      await prisma.$transaction([add(prisma, 'd@x'), add(prisma, 'e@x')])
      await assert.rejects(prisma.$transaction([add(prisma, 'f@x'), add(prisma, 'a@x')]))
      assert.equal(await prisma.user.count(), 4)
    })
    await t.test('has isolation levels, and its own timeout rolls back', async () => {
      await prisma.$transaction(
        async (tx) => {
          const [row] = await tx.$queryRaw`select current_setting('transaction_isolation') as level`
          assert.equal(row.level, 'serializable')
        },
        { isolationLevel: 'Serializable' },
      )
      const slow = prisma.$transaction(
        async (tx) => {
          await add(tx, 'slow@x')
          await tx.$queryRaw`select 1 from pg_sleep(0.5)`
          await add(tx, 'slow2@x')
        },
        { timeout: 200 },
      )
      await assert.rejects(slow)
      assert.equal(await prisma.user.count(), 4)
    })
    await t.test('runs SQL, upserts, groups, batches', async () => {
      assert.equal(await prisma.$executeRaw`update "User" set kind = 'b' where email = ${'b@x'}`, 1)
      assert.deepEqual(await prisma.$queryRaw`select email from "User" where kind = 'b'`, [{ email: 'b@x' }])
      await prisma.user.upsert({ where: { email: 'b@x' }, create: { email: 'b@x' }, update: { kind: 'a' } })
      await prisma.user.createMany({ data: [{ email: 'm1' }, { email: 'm2' }], skipDuplicates: true })
      assert((await prisma.user.groupBy({ by: ['kind'], _count: true })).length > 0)
      const found = await Promise.all(
        ['a@x', 'b@x', 'zz'].map((email) => prisma.user.findUnique({ where: { email } })),
      )
      assert.deepEqual(
        found.map((user) => user?.email),
        ['a@x', 'b@x', undefined],
      )
    })
    await t.test('serves twenty at once, and deletes with cascades', async () => {
      await times(20, (at) =>
        prisma.$transaction((tx) => add(tx, `k${at}@x`), { maxWait: 60_000, timeout: 60_000 }),
      )
      assert.equal(await prisma.user.count(), 26)
      await prisma.user.delete({ where: { email: 'a@x' } })
      assert.equal(await prisma.post.count(), 0)
    })
    await t.test('keeps tenants apart, also in one tick', async () => {
      await clients.use(GLOBEX, (other) => add(other, 'only@globex'))
      const where = { email: 'only@globex' }
      const both = [ACME, GLOBEX].map((key) => clients.use(key, (one) => one.user.findUnique({ where })))
      assert.deepEqual(
        (await Promise.all(both)).map((user) => user?.email),
        [undefined, 'only@globex'],
      )
    })
  }))

/** Looks the tenant up at each query, as the recipes of the web have it, and leaves the path to say whose table it is. */
class CurrentPool extends pg.Pool {
  static tenant = new AsyncLocalStorage()
  static schema = tenancy.schemaOf(ACME)
  #of() {
    return tenancy.pool(CurrentPool.tenant.getStore())
  }
  #unqualified(query) {
    return { ...query, text: query.text.replaceAll(`"${CurrentPool.schema}".`, '') }
  }
  query(query, values) {
    return this.#of().query(this.#unqualified(query), values)
  }
}

// The control: `findUnique` calls of one tick are one query, in the first caller's context.
test('one Prisma client over AsyncLocalStorage answers one tenant with another’s rows', async () => {
  const shared = new PrismaClient({
    adapter: new PrismaPg(new CurrentPool(), { schema: CurrentPool.schema }),
  })
  const where = { email: 'only@globex' }
  const ask = (key) =>
    CurrentPool.tenant.run(key, async () => (await shared.user.findUnique({ where }))?.email)
  assert.deepEqual([await ask(ACME), await ask(GLOBEX)], [undefined, 'only@globex'])
  // What acme gets in one tick with globex; once this fails, Prisma keeps contexts apart, and the recipe may say so.
  const [, acme] = await Promise.all([ask(GLOBEX), ask(ACME)])
  assert.equal(acme, 'only@globex')
  await shared.$disconnect()
})

test('at the end', async () => {
  await clients.close()
  await end()
})
