/** A right to one object, that is given or taken. */
export interface RightTo {
  readonly verb: 'grant' | 'revoke'
  /** One privilege or several, as in GRANT. */
  readonly what: string
  /** As in GRANT: `table`, `routine` … */
  readonly kind: string
  /** Qualified and quoted. */
  readonly identity: string
  /** Quoted, or `public`. */
  readonly role: string
  /** What stands behind the role. */
  readonly how: string
}

/**
 * As few statements as say it all: those for one object and role in one, and of these one for all objects of which the same is said.
 * They run while tables are locked, and a statement for each privilege of each table takes several times as long.
 */
export function together(rights: readonly RightTo[]): string[] {
  const each = grouped(rights, ({ what: _, ...of }) => JSON.stringify(of))
  const alike = grouped(
    each.map(([first, ...more]) => ({ ...first, what: [first, ...more].map(({ what }) => what).join(', ') })),
    ({ identity: _, ...of }) => JSON.stringify(of),
  )
  return alike.map(([first, ...more]) => {
    const { verb, what, kind, role, how } = first
    const on = [first, ...more].map(({ identity }) => identity).join(', ')
    return `${verb} ${what} on ${kind} ${on} ${verb === 'grant' ? 'to' : 'from'} ${role}${how}`
  })
}

/** In the order in which each group begins. */
function grouped(
  rights: readonly RightTo[],
  keyOf: (right: RightTo) => string,
): (readonly [RightTo, ...RightTo[]])[] {
  const groups = new Map<string, [RightTo, ...RightTo[]]>()
  for (const right of rights) {
    const key = keyOf(right)
    const group = groups.get(key)
    if (group) group.push(right)
    else groups.set(key, [right])
  }
  return [...groups.values()]
}
