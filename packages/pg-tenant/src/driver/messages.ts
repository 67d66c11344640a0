import { serialize } from 'pg-protocol'

// PostgreSQL's extended query protocol (manual 54.2.3). A group of messages that ends in one Sync is the unit of
// safety here: after the first error the server skips everything up to the Sync, so nothing behind a failed
// opening can ever run.

const FORMAT_TEXT = false

export const SYNC: Buffer = serialize.sync()

/**
 * Where a statement that is used once is parsed. The unnamed statement is the only one that SQL cannot reach: DEALLOCATE
 * and PREPARE, which a DO block may run, need a name (manual 54.2.3, hazard z). On direct connections the gate is kept
 * there, so everything else goes through `SCRATCH`, parsed anew each time; elsewhere everything is unnamed.
 */
export type Slot = '' | typeof SCRATCH

/** The name under which statements that are used once are parsed on direct connections. */
export const SCRATCH = 'pg_tenant_scratch'

/** Parse, Bind and Execute of a statement without parameters whose rows, if any, nobody reads. */
export function statement(text: string, slot: Slot = ''): Buffer {
  return Buffer.concat([anew(slot, text), bind('', slot, []), execute('', 0)])
}

/** Parse and Bind alone: what is checked and locked ahead of the first row is, and nothing is run. */
export function bound(text: string, slot: Slot): Buffer {
  return Buffer.concat([anew(slot, text), bind('', slot, [])])
}

/** Parses a text in a slot, whatever was there. Forgetting a name first is free, and right even if there is none. */
export function anew(slot: Slot, text: string): Buffer {
  return slot === '' ? parse('', text) : Buffer.concat([close('S', slot), parse(slot, text)])
}

export function parse(name: string, text: string): Buffer {
  return serialize.parse({ name, text })
}

export function bind(portal: string, name: string, values: readonly (string | Buffer | null)[]): Buffer {
  return serialize.bind({ portal, statement: name, values: [...values], binary: FORMAT_TEXT })
}

/** Asks for the row description of a portal. */
export function describe(portal: string): Buffer {
  return serialize.describe({ type: 'P', name: portal })
}

/** Runs a portal for at most `rows` rows; 0 means all. */
export function execute(portal: string, rows: number): Buffer {
  return serialize.execute({ portal, rows })
}

/** Forgets a prepared statement (`S`) or portal (`P`); no error if there is none. */
export function close(kind: 'S' | 'P', name: string): Buffer {
  return serialize.close({ type: kind, name })
}
