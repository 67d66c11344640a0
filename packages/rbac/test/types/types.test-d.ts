import { type AnyIn, type Equal, expectType } from '@org/pg-testing/expect-type'
import type * as rbac from '../../src/index.ts'
import {
  type ActionOf,
  type Condition,
  createEvaluator,
  defineCatalog,
  type Evaluator,
} from '../../src/index.ts'
import type * as testing from '../../src/testing/index.ts'
import { catalog, snapshot } from '../support/product.ts'

type Action = ActionOf<typeof catalog>
expectType<
  Equal<
    Action,
    | 'notes.item.read'
    | 'notes.item.create'
    | 'notes.item.delete'
    | 'notes.share.manage'
    | 'billing.invoice.read'
    | 'billing.invoice.pay'
  >
>(true)

const evaluator = createEvaluator(catalog, snapshot())
expectType<Equal<typeof evaluator, Evaluator<Action, 'basic' | 'pro' | 'pay-2026', Limit>>>(true)
type Limit = 'max_notes' | 'max_users' | 'max_storage_gb' | 'max_api_calls'

// What is right compiles.
expectType<Equal<ReturnType<typeof evaluator.can>, boolean>>(true)
expectType<Equal<ReturnType<typeof evaluator.where>, Condition>>(true)
evaluator.can('notes.item.read', { ownerId: 'u1' }, new Date())
interface Note {
  ownerId: string
}
const note: Note = { ownerId: 'u1' }
evaluator.assert('notes.item.read', note)
for (const { action } of evaluator.list()) expectType<Equal<typeof action, Action>>(true)
const untrusted: string = 'x'
if (catalog.has(untrusted)) evaluator.can(untrusted)

// @ts-expect-error a misspelt action
evaluator.can('notes.item.reed')
// @ts-expect-error any string
evaluator.can(untrusted)
// @ts-expect-error a tool is no action
evaluator.assert('notes.*')
// @ts-expect-error a misspelt action
evaluator.where('notes.items.read')
// @ts-expect-error a misspelt action
evaluator.explain('')
// @ts-expect-error a resource is an object
evaluator.can('notes.item.read', 'note-1')
// @ts-expect-error a resource is an object
evaluator.can('notes.item.read', 7)
// @ts-expect-error a moment is no text
evaluator.can('notes.item.read', null, '2026-01-01')
// @ts-expect-error a misspelt limit
evaluator.limit('max_user')
// @ts-expect-error a misspelt package
evaluator.changesWhen('gold')

const tools = { notes: { name: 'Notes' } }
const actions = { 'notes.item.read': { name: 'Read', kind: 'read' } } as const

// @ts-expect-error an action of no tool
defineCatalog({ tools, actions: { 'note.item.read': { name: 'Read', kind: 'read' } }, packages: {} })
// @ts-expect-error an action of two parts
defineCatalog({ tools, actions: { 'notes.read': { name: 'Read', kind: 'read' } }, packages: {} })
// @ts-expect-error an action that does not say whether it writes
defineCatalog({ tools, actions: { 'notes.item.read': { name: 'Read' } }, packages: {} })
// @ts-expect-error a kind there is not
defineCatalog({ tools, actions: { 'notes.item.read': { name: 'Read', kind: 'look' } }, packages: {} })
// @ts-expect-error a package with a misspelt action
defineCatalog({ tools, actions, packages: { p: { name: 'P', actions: ['notes.item.reed'] } } })
// @ts-expect-error a package with a tool there is not
defineCatalog({ tools, actions, packages: { p: { name: 'P', actions: ['note.*'] } } })
defineCatalog({ tools, actions, packages: { p: { name: 'P', actions: ['notes.*', 'notes.item.read'] } } })

// @ts-expect-error an actor says whether it is active
createEvaluator(catalog, { ...snapshot(), actor: { type: 'user', id: 'u1' } })

// Nothing is `any`.
expectType<Equal<AnyIn<typeof rbac>, never>>(true)
expectType<Equal<AnyIn<typeof testing>, never>>(true)
// Date has one of its own: toJSON(key?: any).
expectType<Equal<Exclude<AnyIn<typeof evaluator>, `${string}.toJSON${string}`>, never>>(true)
expectType<Equal<AnyIn<typeof catalog>, never>>(true)
