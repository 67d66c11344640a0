export { notesAt, type TestLevel, type TestLevels, useTestLevels } from './levels.ts'
export { type FileWorld, useTestTenancy } from './world.ts'
