import type { HostileCall, Stage } from '../../src/testing/attack/hostile/index.ts'

/** What one writes for a start: the tenant's role and path by SET LOCAL, in the administrator's session. */
async function asTenant(
  { admin, targets: { role, schema } }: Stage,
  statements: readonly string[],
): Promise<void> {
  const client = await admin.connect()
  try {
    await client.query(`begin; set local role "${role}"; set local search_path to "${schema}", public`)
    for (const sql of statements) await client.query(sql)
    await client.query('commit')
    client.release()
  } catch (error) {
    client.release(true)
    throw error
  }
}

/** The control: the calls of a hand-written lifecycle. The hostile tenant must have something in each. */
export const OBVIOUS: readonly HostileCall[] = [
  {
    id: 'obvious.migrate',
    title: 'a migration in the administrator’s session',
    spoils: true,
    run: (stage) => asTenant(stage, ['update notes set body = body']),
  },
  {
    id: 'obvious.describe',
    title: 'a look at the catalogue under the tenant’s path',
    run: (stage) =>
      asTenant(stage, [
        `select relname from pg_class where relnamespace = '"${stage.targets.schema}"'::regnamespace`,
      ]),
  },
  {
    id: 'obvious.export',
    title: 'an export as text',
    run: (stage) => asTenant(stage, ['select p::text from h_cast']),
  },
  {
    id: 'obvious.plan',
    title: 'a plan over a table with an index of the tenant’s',
    run: (stage) => asTenant(stage, ['select from h_index where x = 1']),
  },
  {
    id: 'obvious.commit',
    title: 'what runs at COMMIT',
    spoils: true,
    run: (stage) => asTenant(stage, ['insert into h_again values (1)']),
  },
]
