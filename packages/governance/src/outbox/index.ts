export { installOutbox, type OutboxInstallOptions, type PublisherIdentity } from './install.ts'
export {
  type EventMap,
  type NewEvent,
  type Outbox,
  type OutboxOptions,
  outbox,
  type PublishOptions,
} from './publish.ts'
export { OUTBOX_DATABASE_MIGRATION } from './tenant-migration.ts'
