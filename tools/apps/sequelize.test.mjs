import {
  DataTypes,
  ForeignKeyConstraintError,
  Sequelize,
  Transaction,
  UniqueConstraintError,
} from 'sequelize'
import { ACME, assert, end, GLOBEX, no, tenancy, test, times } from './world.mjs'

const schemaOf = (key) => ({ schema: tenancy.schemaOf(key) })
const make = (key, more = {}) =>
  new Sequelize({
    dialect: 'postgres',
    dialectModule: tenancy.pg(key),
    ...schemaOf(key),
    define: schemaOf(key),
    logging: false,
    ...more,
  })
function models(sequelize) {
  const User = sequelize.define('User', {
    email: { type: DataTypes.STRING, unique: true },
    tags: DataTypes.JSONB,
    roles: DataTypes.ARRAY(DataTypes.STRING),
    at: DataTypes.DATE,
    kind: DataTypes.ENUM('a', 'b'),
  })
  const Post = sequelize.define('Post', { title: { type: DataTypes.STRING, allowNull: false } })
  User.hasMany(Post, { foreignKey: 'userId', as: 'posts', onDelete: 'CASCADE' })
  Post.belongsTo(User, { foreignKey: 'userId', as: 'user' })
  return { User, Post }
}

const sequelize = make(ACME)
const { User, Post } = models(sequelize)
const within = (fn, options = {}) => sequelize.transaction(options, fn)
const add = (email, transaction) => User.create({ email }, { transaction })
const nested = (transaction) => ({ transaction, nestMode: 'savepoint' })

test('Sequelize', async (t) => {
  await t.test('authenticates and synchronizes, again and by altering', async () => {
    await sequelize.authenticate()
    await sequelize.sync()
    await sequelize.sync()
    await sequelize.sync({ alter: true })
  })
  await t.test('creates and reads with relations, JSON, arrays, dates and enums', async () => {
    const posts = [{ title: 'p1' }, { title: 'p2' }]
    const values = { email: 'a@x', tags: { a: 1 }, roles: ['r', 's'], at: new Date(0), kind: 'a' }
    await User.create({ ...values, posts }, { include: ['posts'] })
    const user = await User.findOne({ where: { email: 'a@x' }, include: ['posts'] })
    assert.equal(user.posts.length, 2)
    assert.deepEqual([user.tags, user.roles, user.at.getTime()], [{ a: 1 }, ['r', 's'], 0])
  })
  await t.test('knows violations by their classes and fields', async () => {
    await assert.rejects(
      User.create({ email: 'a@x' }),
      (error) => error instanceof UniqueConstraintError && 'email' in error.fields,
    )
    await assert.rejects(Post.create({ title: 't', userId: 999 }), ForeignKeyConstraintError)
  })
  await t.test('commits, rolls back, nests', async () => {
    await within((outer) => add('b@x', outer))
    await assert.rejects(
      within(async (outer) => {
        await add('c@x', outer)
        no()
      }),
      /no/,
    )
    assert.equal(await User.count(), 2)
    await within(async (outer) => {
      await add('d@x', outer)
      await within(async (inner) => {
        await add('e@x', inner)
        no()
      }, nested(outer)).catch(() => {})
      await within((inner) => add('f@x', inner), nested(outer))
      await within((inner) => add('a@x', inner), nested(outer)).catch(() => {})
      await add('g@x', outer)
    })
    assert.equal(await User.count(), 5)
  })
  await t.test('has isolation levels and locks', async () => {
    await within(
      async (transaction) => {
        const [[row]] = await sequelize.query(`select current_setting('transaction_isolation') as level`, {
          transaction,
        })
        assert.equal(row.level, 'serializable')
      },
      { isolationLevel: Transaction.ISOLATION_LEVELS.SERIALIZABLE },
    )
    await within((transaction) =>
      User.findOne({ where: { email: 'a@x' }, lock: transaction.LOCK.UPDATE, transaction }),
    )
  })
  await t.test('finds or creates, upserts, creates many', async () => {
    const [, made] = await User.findOrCreate({ where: { email: 'h@x' } })
    const [, again] = await User.findOrCreate({ where: { email: 'h@x' } })
    assert.deepEqual([made, again], [true, false])
    await User.upsert({ email: 'a@x', kind: 'b' })
    assert.equal((await User.findOne({ where: { email: 'a@x' } })).kind, 'b')
    await User.bulkCreate(Array.from({ length: 10 }, (_, at) => ({ email: `k${at}@x` })))
    assert.equal(await User.count(), 16)
  })
  await t.test('runs SQL with replacements and binds', async () => {
    const [rows] = await sequelize.query('select count(*)::int n from "Users" where email like :p', {
      replacements: { p: 'k%' },
    })
    const [sum] = await sequelize.query('select $1::int + 1 as n', { bind: [1] })
    assert.deepEqual([rows[0].n, sum[0].n], [10, 2])
  })
  await t.test('migrates by its query interface', async () => {
    const queries = sequelize.getQueryInterface()
    const extras = { tableName: 'extras', ...schemaOf(ACME) }
    await queries.createTable(extras, { id: { type: DataTypes.INTEGER, primaryKey: true } })
    await queries.addColumn(extras, 'm', { type: DataTypes.STRING })
    await queries.addIndex(extras, ['m'])
    assert('m' in (await queries.describeTable(extras)))
    await queries.dropTable(extras)
  })
  await t.test('sets a time zone', async () => {
    const zoned = make(ACME, { timezone: '-03:00' })
    const [[row]] = await zoned.query(`select '2020-01-01T00:00:00Z'::timestamptz::text as t`)
    assert.match(row.t, /2019-12-31 21:00:00-03/)
    await zoned.close()
  })
  await t.test('serves twenty at once', async () => {
    await times(20, (at) => within((transaction) => add(`p${at}@x`, transaction)))
    assert.equal(await User.count(), 36)
    await User.destroy({ where: { email: 'a@x' } })
    assert.equal(await Post.count(), 0)
  })
  await t.test('sees nothing of another tenant', async () => {
    const other = make(GLOBEX)
    const { User: Others } = models(other)
    await other.sync()
    assert.equal(await Others.count(), 0)
    await other.close()
  })
  await sequelize.sync({ force: true })
  await sequelize.close()
  await end()
})
