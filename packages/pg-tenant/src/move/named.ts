import { fromHere } from '../archive/structure/rename.ts'
import { schemaOf } from '../isolation/names.ts'
import { manifestOf } from './rehearse.ts'
import { changesTables, type Route, refused } from './route.ts'

/** Objects named in the error; the rest is counted. */
const NAMED = 20

/**
 * Where the schema is called otherwise names in statements follow. Those in the text of a function, or in a value, nobody can tell from
 * other text: whatever holds the name is told.
 *
 * @throws TenancyError CONFLICT (`details.reason` `named`)
 */
export async function refuseNamed(route: Route, lose: readonly string[]): Promise<void> {
  const { from, tenant, to } = route
  const [here, there] = [from, to].map(({ lifecycle }) => schemaOf(lifecycle.naming, tenant)) as [
    string,
    string,
  ]
  if (here === there || changesTables(route) || lose.includes('named')) return
  const { structure = [] } = await manifestOf(route)
  const found = structure.filter(({ sql }) => isNamedIn(sql, here)).map((made) => fromHere(made, here).what)
  if (found.length === 0) return
  const more = found.length > NAMED ? ` and ${found.length - NAMED} more` : ''
  throw refused(
    route,
    'named',
    `The schema is "${here}" here and "${there}" there, and is named in the text of ${found.slice(0, NAMED).join(', ')}${more}. Leave it out ` +
      'there (the tenant\u2019s own schema comes first in its search path), or name "named" in lose, if it is something else. Nothing was changed.',
  )
}

/** Whether a name stands in a text as a word of its own. */
function isNamedIn(text: string, name: string): boolean {
  const isWord = (char = ' ') => /[\w$]/.test(char)
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1))
    if (!isWord(text[at - 1]) && !isWord(text[at + name.length])) return true
  return false
}
