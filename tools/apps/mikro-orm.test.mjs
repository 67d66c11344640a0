import {
  EntitySchema,
  ForeignKeyConstraintViolationException,
  IsolationLevel,
  LockMode,
  UniqueConstraintViolationException,
} from '@mikro-orm/core'
import { Migration, Migrator } from '@mikro-orm/migrations'
import { MikroORM } from '@mikro-orm/postgresql'
import { ACME, assert, end, GLOBEX, no, tenancy, test, times } from './world.mjs'

const User = new EntitySchema({
  name: 'User',
  properties: {
    id: { type: 'number', primary: true, autoincrement: true },
    email: { type: 'string', unique: true },
    tags: { type: 'json', nullable: true },
    at: { type: 'Date', nullable: true },
    version: { type: 'number', version: true },
    posts: { kind: '1:m', entity: () => 'Post', mappedBy: 'author' },
  },
})
const Post = new EntitySchema({
  name: 'Post',
  properties: {
    id: { type: 'number', primary: true, autoincrement: true },
    title: { type: 'string' },
    author: { kind: 'm:1', entity: () => 'User', deleteRule: 'cascade' },
  },
})
class First extends Migration {
  async up() {
    this.addSql('create table extra (id serial primary key, n int)')
  }
  async down() {
    this.addSql('drop table extra')
  }
}
const make = (key) =>
  MikroORM.init({
    // Nothing connects to it; the name of the database is read from it.
    clientUrl: process.env.DATABASE_URL,
    driverOptions: { Client: tenancy.pg(key, { errors: 'pg' }).Client },
    schema: tenancy.schemaOf(key),
    schemaGenerator: { skipTables: [/^_tenant/], disableForeignKeys: false },
    migrations: { migrationsList: [{ name: 'First', class: First }], snapshot: false, silent: true },
    entities: [User, Post],
    extensions: [Migrator],
    allowGlobalContext: true,
    pool: { min: 0, max: 5 },
  })

/** It asks to create a schema that it does not own, because `information_schema` does not show it. */
const changes = async (one) =>
  (await one.schema.getUpdateSchemaSQL({ wrap: false })).replace(/^create schema .*$/gm, '').trim()
const update = async (one, key) => tenancy.pool(key).query(await changes(one))

const orm = await make(ACME)
const em = () => orm.em.fork()
const count = () => em().count('User')
const add = (e, email) => {
  e.create('User', { email, version: 1 })
  return e.flush()
}

test('MikroORM', async (t) => {
  await t.test('makes its schema, and finds nothing to change then', async () => {
    await update(orm, ACME)
    assert.equal(await changes(orm), '')
  })
  await t.test('migrates up and down', async () => {
    await orm.migrator.up()
    await orm.migrator.down()
    await orm.migrator.up()
    assert.equal((await orm.migrator.getExecuted()).length, 1)
  })
  await t.test('persists and populates, with JSON and dates', async () => {
    const e = em()
    const author = e.create('User', { email: 'a@x', tags: { a: 1 }, at: new Date(0), version: 1 })
    for (const title of ['p1', 'p2']) e.create('Post', { title, author })
    await e.flush()
    const [user] = await em().find('User', {}, { populate: ['posts'] })
    assert.deepEqual([user.posts.length, user.tags, user.at.getTime()], [2, { a: 1 }, 0])
  })
  await t.test('knows violations by their classes', async () => {
    await assert.rejects(add(em(), 'a@x'), UniqueConstraintViolationException)
    await assert.rejects(
      em().insert('Post', { title: 't', author: 999 }),
      ForeignKeyConstraintViolationException,
    )
  })
  await t.test('commits, rolls back, nests', async () => {
    await em().transactional((e) => add(e, 'b@x'))
    await assert.rejects(
      em().transactional(async (e) => {
        await add(e, 'c@x')
        no()
      }),
      /no/,
    )
    await em().transactional(async (e) => {
      await add(e, 'd@x')
      await e
        .transactional(async (inner) => {
          await add(inner, 'e@x')
          no()
        })
        .catch(() => {})
      await e.transactional((inner) => add(inner, 'f@x'))
    })
    await em().transactional(async (e) => {
      await e.transactional((inner) => add(inner, 'a@x')).catch(() => {})
      await add(e.fork({ keepTransactionContext: true, clear: true }), 'g@x')
    })
    assert.equal(await count(), 5)
  })
  await t.test('has isolation levels, read only, locks', async () => {
    await em().transactional(
      async (e) => {
        const context = e.getTransactionContext()
        const [row] = await e.getConnection().execute('show transaction_isolation', [], 'all', context)
        assert.equal(row.transaction_isolation, 'serializable')
      },
      { isolationLevel: IsolationLevel.SERIALIZABLE },
    )
    await assert.rejects(
      em().transactional((e) => add(e, 'ro@x'), { readOnly: true }),
      /read-only/,
    )
    const e = em()
    const user = await e.findOneOrFail('User', { email: 'b@x' })
    user.tags = { b: 2 }
    await e.flush()
    assert.equal(user.version, 2)
    await em().transactional((e) =>
      e.findOne('User', { email: 'b@x' }, { lockMode: LockMode.PESSIMISTIC_WRITE }),
    )
  })
  await t.test('upserts, builds queries, streams', async () => {
    await em().upsert('User', { email: 'b@x', tags: { c: 3 }, version: 1 })
    const found = await em()
      .createQueryBuilder('Post', 'p')
      .leftJoin('p.author', 'a')
      .where({ 'a.email': 'a@x' })
      .getCount()
    let streamed = 0
    for await (const _ of em().stream('User', {})) streamed++
    assert.deepEqual([await count(), found, streamed], [5, 2, 5])
  })
  await t.test('serves twenty at once, and removes with cascades', async () => {
    await times(20, (at) => em().transactional((e) => add(e, `p${at}@x`)))
    assert.equal(await count(), 25)
    await em().nativeDelete('User', { email: 'a@x' })
    assert.equal(await em().count('Post'), 0)
  })
  await t.test('sees nothing of another tenant', async () => {
    const other = await make(GLOBEX)
    await update(other, GLOBEX)
    assert.equal(await other.em.fork().count('User'), 0)
    await other.close(true)
  })
  await orm.close(true)
  await end()
})
