import {
  createTableRelationsHelpers,
  type ExtractTablesWithRelations,
  extractTablesRelationalConfig,
  type RelationalSchemaConfig,
} from 'drizzle-orm'

/** What relational queries need to know of a schema. */
export type RelationalConfig<TSchema extends Record<string, unknown>> = RelationalSchemaConfig<
  ExtractTablesWithRelations<TSchema>
>

const configs = new WeakMap<object, RelationalConfig<Record<string, unknown>>>()

/** Analyses a schema, once: a database is made for every scope, and a large schema takes milliseconds. */
export function relationalConfigOf<TSchema extends Record<string, unknown>>(
  fullSchema: TSchema,
): RelationalConfig<TSchema> {
  const known = configs.get(fullSchema)
  if (known) return known as RelationalConfig<TSchema>
  const { tables, tableNamesMap } = extractTablesRelationalConfig<ExtractTablesWithRelations<TSchema>>(
    fullSchema,
    createTableRelationsHelpers,
  )
  const config = { fullSchema, schema: tables, tableNamesMap }
  configs.set(fullSchema, config)
  return config
}
