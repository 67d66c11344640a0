import { readFile, writeFile } from 'node:fs/promises'
import { ACME, assert, end, GLOBEX, tenancy, test } from './world.mjs'

// The blocks of the recipe, as they stand, for the libraries that only this folder has.

const page = await readFile('libraries.md', 'utf8')
const recipe = async (library, name) => {
  const [, code = ''] = new RegExp(`## ${library}\n.*?\`\`\`ts\n(.*?)\`\`\``, 's').exec(page) ?? []
  await writeFile(`${name}.recipe.mjs`, `import { tenancy } from './world.mjs'\n${code}\nexport { ${name} }`)
  return (await import(`./${name}.recipe.mjs`))[name]
}
const each = (fn) => Promise.all([ACME, GLOBEX].map(fn))

test('MikroORM', async () => {
  const mikroOf = await recipe('MikroORM', 'mikroOf')
  const { EntitySchema } = await import('@mikro-orm/core')
  const Note = new EntitySchema({ name: 'Note', properties: { id: { type: 'number', primary: true } } })
  const schemas = await each(async (key) => {
    const orm = await mikroOf(key, [Note])
    const [{ schema }] = await orm.em.getConnection().execute('select current_schema() as schema')
    await orm.close(true)
    return schema
  })
  assert.deepEqual(schemas, ['c_acme', 'c_globex'])
})

test('Prisma', async () => {
  await each((key) => tenancy.pool(key).query('create table "User" (id serial primary key)'))
  await tenancy.query(GLOBEX, 'insert into "User" default values')
  const countOf = await recipe('Prisma', 'countOf')
  assert.deepEqual(await each(countOf), [0, 1])
})

test('pg-boss', async () => {
  const bossOf = await recipe('pg-boss', 'bossOf')
  const queues = await each(async (key) => {
    const boss = bossOf(key)
    await boss.start()
    await boss.createQueue(key)
    const names = (await boss.getQueues()).map(({ name }) => name)
    await boss.stop({ graceful: false, close: false })
    return names.filter((name) => !name.startsWith('__'))
  })
  assert.deepEqual(queues, [[ACME], [GLOBEX]])
})

test('at the end', end)
