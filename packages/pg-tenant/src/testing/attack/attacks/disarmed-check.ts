import { qualify } from '../../../sql/identifier.ts'
import { open, settle, stopped } from '../finding.ts'
import { attack } from './scene.ts'
import { becoming, identityOf } from './take-over.ts'

const FIND_GATE = `select name into gate from pg_catalog.pg_cursors where name ~ '^pgt_gate'`

/** PL/pgSQL that has the check say what it has to say before there is anything to be said, or puts another in its place. */
const TRICKS = {
  FETCH: 'fetch gate into early',
  MOVE: 'move forward all from gate',
  'CLOSE and OPEN': 'close gate; open gate for select 0',
  'CLOSE and DECLARE': `close gate; execute format('declare %I cursor for select 0', gate::text)`,
}

const disarming = (trick: string, then: string) =>
  `declare gate refcursor; early record; begin ${FIND_GATE}; ${trick}; ${then}; end`

const TAG = '$sneak$'
const block = (body: string) => `do ${TAG} ${body} ${TAG}`
const made = (name: string, returns: string, body: string) =>
  `create function ${name}() returns ${returns} language plpgsql as ${TAG} ${body} ${TAG}`

/** SQL of PL/pgSQL. */
interface Steps {
  /** Takes the other tenant. */
  readonly take: string
  /** Gives it back. */
  readonly back: string
  /** Takes it, writes into its table, gives it back. */
  readonly forge: string
}

const deferred = (table: string, does: string): readonly string[] => [
  `create table ${table} (n integer)`,
  made(`of_${table}`, 'trigger', `begin ${does}; return null; end`),
  `create constraint trigger late after insert on ${table} deferrable initially deferred for each row execute function of_${table}()`,
]

/** Statements of one scope by name; an honest one follows. */
function ways({ take, back, forge }: Steps): Readonly<Record<string, readonly string[]>> {
  const { FETCH } = TRICKS
  const blocks = Object.entries(TRICKS).map(([name, trick]) => [
    `${name} in a DO block`,
    [block(disarming(trick, take))],
  ])
  const sneak = made('sneak', 'void', disarming(FETCH, take))
  const again = `if (select count(*) from again) < 2 then set constraints all deferred; insert into again values (2); else ${forge}; end if`
  return {
    ...Object.fromEntries(blocks),
    'FETCH in a function': [sneak, 'select sneak()'],
    'FETCH in a deferred trigger': [
      ...deferred('fetching', disarming(FETCH, forge)),
      'insert into fetching values (1)',
    ],
    'a deferred trigger that gives back what was taken': [
      ...deferred('giving', back),
      block(`begin insert into giving values (1); ${take}; end`),
    ],
    'a trigger that is deferred again': [...deferred('again', again), 'insert into again values (1)'],
    'a held cursor': [
      made('held', 'integer', `begin ${forge}; return 1; end`),
      block(`begin execute 'declare kept cursor with hold for select held()'; end`),
    ],
  }
}

/**
 * The check before COMMIT against code that runs on the session: where the connection has rights over all tenants it can be disarmed
 * from within, or comes too early. Where it has one tenant's rights alone there is nobody to become.
 */
export const disarmedCheck = attack(
  {
    id: 'o.portal',
    title: 'injected: code that disarms the check before COMMIT and goes on as another tenant',
    promise: ['login', 'database'],
  },
  async ({ subject, a, b, lab }) => {
    const [become, again] = [identityOf(lab, b), identityOf(lab, a)]
    const taken = {
      take: `perform set_config('kit.path', current_setting('search_path'), true); perform ${becoming(lab, b)}`,
      back: `perform set_config('search_path', current_setting('kit.path'), true), ${again}`,
      forge: `perform ${become}; insert into ${qualify(lab.schemaOf(b), 'notes')} (body) values ('forged'); perform ${again}`,
    }
    const reached: string[] = []
    for (const [name, statements] of Object.entries(ways(taken))) {
      const before = await lab.bodies(b)
      await settle(
        subject.withTenant(a, async (db) => {
          for (const sql of statements) await db.query(sql)
          await db.query(`insert into notes (body) values ('honest')`)
        }),
      )
      if ((await lab.bodies(b)).length > before.length) reached.push(name)
    }
    if (reached.length > 0) return open(`wrote to the other tenant by: ${reached.join(', ')}`)
    return stopped('nothing was written to the other tenant')
  },
)
