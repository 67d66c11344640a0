import { readFile, writeFile } from 'node:fs/promises'
import { ACME, assert, end, GLOBEX, tenancy, test } from './world.mjs'

// The blocks for tRPC and Yoga, as they stand: requests of two tenants at once, and what errors say.

const page = await readFile('trpc-graphql.md', 'utf8')
const GIVEN = `import { tenancy } from './world.mjs'
const verifyToken = async (token) => ({ sub: 'ana', type: 'user', tenantId: token })
`
const recipe = async (heading, name) => {
  const [, code = ''] = new RegExp(`## ${heading}\n.*?\`\`\`ts\n(.*?)\`\`\``, 's').exec(page) ?? []
  await writeFile(`${name}.recipe.mjs`, `${GIVEN}${code}\nexport { ${name} }`)
  return (await import(`./${name}.recipe.mjs`))[name]
}
const request = (path, tenant, init = {}) =>
  new Request(`http://localhost${path}`, {
    ...init,
    headers: { authorization: `Bearer ${tenant}`, 'content-type': 'application/json' },
  })
const each = (fn) => Promise.all([ACME, GLOBEX].map(fn))

await each(async (key) => {
  await tenancy.query(key, 'create table notes (id serial primary key, body text not null)')
  await tenancy.query(key, 'insert into notes (body) values ($1)', [key])
})
const answers = async (ask) => {
  const found = await each(async (key) => JSON.stringify(await (await ask(key)).json()))
  found.forEach((text, at) => {
    assert(text.includes(`"body":"${[ACME, GLOBEX][at]}"`), text)
    assert(!text.includes(`"body":"${[GLOBEX, ACME][at]}"`), text)
  })
}
/** Errors are coded, in the framework's own envelope, and hold nothing of the inside. */
const refuses = async (ask) => {
  assert.equal((await ask('ghost')).status, 401)
  await tenancy.query(ACME, 'alter table notes rename column body to secret_1234')
  const failed = await ask(ACME)
  const text = await failed.text()
  assert.equal(failed.status, 500, text)
  assert.match(text, /DATABASE_ERROR|INTERNAL_ERROR/)
  assert.doesNotMatch(text, /1234|stack/)
  await tenancy.query(ACME, 'alter table notes rename column secret_1234 to body')
}

test('tRPC', async () => {
  const trpc = await recipe('tRPC', 'trpc')
  const ask = (key) => trpc(request('/trpc/notes', key))
  await answers(ask)
  await refuses(ask)
  assert.equal((await trpc(request('/trpc/nothing', ACME))).status, 404)
})

test('GraphQL (Yoga)', async () => {
  const graphql = await recipe('GraphQL \\(Yoga\\)', 'graphql')
  const post = (query) => (key) =>
    graphql(request('/graphql', key, { method: 'POST', body: JSON.stringify({ query }) }))
  await answers(post('{ notes { id body } }'))
  await refuses(post('{ notes { id body } }'))
  assert.match(await (await post('{ nothing }')(ACME)).text(), /Cannot query field/)
})

test('at the end', end)
