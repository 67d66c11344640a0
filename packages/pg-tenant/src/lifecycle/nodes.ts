/** What one node of the cluster said. */
export interface NodeAnswer {
  /** `host:port`, as Citus knows it. */
  readonly node: string
  readonly group: number
  /** The one value of the query there, as text; `undefined` where it could not be asked. */
  readonly value: string | undefined
}

type Run = (sql: string, values: readonly unknown[]) => Promise<readonly object[]>

// $1 the query, of one row and one column.
const ASK = `select n.nodename || ':' || n.nodeport as node, n.groupid as "group", a.success, a.result
  from pg_catalog.run_command_on_all_nodes($1) a join pg_catalog.pg_dist_node n on n.nodeid = a.nodeid order by 1`

/** Asks every node of a Citus cluster the same, at once, as the role that asks. One that cannot be reached does not make it fail. */
export async function askNodes(run: Run, query: string): Promise<NodeAnswer[]> {
  const rows = (await run(ASK, [query])) as (Omit<NodeAnswer, 'value'> & {
    success: boolean
    result: string
  })[]
  return rows.map(({ node, group, success, result }) => ({
    node,
    group,
    value: success ? result : undefined,
  }))
}

/** The distributed schemas of some nodes; $1 their groups. */
export const SCHEMAS_OF_NODES = `select distinct n.nspname as schema
  from pg_catalog.pg_dist_schema d join pg_catalog.pg_namespace n on n.oid = d.schemaid
  join pg_catalog.pg_class c on c.relnamespace = n.oid join pg_catalog.pg_dist_shard s on s.logicalrelid = c.oid
  join pg_catalog.pg_dist_placement p on p.shardid = s.shardid where p.groupid = any ($1::int[])`
