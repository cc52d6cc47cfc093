-- SPDX-License-Identifier: MIT
-- The tables of conf.d/instagram-connections.conf on SQLite, for the sqlite3 program. Of an application
-- that has them already only the four columns are missing in which renewd says what it did; they are
-- added. SQLite itself has no "add column if not exists", so the missing ones are written to a file
-- in the current directory, and that is read.
create table if not exists users (
    id integer primary key,
    email text,
    username text
);

create table if not exists instagram_connections (
    id integer primary key,
    user_id integer references users (id),
    access_token text,
    token_expires_at timestamp
);

.headers off
.mode list
.output renewd-columns.tmp
select 'alter table ' || w.tab || ' add column ' || w.col || ' ' || w.def || ';'
from (select 'instagram_connections' as tab, 'token_refreshed_at' as col, 'timestamp' as def
      union all select 'instagram_connections', 'refresh_attempts', 'integer not null default 0'
      union all select 'instagram_connections', 'last_refresh_error', 'text'
      union all select 'users', 'show_token_warning', 'boolean not null default false') w
where not exists (select 1 from pragma_table_info(w.tab) i where i.name = w.col);
.output
.read renewd-columns.tmp
.shell rm -f renewd-columns.tmp
