-- An alert that got worse, or whose snooze is over, is told again: one notification a telling and channel.
alter table notification
  add column telling int not null default 1,
  drop constraint notification_alert_id_channel_key,
  add constraint notification_once unique (alert_id, telling, channel);
