import { z } from 'zod'
import { setting } from '../../shared/config.ts'
import { service } from '../../shared/function/declare.ts'
import { sealWith } from '../../shared/security/seal.ts'
import { addContact, enableContact, removeContact, rotateSecret } from './contacts.ts'
import { peopleUses } from './people-operation.ts'
import { SealingKeys } from './planning-config.ts'
import { setPreferences } from './preferences.ts'
import { deleteGroup, listGroups, readGroup, setGroup } from './recipient-groups.ts'
import { addRecipient, changeRecipient, forgetOne, listAllRecipients, readOneRecipient } from './recipients.ts'

export const managePeople = service({
  name: 'notifications-recipients',
  summary: 'Say who can be told, by what, and when',
  uses: peopleUses,
  config: z.object({
    SEALING_KEYS: SealingKeys,
    /** Receivers of webhooks in private networks and by plain HTTP: for development. */
    WEBHOOK_PRIVATE: setting.flag(false),
  }),
  setup: ({ config }) => ({ seal: sealWith(() => config.SEALING_KEYS) }),
  operations: [
    ...[listAllRecipients, addRecipient, readOneRecipient, changeRecipient, forgetOne, setPreferences],
    ...[addContact, removeContact, enableContact, rotateSecret],
    ...[listGroups, readGroup, setGroup, deleteGroup],
  ],
})
