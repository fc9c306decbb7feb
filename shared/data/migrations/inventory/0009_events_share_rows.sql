-- Events of one transaction share rows of up to 7 kB. Kept whole in their page: beyond 2 kB a text would be compressed and moved out.
alter table outbox set (toast_tuple_target = 8160);
