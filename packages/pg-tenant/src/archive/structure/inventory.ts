import type { Admin } from '../../admin/transaction.ts'
import type { Place } from '../place.ts'
import { underPath } from '../under-path.ts'
import * as code from './code-sql.ts'
import type { FamilyTable } from './families.ts'
import { INVENTORY } from './inventory-sql.ts'
import * as rules from './rules-sql.ts'
import type { StructureNode } from './statement.ts'
import * as tables from './tables-sql.ts'
import * as types from './types-sql.ts'
import { together } from './types-sql.ts'

/** An object of a schema: the oid of its catalogue, its own, and letters that say what there may be to read of it. */
interface Member {
  readonly class: number
  readonly oid: string
  /** Of relations alone. */
  readonly name: string
  readonly traits: string
}

/** Oids of the catalogues themselves, the same on every server. */
const OID = {
  pg_type: 1247,
  pg_collation: 3456,
  pg_proc: 1255,
  pg_operator: 2617,
  pg_cast: 2605,
  pg_ts_dict: 3600,
  pg_ts_config: 3602,
  pg_class: 1259,
  pg_statistic_ext: 3381,
  pg_default_acl: 826,
} as const

/** A query over members of one catalogue, and which of them it is for. */
type Source = readonly [sql: string, where?: RegExp]

// Every query is parsed and planned, and one of all of them costs three times what they cost apart: it is copied as a whole again
// and again while it is planned. Those of a group are one message.
const GROUPS: readonly (readonly [catalogue: number, sources: readonly Source[]])[] = [
  [
    OID.pg_type,
    [
      [types.ENUMS, /^e/],
      [types.COMPOSITES, /^c/],
      [types.DOMAINS, /^d/],
      [types.DOMAIN_CHECKS, /^d/],
      [types.RANGE_SHELLS, /^r/],
      [types.RANGES, /^r/],
      [rules.PRIVILEGES_ON_TYPES],
    ],
  ],
  [OID.pg_collation, [[types.COLLATIONS]]],
  [
    OID.pg_proc,
    [
      [code.FUNCTIONS, /^[fpw]$/],
      [code.ROLES_OF_FUNCTIONS, /^[fpw]$/],
      [code.AGGREGATES, /^a$/],
    ],
  ],
  [OID.pg_proc, [[rules.PRIVILEGES_ON_FUNCTIONS], [rules.FUNCTIONS_WITH_EXTENSION, /^[fpw]$/]]],
  [OID.pg_operator, [[code.OPERATORS]]],
  [OID.pg_cast, [[code.CASTS]]],
  [OID.pg_ts_dict, [[code.DICTIONARIES]]],
  [OID.pg_ts_config, [[code.CONFIGURATIONS]]],
  [
    OID.pg_class,
    [
      [tables.SEQUENCES, /^S/],
      [tables.RENAMED_SEQUENCES, /^S/],
      [tables.OWNED_BY, /^S/],
      [tables.TABLES, /^[rp]/],
      [tables.COLUMN_STATE, /^[rpm]/],
      [tables.DEFAULTS, /^[rpvf]/],
      [tables.CONSTRAINTS, /^[rp]/],
      [tables.VALIDATED, /^[rp]/],
      [tables.INDEXES, /^[rpm]/],
      [tables.TABLE_STATE, /^[rpm]/],
    ],
  ],
  [
    OID.pg_class,
    [
      [tables.VIEWS, /^[vm]/],
      [tables.REFRESH, /^m/],
      [tables.ATTACHED, /^.+P/],
      [tables.ATTACHED_INDEXES, /^.+P/],
      [rules.TRIGGERS, /^.+T/],
      [rules.RULES, /^[rpvm]/],
      [rules.POLICIES, /^[rp]/],
      [rules.ROW_SECURITY, /^.+R/],
      [rules.PRIVILEGES_ON_RELATIONS],
      [rules.COLUMN_PRIVILEGES],
      [rules.RELATIONS_WITH_EXTENSION, /^(?:[rpm]|.+T)/],
    ],
  ],
  [OID.pg_statistic_ext, [[tables.STATISTICS]]],
  [
    OID.pg_default_acl,
    [
      [rules.DEFAULT_PRIVILEGES, /^h/],
      [rules.DEFAULT_PRIVILEGES_EVERYWHERE, /^e/],
    ],
  ],
]

const ofClass = (found: readonly Member[], catalogue: number) =>
  found.filter((member) => member.class === catalogue)
const oidsOf = (members: readonly Member[]) => members.map(({ oid }) => oid)

export async function readInventory(admin: Admin, { schema, ours, owner = '' }: Place): Promise<Member[]> {
  return await admin.run<Member>(INVENTORY, [schema, [...ours], owner])
}

export async function readNodes(
  admin: Admin,
  { schema, searchPath, owner = '' }: Place,
  found: readonly Member[],
  application: string,
): Promise<StructureNode[]> {
  const nodes: StructureNode[] = []
  for (const [catalogue, sources] of GROUPS) {
    const wanted = (where: RegExp | undefined) => (member: Member) => where?.test(member.traits) ?? true
    const asked = sources.filter(([, where]) => ofClass(found, catalogue).some(wanted(where)))
    const members = ofClass(found, catalogue).filter((one) => asked.some(([, where]) => wanted(where)(one)))
    if (asked.length === 0) continue
    const sql = together(asked.map(([text]) => text))
    const values = [schema, searchPath, oidsOf(members), owner, application]
    nodes.push(...(await underPath<StructureNode>(admin, sql, values)))
  }
  return nodes
}

export async function readFamilies(
  admin: Admin,
  { schema, searchPath }: Place,
  found: readonly Member[],
): Promise<FamilyTable[]> {
  const oids = oidsOf(ofClass(found, OID.pg_class))
  return await underPath<FamilyTable>(admin, tables.FAMILIES, [schema, searchPath, oids])
}
