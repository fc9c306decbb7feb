-- When an event last said that it waits: one whose event was lost is announced again.
alter table notification add column queued_at timestamptz not null default now();

create index notification_by_state on notification (state, created_at desc, id desc);
create index notification_by_recipient on notification (recipient_id, created_at desc, id desc) where recipient_id is not null;
create index notification_of_contact on notification (contact_id) where contact_id is not null;

-- What a device listens to beside its own messages: subscribed anew when its token changes.
alter table contact add column topics text[] not null default '{}';
