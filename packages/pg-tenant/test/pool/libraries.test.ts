// Knex has no other way to its dialects.

import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import knex from 'knex'
import Postgres from 'knex/lib/dialects/postgres/index.js'
import { Kysely, PostgresDialect, sql } from 'kysely'
import Cursor from 'pg-cursor'
import { DataTypes, Sequelize } from 'sequelize'
import { DataSource, EntitySchema } from 'typeorm'
import { describe, expect, it } from 'vitest'
import { useWorld } from '../support/world.ts'

const world = useWorld()
const levels = (key: string) => world.tenancy().schemaOf(key)
const TENANTS = ['acme', 'globex'] as const

interface Person {
  id: number
  name: string
}

describe('Kysely', () => {
  it('runs over a tenant’s pool: queries, transactions, savepoints, streams', async () => {
    const of = (key: string) =>
      new Kysely<{ person: Person }>({
        dialect: new PostgresDialect({ pool: world.tenancy().pool(key), cursor: Cursor as never }),
      })
    const [acme, globex] = [of('acme'), of('globex')]
    for (const db of [acme, globex])
      await db.schema
        .createTable('person')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('name', 'text')
        .execute()
    await acme
      .insertInto('person')
      .values([
        { id: 1, name: 'Ann' },
        { id: 2, name: 'Bob' },
      ])
      .execute()
    await expect(
      acme.transaction().execute(async (trx) => {
        await trx.insertInto('person').values({ id: 3, name: 'gone' }).execute()
        throw new RangeError('mine')
      }),
    ).rejects.toBeInstanceOf(RangeError)
    const trx = await acme.startTransaction().setIsolationLevel('serializable').execute()
    await trx.insertInto('person').values({ id: 4, name: 'Cat' }).execute()
    const inner = await trx.savepoint('here').execute()
    await expect(inner.insertInto('person').values({ id: 4, name: 'twice' }).execute()).rejects.toMatchObject(
      { code: '23505' },
    )
    await inner.rollbackToSavepoint('here').execute()
    await trx.commit().execute()
    const names: string[] = []
    for await (const { name } of acme.selectFrom('person').select('name').orderBy('id').stream(1))
      names.push(name)
    expect(names).toEqual(['Ann', 'Bob', 'Cat'])
    expect(await globex.selectFrom('person').selectAll().execute()).toEqual([])
    for (const db of [acme, globex]) {
      await sql`drop table person`.execute(db)
      await db.destroy()
    }
  })
})

describe('Drizzle', () => {
  const person = pgTable('person', { id: integer().primaryKey(), name: text().notNull() })

  it('runs over a tenant’s pool, with its own transactions', async () => {
    for (const key of TENANTS) {
      const pool = world.tenancy().pool(key)
      const db = drizzle(pool)
      await db.execute('create table person (id int primary key, name text not null)')
      await db.insert(person).values({ id: 1, name: key })
      await expect(
        db.transaction(async (tx) => {
          await tx.insert(person).values({ id: 2, name: 'in' })
          await tx
            .transaction(async (inner) => {
              await inner.insert(person).values({ id: 3, name: 'deep' })
              inner.rollback()
            })
            .catch(() => {})
          expect(await tx.select().from(person)).toHaveLength(2)
          throw new RangeError('mine')
        }),
      ).rejects.toBeInstanceOf(RangeError)
      expect(await db.select().from(person)).toEqual([{ id: 1, name: key }])
      await db.execute('drop table person')
      await pool.end()
    }
  })
})

describe('Knex', () => {
  it('runs over the tenant’s pg: queries, nested transactions, streams', async () => {
    const of = (key: string) => {
      const bound = world.tenancy().pg(key)
      class TenantDialect extends Postgres {
        _driver() {
          return bound
        }
      }
      return knex({ client: TenantDialect, connection: {}, pool: { min: 0, max: 4 } })
    }
    const acme = of('acme')
    await acme.schema.createTable('person', (t) => {
      t.integer('id').primary()
      t.text('name')
    })
    await acme('person').insert({ id: 1, name: 'Ann' })
    await expect(
      acme.transaction(async (trx) => {
        await trx('person').insert({ id: 2, name: 'in' })
        await trx
          .transaction(async (inner) => {
            await inner('person').insert({ id: 1, name: 'twice' })
          })
          .catch(() => {})
        expect(await trx('person').count({ n: '*' })).toEqual([{ n: '2' }])
        throw new RangeError('mine')
      }),
    ).rejects.toBeInstanceOf(RangeError)
    const seen: unknown[] = []
    for await (const row of acme('person').select('name').stream()) seen.push(row)
    expect(seen).toEqual([{ name: 'Ann' }])
    expect((await acme.raw('select current_schema() as schema')).rows).toEqual([{ schema: levels('acme') }])
    await acme.schema.dropTable('person')
    await acme.destroy()
  })
})

describe('TypeORM', () => {
  it('runs over the tenant’s pg: synchronize, relations, nested transactions', async () => {
    const Person = new EntitySchema<Person>({
      name: 'Person',
      tableName: 'person',
      columns: { id: { type: 'int', primary: true }, name: { type: 'varchar' } },
    })
    for (const key of TENANTS) {
      const source = new DataSource({
        type: 'postgres',
        driver: world.tenancy().pg(key),
        entities: [Person],
        synchronize: true,
        installExtensions: false,
        poolSize: 4,
      })
      await source.initialize()
      const people = source.getRepository(Person)
      await people.save({ id: 1, name: key })
      await source.transaction(async (manager) => {
        await manager.insert(Person, { id: 2, name: 'in' })
        await manager.transaction((inner) => inner.insert(Person, { id: 1, name: 'twice' })).catch(() => {})
      })
      expect(await people.find({ order: { id: 'ASC' } })).toEqual([
        { id: 1, name: key },
        { id: 2, name: 'in' },
      ])
      await source.query('drop table person')
      await source.destroy()
    }
  })
})

describe('Sequelize', () => {
  it('runs over the tenant’s pg', async () => {
    for (const key of TENANTS) {
      const sequelize = new Sequelize({
        dialect: 'postgres',
        dialectModule: world.tenancy().pg(key),
        schema: levels(key),
        logging: false,
      })
      const model = sequelize.define(
        'person',
        { id: { type: DataTypes.INTEGER, primaryKey: true }, name: DataTypes.TEXT },
        { timestamps: false, freezeTableName: true },
      )
      await model.sync()
      await model.create({ id: 1, name: key })
      await expect(
        sequelize.transaction(async (transaction) => {
          await model.create({ id: 2, name: 'in' }, { transaction })
          throw new RangeError('mine')
        }),
      ).rejects.toBeInstanceOf(RangeError)
      expect((await model.findAll()).map((one) => one.get({ plain: true }))).toEqual([{ id: 1, name: key }])
      await sequelize.query(`drop table "${levels(key)}"."person"`)
      await sequelize.close()
    }
  })
})
