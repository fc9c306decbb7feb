// Imported with the first push: its names survive bundling only through a static import.
export { deleteApp, initializeApp } from 'firebase-admin/app'
export { getMessaging } from 'firebase-admin/messaging'
