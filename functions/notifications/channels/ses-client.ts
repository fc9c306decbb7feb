// Imported when the first mail is sent: its names survive bundling only through a static import.
export { SESClient, SendEmailCommand } from '@aws-sdk/client-ses'
