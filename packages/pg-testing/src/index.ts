export * from './postgres/index.ts'
export * from './wire/index.ts'
