export { outboxBelongings } from './belongings.ts'
export { forgetEvents } from './forget.ts'
export { installOutbox, type OutboxInstallOptions } from './install.ts'
export {
  type DeadLetter,
  type LetterFilter,
  type OutboxControl,
  type OutboxGauges,
  outboxControl,
} from './letters.ts'
export {
  type EventMap,
  type NewEvent,
  type Outbox,
  type OutboxOptions,
  outbox,
  type PublishOptions,
} from './publish.ts'
export { OUTBOX_DATABASE_MIGRATION } from './tenant-migration.ts'
