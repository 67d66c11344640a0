import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

const SRC = join(import.meta.dirname, '../../packages/pg-tenant/src')
const LEVELS = new Set(['schema', 'role', 'login', 'row', 'database'])
/** What holds a level is called so, everywhere. */
const HOLDERS = new Set(['level', 'isolation'])

/** The seam: what knows the levels by name. Everybody else asks `traitsOf`. */
const SEAM = /^(isolation|lifecycle\/levels)\/|^tenancy\/levels\.ts$/

/** Where sources outside the seam ask which level it is, instead of what it can do: `file:line text`. */
export function levelsByName(): string[] {
  return globSync('**/*.ts', { cwd: SRC })
    .filter((path) => !SEAM.test(path))
    .flatMap((path) =>
      comparisonsIn(readFileSync(join(SRC, path), 'utf8')).map((found) => `${path}:${found}`),
    )
}

/** @returns `line text` of each comparison of a level with a name, and of each case of it */
export function comparisonsIn(text: string): string[] {
  const tree = ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest, true)
  const found: string[] = []
  const look = (node: ts.Node): void => {
    if (asksForName(node)) {
      const { line } = tree.getLineAndCharacterOfPosition(node.getStart())
      found.push(`${line + 1} ${node.getText().split('\n')[0]}`)
    }
    ts.forEachChild(node, look)
  }
  look(tree)
  return found
}

function asksForName(node: ts.Node): boolean {
  if (ts.isSwitchStatement(node)) return holdsLevel(node.expression)
  if (ts.isBinaryExpression(node) && isEquality(node.operatorToken.kind)) {
    const { left, right } = node
    return (holdsLevel(left) && isName(right)) || (holdsLevel(right) && isName(left))
  }
  return isListAsked(node)
}

/** `['login', 'database'].includes(level)` */
function isListAsked(node: ts.Node): boolean {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return false
  const { expression: list, name } = node.expression
  const [asked] = node.arguments
  if (name.text !== 'includes' || !ts.isArrayLiteralExpression(list) || !asked) return false
  return list.elements.some(isName) && holdsLevel(asked)
}

function isEquality(kind: ts.SyntaxKind): boolean {
  return (
    kind === ts.SyntaxKind.EqualsEqualsEqualsToken ||
    kind === ts.SyntaxKind.ExclamationEqualsEqualsToken ||
    kind === ts.SyntaxKind.EqualsEqualsToken ||
    kind === ts.SyntaxKind.ExclamationEqualsToken
  )
}

/** A level as text, or the constant that stands for one. */
const isName = (node: ts.Node): boolean =>
  ts.isStringLiteralLike(node) ? LEVELS.has(node.text) : ts.isIdentifier(node) && node.text === 'ROW'

function holdsLevel(node: ts.Node): boolean {
  if (ts.isIdentifier(node)) return HOLDERS.has(node.text)
  return ts.isPropertyAccessExpression(node) && HOLDERS.has(node.name.text)
}
