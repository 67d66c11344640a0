import type { StructureNode, StructureStatement } from './statement.ts'

/** `[who, whom]`: what needs what, as keys. */
export type Edge = readonly [string, string]

/**
 * Phase by phase, and in each by name; what an object needs goes before it, also from a later phase. Where objects need
 * each other in a circle, any of them may be first.
 */
export function inOrder(
  nodes: readonly StructureNode[],
  edges: readonly Edge[],
  keys: ReadonlyMap<string, StructureNode>,
): StructureStatement[] {
  const needs = needsOf(edges, keys)
  const wanted = new Set(nodes)
  const ordered: StructureStatement[] = []
  const entered = new Set<StructureNode>()
  const sorted = [...nodes].sort(
    (a, b) => a.phase - b.phase || (a.what < b.what ? -1 : a.what > b.what ? 1 : 0),
  )
  // Its own stack: a chain of views can be longer than the call stack.
  for (const root of sorted) {
    const stack: { readonly node: StructureNode; readonly rest: StructureNode[] }[] = []
    const enter = (node: StructureNode) => {
      if (entered.has(node) || !wanted.has(node)) return
      entered.add(node)
      stack.push({ node, rest: [...(needs.get(node) ?? [])] })
    }
    enter(root)
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const next = top.rest.pop()
      if (next) enter(next)
      else {
        const { what, phase, sql } = top.node
        ordered.push({ what, phase, sql })
        stack.pop()
      }
    }
  }
  return ordered
}

/** Which nodes a node needs. */
export function needsOf(
  edges: readonly Edge[],
  keys: ReadonlyMap<string, StructureNode>,
): Map<StructureNode, Set<StructureNode>> {
  const needs = new Map<StructureNode, Set<StructureNode>>()
  const add = (node: StructureNode | undefined, needed: StructureNode | undefined) => {
    if (!node || !needed || node === needed) return
    const known = needs.get(node)
    if (known) known.add(needed)
    else needs.set(node, new Set([needed]))
  }
  for (const [who, whom] of edges) {
    // A function over a range type that has a shell: the shell is enough for it, and breaks the circle.
    const shell = who.startsWith('1255:') ? keys.get(whom.replace('1247:', 'shell:')) : undefined
    add(keys.get(who), shell ?? keys.get(whom))
  }
  for (const [key, node] of keys) {
    if (key.startsWith('shell:')) add(keys.get(key.replace('shell:', '1247:')), node)
    const whom = about(key)
    if (whom !== undefined) add(node, keys.get(whom))
  }
  return needs
}

/** The object that a node says something of, which goes where that goes: its privileges, comments, state, place in another. */
export function about(key: string): string | undefined {
  const [, kind = '', numbers = ''] = /^([a-z]+):(\d+(?::\d+)?)/.exec(key) ?? []
  if (kind === 'acl' || kind === 'comment' || kind === 'extension') return numbers
  if (kind === 'role') return `1255:${numbers}`
  const [oid] = numbers.split(':')
  return /^(?:attach|state|security|column|owned|refresh|renamed|valid)$/.test(kind)
    ? `1259:${oid}`
    : undefined
}
