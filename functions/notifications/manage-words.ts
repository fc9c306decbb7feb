import { service } from '../../shared/function/declare.ts'
import { sealWith } from '../../shared/security/seal.ts'
import { planningConfig } from './planning-config.ts'
import { tryRoutes } from './route-try.ts'
import { addRoute, changeRoute, listAllRoutes, readOneRoute, removeRoute } from './routes.ts'
import { previewTemplate } from './template-preview.ts'
import { listTemplates, listTemplateVersions, readTemplate, resetTemplate, restoreTemplate, saveTemplate } from './templates.ts'
import { wordsUses } from './words-operation.ts'

export const manageWords = service({
  name: 'notifications-templates',
  summary: 'Say by which routes and with which words people are told',
  uses: wordsUses,
  config: planningConfig.pick({ NOTIFY_TO: true, NOTIFY_GROUP_WAIT: true, NOTIFY_GROUP_INTERVAL: true, SEALING_KEYS: true }),
  setup: ({ config }) => ({ seal: sealWith(() => config.SEALING_KEYS) }),
  operations: [
    ...[listAllRoutes, addRoute, tryRoutes, readOneRoute, changeRoute, removeRoute],
    ...[listTemplates, previewTemplate, readTemplate, listTemplateVersions, saveTemplate, resetTemplate, restoreTemplate],
  ],
})
