/**
 * One object of a tenant's schema, as the statements that make it. Names are written as they read under the tenant's
 * search path; where that does not find them, behind the schema's name (see rename.ts).
 */
export interface StructureStatement {
  /** What COMMENT and GRANT call it: `table "c_acme"."notes"`; unlike that of any other. */
  readonly what: string
  /** When it is made; see {@link PHASE}. */
  readonly phase: number
  readonly sql: string
}

/**
 * The order in which a schema is made. Up to `data` tables have nothing that could run while rows come in; what an object
 * needs comes before it in any case.
 */
export const PHASE = {
  type: 10,
  code: 15,
  sequence: 20,
  table: 25,
  view: 30,
  /** Rows come in here. */
  data: 35,
  default: 40,
  check: 45,
  attach: 50,
  index: 55,
  attachIndex: 60,
  foreignKey: 65,
  state: 70,
  trigger: 75,
  security: 80,
  comment: 85,
  privilege: 90,
  refresh: 95,
  roleSetting: 97,
} as const

/** A statement with what it hangs on in the catalogue. */
export interface StructureNode extends StructureStatement {
  /** `class:oid` of the object. */
  readonly key: string
  /** Others that stand for it: its row type, the index of a constraint. */
  readonly also: readonly string[]
}
