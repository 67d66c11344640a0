import { qualify, quoteIdentifier } from '../../../sql/identifier.ts'
import { open, settle, stopped, tell } from '../finding.ts'
import type { Finding, Lab } from '../types.ts'
import { attack, EVERY, type Scene } from './scene.ts'

/** Writes into `notes` of a tenant whose schema is not usable (any more), and looks where it went. */
async function writeAndLook({ subject, a, lab }: Scene, body: string): Promise<Finding> {
  const outcome = await settle(
    subject.withTenant(a, (db) => db.query('insert into notes (body) values ($1)', [body])),
  )
  const fell = (await lab.sharedBodies()).includes(body)
  return fell ? open('the row is in the shared schema') : stopped(`the write was ${tell(outcome)}`)
}

const missing = attack({ id: 'b.missing', title: 'schema is missing', promise: EVERY }, async (scene) => {
  await scene.lab.adminAt(scene.a, `drop schema ${quoteIdentifier(scene.lab.schemaOf(scene.a))} cascade`)
  return writeAndLook(scene, `missing ${scene.a}`)
})

const withdraw = (lab: Lab, tenant: string) =>
  `revoke all on schema ${quoteIdentifier(lab.schemaOf(tenant))} from ${quoteIdentifier(lab.memberOf(tenant))}`

const unusable = attack(
  { id: 'b.usage', title: 'USAGE on the schema is lost', promise: EVERY },
  async (scene) => {
    const { lab, a } = scene
    await lab.adminAt(a, withdraw(lab, a))
    return writeAndLook(scene, `usage ${a}`)
  },
)

const withdrawn = attack(
  { id: 'b.withdrawn', title: 'USAGE on the schema is lost while a scope is open', promise: EVERY },
  async ({ subject, a, lab }) => {
    const body = `withdrawn ${a}`
    const outcome = await settle(
      subject.withTenant(a, async (db) => {
        await db.query('select 1')
        await lab.adminAt(a, withdraw(lab, a))
        await db.query('insert into notes (body) values ($1)', [body])
      }),
    )
    const fell = (await lab.sharedBodies()).includes(body)
    return fell ? open('the row is in the shared schema') : stopped(`the scope was ${tell(outcome)}`)
  },
)

const dropped = attack(
  { id: 'b.dropped', title: 'schema is dropped while a scope is open', promise: EVERY },
  async ({ subject, a, lab }) => {
    const body = `dropped ${a}`
    const outcome = await settle(
      subject.withTenant(a, async (db) => {
        await db.query('select 1')
        await settle(
          lab.adminAt(
            a,
            `do $$ begin set local lock_timeout = 300; drop schema ${quoteIdentifier(lab.schemaOf(a))} cascade; end $$`,
          ),
        )
        await db.query('insert into notes (body) values ($1)', [body])
      }),
    )
    if ((await lab.sharedBodies()).includes(body)) return open('the row is in the shared schema')
    return stopped(outcome.ok ? 'the drop had to wait for the scope' : `the write was ${tell(outcome)}`)
  },
)

const renamed = attack(
  { id: 'b.renamed', title: 'schema is renamed while a scope is open', promise: EVERY },
  async ({ subject, a, lab }) => {
    const body = `renamed ${a}`
    const schema = lab.schemaOf(a)
    const outcome = await settle(
      subject.withTenant(a, async (db) => {
        await db.query('select 1')
        await lab.adminAt(
          a,
          `alter schema ${quoteIdentifier(schema)} rename to ${quoteIdentifier(`${schema}_away`)}`,
        )
        await db.query('insert into notes (body) values ($1)', [body])
      }),
    )
    const fell = (await lab.sharedBodies()).includes(body)
    return fell ? open('the row is in the shared schema') : stopped(`the scope was ${tell(outcome)}`)
  },
)

const created = attack(
  { id: 'b.create', title: 'CREATE TABLE IF NOT EXISTS without the schema', promise: EVERY },
  async ({ subject, a, lab }) => {
    const shared = quoteIdentifier(lab.sharedSchema)
    await lab.adminAt(a, `grant create on schema ${shared} to public`)
    await lab.adminAt(a, `drop schema ${quoteIdentifier(lab.schemaOf(a))} cascade`)
    try {
      const outcome = await settle(
        subject.withTenant(a, (db) => db.query('create table if not exists landed (id int)')),
      )
      const name = qualify(lab.sharedSchema, 'landed')
      const [found] = await lab.adminAt(a, 'select to_regclass($1) is not null as there', [name])
      if (found?.there !== true) return stopped(`the statement was ${tell(outcome)}`)
      return open('the table was created in the shared schema')
    } finally {
      await lab.adminAt(a, `revoke create on schema ${shared} from public`)
    }
  },
)

export const fallthrough = [missing, unusable, withdrawn, dropped, renamed, created]
