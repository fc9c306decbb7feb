import { service } from '../../shared/function/declare.ts'
import { silenceUses } from './silence.ts'
import { changeSilence, expireSilence } from './silence-change.ts'
import { createSilence } from './silence-create.ts'
import { listSilences, readOneSilence } from './silence-read.ts'

export const silenceAlerts = service({
  name: 'alerts-silence',
  summary: 'Keep alerts quiet for a time',
  uses: silenceUses,
  operations: [createSilence, listSilences, readOneSilence, changeSilence, expireSilence],
})
