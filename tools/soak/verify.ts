import type { SoakDatabase } from './database.ts'
import type { Findings } from './findings.ts'
import { HAD } from './hostile-schema.ts'
import { type Ledger, STATE } from './ledger.ts'
import { CHURN_KEY, GHOST_KEYS, type Tenant } from './tenants.ts'

/** What became of the operations whose outcome nobody was told. */
export interface UnknownOutcomes {
  committed: number
  rolledBack: number
}

/** What is compared with what. */
export interface Verification {
  readonly database: Pick<SoakDatabase, 'admin' | 'rowsOf'>
  readonly tenants: readonly Tenant[]
  readonly ledger: Ledger
  /** Number after the epoch's last operation. */
  readonly next: number
  /** Operations that counted a counter up → their tenant. */
  readonly counted: ReadonlyMap<number, number>
  readonly findings: Findings
}

/** Operation → mask of the parts found. */
type Found = Map<number, number>

/**
 * Compares every tenant's tables with the ledger, as an administrator who sees everything, and empties them.
 * Nothing else may be running.
 */
export async function verify(what: Verification): Promise<UnknownOutcomes> {
  const { database, tenants, findings } = what
  const found: Found = new Map()
  for (const tenant of tenants) await readTenant(what, tenant, found)
  await readPublic(database, findings)
  await readChurn(database, findings)
  const unknown = compare(what, found)
  await compareCounters(what, found)
  for (const { key } of tenants) {
    const { pool, schema, own } = database.rowsOf(key)
    const empty =
      own === 'true' ? `truncate "${schema}".soak_row` : `delete from "${schema}".soak_row where ${own}`
    await pool.query(`${empty}; update "${schema}".soak_counter set v = 0 where ${own}`)
  }
  return unknown
}

async function readTenant(
  { database, ledger, findings }: Verification,
  tenant: Tenant,
  found: Found,
): Promise<void> {
  const { pool, schema, own } = database.rowsOf(tenant.key)
  const { rows } = await pool.query({
    text: `select op::int, bit_or(1 << part), bool_and(tenant = $1) from "${schema}".soak_row where ${own} group by op`,
    values: [tenant.key],
    rowMode: 'array',
  })
  for (const [op, mask, mine] of rows as [number, number, boolean][]) {
    const entry = ledger.entry(op)
    if (!mine || (entry && entry.tenant !== tenant.index)) {
      findings.add('leak', `op ${op} (${entry?.kind}): a row of another tenant in the table of ${tenant.key}`)
    } else if (!entry) {
      findings.add('rejected-but-committed', `op ${op}: written after its epoch had been verified`)
    }
    if (found.has(op)) findings.add('leak', `op ${op} (${entry?.kind}): rows in two tenants' tables`)
    found.set(op, mask)
  }
}

/** Its database has gone, and with it all that was in it. */
const NOT_THERE = { rows: [{ there: false }] }

type Database = Verification['database']

async function readPublic({ admin }: Database, findings: Findings): Promise<void> {
  const { rows } = await admin.query('select tenant, op from public.soak_row')
  for (const { tenant, op } of rows) findings.add('leak', `op ${op}: a row of ${tenant} in schema public`)
  await admin.query('truncate public.soak_row')
}

/** The tenant that comes and goes may be gone just now; those never provisioned must not have appeared. */
async function readChurn({ admin, rowsOf }: Database, findings: Findings): Promise<void> {
  const schemas = GHOST_KEYS.map((key) => `c_${key}`)
  const ghosts = await admin.query('select nspname from pg_namespace where nspname = any($1)', [schemas])
  for (const { nspname } of ghosts.rows) findings.add('leak', `schema ${nspname} has appeared`)
  const had = await admin.query('select from pg_namespace where nspname = $1', [HAD])
  if (had.rowCount !== 0) findings.add('leak', 'code that a tenant planted ran as the administrator')
  const { pool, schema, own } = rowsOf(CHURN_KEY)
  const churn = await pool
    .query(`select to_regclass('${schema}.soak_row') is not null as there`)
    .catch(() => NOT_THERE)
  if (!churn.rows[0].there) return
  const { rows } = await pool.query(
    `select tenant, op from "${schema}".soak_row where ${own} and tenant <> $1`,
    [CHURN_KEY],
  )
  for (const { tenant, op } of rows)
    findings.add('leak', `op ${op}: a row of ${tenant} in the table of ${CHURN_KEY}`)
}

/** Each operation against what its caller was told. */
function compare({ ledger, next, findings }: Verification, found: Found): UnknownOutcomes {
  const unknown = { committed: 0, rolledBack: 0 }
  for (let op = ledger.first; op < next; op++) {
    const entry = ledger.entry(op)
    if (!entry || entry.state === STATE.exempt) continue
    const { state, must, may, kind, told } = entry
    const mask = found.get(op) ?? 0
    const allThere = (mask & must) === must
    const complete = allThere && (mask & ~(must | may)) === 0
    const what = () =>
      `op ${op} (${kind}): rows ${mask.toString(2)}, written ${must.toString(2)}, told: ${told}`
    if (state === STATE.acked && !complete) {
      findings.add(allThere ? 'rejected-but-committed' : 'lost', what())
    } else if (state === STATE.rejected && mask !== 0) {
      findings.add('rejected-but-committed', what())
    } else if (state === STATE.unknown || state === STATE.running) {
      if (mask !== 0 && !complete) findings.add('lost', `${what()}; committed in part`)
      if (mask === 0) unknown.rolledBack++
      else unknown.committed++
    }
  }
  return unknown
}

/** Each tenant's counters hold exactly the increments of the operations whose row is there: none lost or repeated. */
async function compareCounters(
  { database, tenants, counted, findings }: Verification,
  found: Found,
): Promise<void> {
  const expected = new Map<number, number>()
  for (const [op, tenant] of counted) {
    if (found.has(op)) expected.set(tenant, (expected.get(tenant) ?? 0) + 1)
  }
  for (const { index, key } of tenants) {
    const { pool, schema, own } = database.rowsOf(key)
    const { rows } = await pool.query(`select sum(v)::int as sum from "${schema}".soak_counter where ${own}`)
    const should = expected.get(index) ?? 0
    if (rows[0].sum !== should)
      findings.add('lost', `counters of ${key} sum up to ${rows[0].sum}, expected ${should}`)
  }
}
