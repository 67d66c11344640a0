import 'reflect-metadata'
import { DataSource, EntitySchema, QueryFailedError } from 'typeorm'
import { ACME, assert, end, GLOBEX, no, tenancy, test, times } from './world.mjs'

const User = new EntitySchema({
  name: 'User',
  tableName: 'users',
  columns: {
    id: { type: 'int', primary: true, generated: true },
    email: { type: 'varchar', unique: true },
    created: { type: 'timestamptz', createDate: true },
    tags: { type: 'jsonb', nullable: true },
    kind: { type: 'enum', enum: ['a', 'b'], default: 'a' },
    roles: { type: 'enum', enum: ['a', 'b'], array: true, default: [] },
  },
  relations: { posts: { type: 'one-to-many', target: 'Post', inverseSide: 'author', cascade: true } },
})
const Post = new EntitySchema({
  name: 'Post',
  tableName: 'posts',
  columns: {
    id: { type: 'int', primary: true, generated: true },
    title: { type: 'varchar' },
    version: { type: 'int', version: true },
  },
  relations: {
    author: { type: 'many-to-one', target: 'User', inverseSide: 'posts', onDelete: 'CASCADE' },
  },
})
class Init1700000000000 {
  name = 'Init1700000000000'
  async up(runner) {
    await runner.query('create table extra (id serial primary key, n int not null)')
    await runner.query('insert into extra (n) values (1)')
  }
  async down(runner) {
    await runner.query('drop table extra')
  }
}
const make = (key) =>
  new DataSource({
    type: 'postgres',
    driver: tenancy.pg(key, { errors: 'pg' }),
    entities: [User, Post],
    migrations: [Init1700000000000],
    installExtensions: false,
    poolSize: 5,
  })

const source = make(ACME)
const users = source.getRepository(User)
const posts = source.getRepository(Post)

test('TypeORM', async (t) => {
  await t.test('initializes and synchronizes', async () => {
    await source.initialize()
    await source.synchronize()
    const { upQueries } = await source.driver.createSchemaBuilder().log()
    assert.deepEqual(upQueries, [])
  })
  await t.test('runs migrations and reverts them', async () => {
    assert.equal((await source.runMigrations()).length, 1)
    await source.undoLastMigration()
    await source.runMigrations()
  })
  await t.test('saves with cascades and reads relations, dates, JSON, enums and arrays of them', async () => {
    const saved = await users.save({
      email: 'a@x',
      tags: ['t'],
      roles: ['a', 'b'],
      posts: [{ title: 'p1' }, { title: 'p2' }],
    })
    assert(saved.id && saved.posts[0].id)
    const [user] = await users.find({ relations: { posts: true } })
    assert.equal(user.posts.length, 2)
    assert.deepEqual([user.tags, user.roles], [['t'], ['a', 'b']])
    assert(user.created instanceof Date)
  })
  await t.test('builds queries', async () => {
    const found = await users
      .createQueryBuilder('u')
      .leftJoinAndSelect('u.posts', 'p')
      .where('p.title = :title', { title: 'p1' })
      .getMany()
    assert.equal(found.length, 1)
  })
  await t.test('knows a unique violation', () =>
    assert.rejects(
      users.insert({ email: 'a@x' }),
      (error) =>
        error instanceof QueryFailedError &&
        error.code === '23505' &&
        error.driverError.constraint !== undefined &&
        /Key \(email\)/.test(error.driverError.detail),
    ),
  )
  await t.test('commits, rolls back, nests', async () => {
    await source.transaction((m) => m.insert(User, { email: 'b@x' }))
    await assert.rejects(
      source.transaction(async (m) => {
        await m.insert(User, { email: 'c@x' })
        no()
      }),
      /no/,
    )
    assert.equal(await users.count(), 2)
    await source.transaction(async (m) => {
      await m.insert(User, { email: 'd@x' })
      await m
        .transaction(async (inner) => {
          await inner.insert(User, { email: 'e@x' })
          no()
        })
        .catch(() => {})
      await m.transaction((inner) => inner.insert(User, { email: 'f@x' }))
    })
    assert.equal(await users.count(), 4)
    await source.transaction(async (m) => {
      await m.transaction((inner) => inner.insert(User, { email: 'a@x' })).catch(() => {})
      await m.insert(User, { email: 'g@x' })
    })
    assert.equal(await users.count(), 5)
  })
  await t.test('has isolation levels and locks', async () => {
    await source.transaction('SERIALIZABLE', async (m) => {
      const [row] = await m.query('show transaction_isolation')
      assert.equal(row.transaction_isolation, 'serializable')
    })
    const post = await posts.findOneByOrFail({ title: 'p1' })
    post.title = 'p1b'
    await posts.save(post)
    assert.equal(post.version, 2)
    await source.transaction((m) =>
      m.findOne(Post, { where: { title: 'p2' }, lock: { mode: 'pessimistic_write' } }),
    )
  })
  await t.test('runs a transaction by hand', async () => {
    const runner = source.createQueryRunner()
    await runner.connect()
    await runner.startTransaction()
    await runner.manager.insert(User, { email: 'h@x' })
    await runner.rollbackTransaction()
    await runner.release()
    assert.equal(await users.count(), 5)
  })
  await t.test('upserts', async () => {
    await users.upsert({ email: 'a@x', kind: 'b' }, ['email'])
    assert.equal((await users.findOneByOrFail({ email: 'a@x' })).kind, 'b')
  })
  await t.test('streams', async () => {
    let seen = 0
    for await (const _ of await users.createQueryBuilder('u').stream()) seen++
    assert.equal(seen, 5)
  })
  await t.test('changes the schema', async () => {
    const runner = source.createQueryRunner()
    await runner.query('alter table posts add column note text')
    const table = await runner.getTable('posts')
    assert(table.findColumnByName('note'))
    await runner.release()
  })
  await t.test('serves twenty at once', async () => {
    await times(20, (at) => source.transaction((m) => m.insert(User, { email: `p${at}@x` })))
    assert.equal(await users.count(), 25)
    await users.delete({ email: 'a@x' })
    assert.equal(await posts.count(), 0)
  })
  await t.test('sees nothing of another tenant', async () => {
    const other = make(GLOBEX)
    await other.initialize()
    await assert.rejects(other.getRepository(User).count(), /does not exist/)
    await other.synchronize()
    assert.equal(await other.getRepository(User).count(), 0)
    await other.destroy()
  })
  await source.destroy()
  await end()
})
