import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import ts from 'typescript'

const ROOT = join(import.meta.dirname, '../..')

/**
 * Our own files that importing one of them loads: what is imported for values, without what is imported when it is called.
 *
 * @param entry relative to the root of the repository
 */
export function loadedBy(entry: string): string[] {
  const seen = new Set<string>()
  const open = [join(ROOT, entry)]
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (seen.has(file)) continue
    seen.add(file)
    for (const name of valueImports(file)) {
      if (name.startsWith('.')) open.push(join(dirname(file), name))
      else if (name.startsWith('@org/')) open.push(sourceOf(name, file))
    }
  }
  return [...seen].map((file) => file.slice(ROOT.length + 1)).sort()
}

function valueImports(file: string): string[] {
  const tree = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest)
  return tree.statements.flatMap((node) => {
    if (!ts.isImportDeclaration(node) && !ts.isExportDeclaration(node)) return []
    const { moduleSpecifier } = node
    if (!moduleSpecifier || !ts.isStringLiteral(moduleSpecifier) || isTypeOnly(node)) return []
    return [moduleSpecifier.text]
  })
}

function isTypeOnly(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(node)) {
    const { exportClause } = node
    const named = exportClause && ts.isNamedExports(exportClause) ? exportClause.elements : []
    return node.isTypeOnly || (named.length > 0 && named.every(({ isTypeOnly: type }) => type))
  }
  const clause = node.importClause
  if (!clause) return false
  const bindings = clause.namedBindings
  const named = bindings && ts.isNamedImports(bindings) ? bindings.elements : undefined
  return (
    clause.isTypeOnly || (!clause.name && named !== undefined && named.every(({ isTypeOnly: type }) => type))
  )
}

/** A package of ours by its name, as `@org/source` resolves it. */
function sourceOf(name: string, from: string): string {
  const [, home = '', ...rest] = name.split('/')
  const manifest = createRequire(from).resolve(`@org/${home}/package.json`)
  const { exports } = JSON.parse(readFileSync(manifest, 'utf8'))
  return join(dirname(manifest), exports[`./${rest.join('/')}`.replace(/^\.\/$/, '.')]['@org/source'])
}
