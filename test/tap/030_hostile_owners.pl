# Whoever owns a destination table, or calls a function, gets no more rights by it: what he hangs on his tables runs
# as himself, and leaves nothing behind in the session that goes on with more rights.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('node');
my $simulator = new_simulator('--records', 'Contact=20,Account=20,Lead=20');

sub query { return $node->safe_psql('postgres', join '', @_) }
sub sync { my ($object) = @_; return "supaglue.sync_id('acme', 'salesforce', '$object')" }
sub table { my ($object) = @_; return qq(supaglue_data."salesforce_$object") }
my $hour = { period_ms => 3600000, strategy => 'full then incremental', auto_start_on_connection => JSON::PP::false };

# An operator of a role's own that says who ran it; it is found where search_path names the schema first.
sub set_trap
{
	my ($role, $schema) = @_;
	query(qq{create schema $schema authorization $role; set role $role;
	create table $schema.ran (who text); grant insert on $schema.ran to public; grant usage on schema $schema to public;
	create function $schema.eq(a bigint, b bigint) returns boolean language plpgsql as \$\$
	begin insert into $schema.ran values (current_user); return a operator(pg_catalog.=) b; end \$\$;
	create operator $schema.= (leftarg = bigint, rightarg = bigint, function = $schema.eq);
	create function $schema.lure() returns trigger language plpgsql as \$\$
	begin perform pg_catalog.set_config('search_path', '$schema, pg_catalog', false); return new; end \$\$;
	create function $schema.tell() returns trigger language plpgsql as \$\$
	begin insert into $schema.ran values (current_user); return new; end \$\$;
	create function $schema.defer() returns trigger language plpgsql as \$\$
	begin set constraints all deferred; return new; end \$\$});
}
sub others_in { my ($schema, $role) = @_; return query("select count(*) from $schema.ran where who <> '$role'") }
sub run_by_worker
{
	my ($object) = @_;
	query("select supaglue.trigger_sync(${\ sync($object)}, true)");
	return wait_for_sync($node, 'acme', $object);
}

query('create role app; create role caller; grant usage on schema supaglue to app, caller;
	grant execute on all functions in schema supaglue to app; grant usage on foreign data wrapper supaglue to app;
	grant create on database postgres to app;
	grant execute on function supaglue.materialize, supaglue.sync_id to caller');
set_trap('app', 'snare');
set_trap('caller', 'pit');
sync_salesforce($node, $simulator, customers => [], standard => [ 'Account', 'Lead' ], config => $hour);
query('grant usage, create on schema supaglue_live to app');
query(q{select supaglue.create_destination('{"name": "app", "schema": "app"}')});
query('grant usage on foreign server supaglue_salesforce to app; create schema app authorization app');
query('set role app; select supaglue.create_sync_config($$' . to_json({ name => 'of app', provider_name => 'salesforce',
	destination_name => 'app', default_config => $hour, standard_objects => [ { object => 'Contact' } ] }) . '$$)');
query(q{select supaglue.upsert_customer('acme');
	select supaglue.create_connection('{"customer_id": "acme", "provider_name": "salesforce", "credentials": {"refresh_token": "acme"}}')});

# --- The owner's trigger leaves a search_path behind ----------------------------------------------------------
query('set role app; create trigger lure after insert or update on app."salesforce_Contact"
	for each statement execute function snare.lure()');
is(run_by_worker('Contact'), 'SUCCESS', 'a table with a trigger is synced');
is(query('select count(*) from app."salesforce_Contact"'), '20', 'every record is there');
is(others_in('snare', 'app'), '0', 'a worker goes on with its own search_path');
query(q{select supaglue.materialize(} . sync('Contact') . q{, true)});
is(others_in('snare', 'app'), '0', 'so does materialize()');

# --- The owner's deferred trigger ----------------------------------------------------------------------------------
query('set role app; drop trigger lure on app."salesforce_Contact";
	create trigger defer before insert or update on app."salesforce_Contact" for each statement execute function snare.defer();
	create constraint trigger tell after insert or update on app."salesforce_Contact"
	  deferrable initially deferred for each row execute function snare.tell()');
$simulator->control('update', { org => 'acme', object => 'Contact', where => "LastName != 'Changed'",
	set => { LastName => 'Changed' } });
query("select supaglue.trigger_sync(${\ sync('Contact')}, true)");
wait_until(sub { query("select last_error from supaglue.syncs where id = ${\ sync('Contact')}") =~ /deferred trigger/ },
	'a trigger that is made to wait until the commit is refused');
is(others_in('snare', 'app'), '0', 'and does not run with more rights');
query('set role app; drop trigger defer on app."salesforce_Contact"');
query('truncate snare.ran');

# --- A superuser's sync into somebody else's table -------------------------------------------------------------------
query("alter table ${\ table('Account')} owner to app; grant usage on schema supaglue_data to app;
	set role app; create trigger tell before insert on ${\ table('Account')} for each row execute function snare.tell()");
is(run_by_worker('Account'), 'SUCCESS', 'a table that was given away is synced');
is(query('select string_agg(distinct who, chr(44)) from snare.ran'), 'app', 'its triggers run as the one who has it now');

# The same when his table takes the place of another between two runs, whose plans a worker keeps.
is(run_by_worker('Lead'), 'SUCCESS', 'a table of the superuser is synced') foreach 1 .. 2;
query("truncate snare.ran; alter table ${\ table('Lead')} rename to spare; grant create on schema supaglue_data to app;
	grant select on supaglue_data.spare to app; set role app;
	create table ${\ table('Lead')} (like supaglue_data.spare including all);
	create trigger tell before insert on ${\ table('Lead')} for each row execute function snare.tell()");
is(run_by_worker('Lead'), 'SUCCESS', 'a table that took its place is synced');
is(query('select string_agg(distinct who, chr(44)) from snare.ran'), 'app', 'its triggers run as the one whose it is');
query("drop table ${\ table('Lead')}; alter table supaglue_data.spare rename to \"salesforce_Lead\"; revoke create on schema supaglue_data from app");

# --- The caller's own deferred trigger -----------------------------------------------------------------------------------
query('set role caller; create table pit.waiting (n int);
	create constraint trigger lure after insert on pit.waiting deferrable initially deferred
	  for each row execute function pit.lure()');
query("set role caller; begin; insert into pit.waiting values (1); select supaglue.materialize(${\ sync('Lead')}, true); commit");
is(query("select count(*) from ${\ table('Lead')}"), '20', 'a caller with triggers that wait materializes');
is(others_in('pit', 'caller'), '0', 'and they leave no search_path behind');

done_testing();
