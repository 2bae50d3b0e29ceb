# Fifty syncs under fire, of Salesforce and HubSpot, into this database and into another server: records come, change,
# go and come back while fetchers, mergers, backends, the whole server and the other one are killed, cancelled and
# reloaded, and tokens expire all the time. Readers look on and never see a part of a run; at the end the tables are what
# the providers have, and nothing is left over.
#   SUPAGLUE_SOAK_SECONDS (30), SUPAGLUE_SOAK_SEED (of the clock; it is shown) choose another slice.
use strict;
use warnings;
use lib 'lib';

use IPC::Run;
use JSON::PP ();
use POSIX ();
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;
use Time::HiRes qw(time usleep);

my $seconds = $ENV{SUPAGLUE_SOAK_SECONDS} || 30;
my $seed = $ENV{SUPAGLUE_SOAK_SEED} || time ^ $$;
srand($seed);
note("seed $seed");

my %name_of = (Contact => 'LastName', Account => 'Name', Lead => 'LastName', Opportunity => 'Name',
	contact => 'lastname', company => 'name', deal => 'dealname');
my @objects = grep { /^[A-Z]/ } sort keys %name_of;
my %plural = (contact => 'contacts', company => 'companies', deal => 'deals');    # HubSpot's
my @customers = qw(acme globex initech umbrella);  # their provider forgives a token that was lost
my $strict = 'strict';                             # this one's does not
my @portals = qw(hooli piper raviga aviato);       # customers with HubSpot
# The same records go to the other server as common objects.
my %common = (account => { salesforce => 'Account', hubspot => 'company', table => 'crm_accounts' },
	contact => { salesforce => 'Contact', hubspot => 'contact', table => 'crm_contacts' });
my $syncs = 50;

my $node = new_node('node', conf => <<'CONF');
restart_after_crash = on
supaglue.lock_timeout = '2s'
CONF
my $far = PostgreSQL::Test::Cluster->new('far');
$far->init;
$far->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$far->start;
my $lenient = new_simulator('--records', 'Contact=60,Account=40,Lead=30,Opportunity=50,contacts=120,companies=40,deals=50', '--page-size', '20',
	'--rotate', 'grace');
my $unforgiving = new_simulator('--records', 'Contact=60,Account=40,Lead=30,Opportunity=50', '--page-size', '20', '--rotate', 'strict');
my %simulator_of = (map({ $_ => $lenient } @customers, @portals), $strict => $unforgiving);
my %objects_of = (map({ $_ => \@objects } @customers, $strict), map({ $_ => [ sort keys %plural ] } @portals));

sub query { return $node->safe_psql('postgres', $_[0]) }
# Of a server that may be down: what it says, or undef.
sub attempt
{
	my ($sql) = @_;
	# A psql that cannot connect may be gone before it is told what to do.
	my ($status, $out) = eval { $node->psql('postgres', $sql, timeout => 20, timed_out => \my $timed_out) };
	return defined $status && $status == 0 ? $out : undef;
}

my %config = (period_ms => 1000, strategy => 'full then incremental', lookback_ms => 3000, full_sync_every_n_incrementals => 4);
my $ids = sync_salesforce($node, $lenient, customers => \@customers, standard => \@objects, config => \%config);
sync_hubspot($node, $lenient, customers => \@portals, destination => $ids->{destination}, standard => [ sort keys %plural ], config => \%config);
query("select supaglue.create_destination('" . to_json({ name => 'far', credentials => { host => $far->host, port => $far->port + 0,
		database => 'postgres', user => $far->safe_psql('postgres', 'select current_user'), schema => 'public' } }) . "')");
query("select supaglue.create_sync_config('" . to_json({ name => "far $_", destination_name => 'far', provider_name => $_, default_config => \%config,
		common_objects => [ map { { object => $_ } } sort keys %common ] }) . "')") foreach qw(salesforce hubspot);
query("select supaglue.upsert_customer('$strict'), supaglue.create_connection('"
	  . to_json({ customer_id => $strict, provider_name => 'salesforce', login_url => $unforgiving->url,
		credentials => { refresh_token => $strict } }) . "')");
$lenient->control('token_ttl', { ms => 2000 });
$lenient->control('token_ttl', { provider => 'hubspot', ms => 2000 });
is(query('select count(*) from supaglue.syncs'), $syncs, "$syncs syncs");

# --- The readers -----------------------------------------------------------------------------------------------
# One statement, so one snapshot: each row is of a run that is on record; of a sync's newest run all rows are
# there, of an earlier one no more than it wrote; and what was once there stays.
my %table_of = (map({ $_ => qq(supaglue_data."salesforce_$_") } @objects), map { $_ => "supaglue_data.hubspot_$_" } keys %plural);
my $rows = join ' union all ', map {
	qq(select _supaglue_customer_id customer_id, '$_' object, _supaglue_emitted_at emitted_at, count(*) n
		from $table_of{$_} group by 1, 3) } sort keys %table_of;
my $look = <<"SQL";
with stored as ($rows), run as (
	select s.customer_id, s.object, r.id, r.emitted_at, r.records_inserted + r.records_updated + r.records_deleted as n,
		lag(r.emitted_at) over w as before, lead(r.id) over w is null as newest
	from supaglue.sync_runs r join supaglue.syncs s on s.id = r.sync_id where r.status = 'SUCCESS' and s.object_type = 'standard'
	window w as (partition by r.sync_id order by r.id))
select coalesce(string_agg(format('%s %s run %s of %s: %s rows of %s', customer_id, object, id, emitted_at, stored.n, run.n), '; ')
	filter (where coalesce(stored.n, 0) > coalesce(run.n, 0) or newest and coalesce(stored.n, 0) <> run.n or emitted_at <= before), ''),
	count(id)
from stored full join run using (customer_id, object, emitted_at)
SQL
# The other server tells of the newest run of each sync beside its rows.
my $far_rows = join ' union all ', map {
	"select _supaglue_customer_id customer_id, _supaglue_provider_name provider_name, '$_' object, _supaglue_emitted_at emitted_at, count(*) n
		from $common{$_}{table} group by 1, 2, 4" } sort keys %common;
my $far_look = <<"SQL";
with stored as ($far_rows), run as (select customer_id, provider_name, object, emitted_at,
		(counts->>'inserted')::int + (counts->>'updated')::int + (counts->>'deleted')::int n from _supaglue_syncs)
select coalesce(string_agg(format('far: %s %s: %s rows of %s', customer_id, object, stored.n, run.n), '; '), '')
from run left join stored using (customer_id, provider_name, object, emitted_at)
where coalesce(stored.n, 0) <> run.n or exists (select from stored later
	where (later.customer_id, later.provider_name, later.object) = (run.customer_id, run.provider_name, run.object) and later.emitted_at > run.emitted_at)
SQL
my $findings = "$PostgreSQL::Test::Utils::tmp_check/findings";
my $reader = fork // die "fork: $!";
if (!$reader)
{
	$SIG{TERM} = sub { POSIX::_exit(0) };
	my ($looks, $most) = (0, 0);
	while (getppid != 1)
	{
		my ($seen, $runs) = split /\|/, attempt($look) // next, 2;
		next unless defined $runs;
		$looks++;
		$seen .= "; runs that were on record are no more: $most, $runs" if $runs < $most;
		$most = $runs;
		append_to_file($findings, "$seen\n") if $seen ne '';
		my ($status, $there) = eval { $far->psql('postgres', $far_look, timeout => 20, timed_out => \my $late) };
		append_to_file($findings, "$there\n") if defined $status && $status == 0 && $there ne '';
		open my $file, '>', "$findings.looks" or next;
		print $file "$looks $most\n";
		close $file;
		usleep(20_000);
	}
	POSIX::_exit(0);
}
END { my $status = $?; kill 'KILL', $reader if $reader; $? = $status }

# --- What happens at the provider -----------------------------------------------------------------------------------
# The records as the provider has them, a line each.
sub truth_of
{
	my ($customer, $object) = @_;
	my $what = $plural{$object} ? "$plural{$object}&provider=hubspot" . ($object eq 'company' ? '' : '&associations=companies') : $object;
	my $answer = HTTP::Tiny->new->get($simulator_of{$customer}->url . "/control/records?org=$customer&object=$what&iso=1");
	die $answer->{content} unless $answer->{success};
	return $answer->{content};
}
my (%alive, %deleted, %gone, $changes);
foreach my $customer (sort keys %simulator_of)
{
	foreach my $object (@{ $objects_of{$customer} })
	{
		$alive{$customer}{$object} = [ map { /"id":"(\w+)"/i } split /\n/, truth_of($customer, $object) ];
		$deleted{$customer}{$object} = [];
	}
}
sub some
{
	my ($list, $most) = @_;
	return map { splice @$list, int rand @$list, 1 } 1 .. (@$list < $most ? @$list : 1 + int rand $most);
}
sub change_something
{
	my $customer = (sort keys %simulator_of)[ rand keys %simulator_of ];
	my $object = $objects_of{$customer}[ rand @{ $objects_of{$customer} } ];
	my ($alive, $deleted) = ($alive{$customer}{$object}, $deleted{$customer}{$object});
	my $tell = sub { return $simulator_of{$customer}->control($_[0], { org => $customer,
		$plural{$object} ? (provider => 'hubspot', object => $plural{$object}) : (object => $object), %{ $_[1] } }) };
	my $name = $name_of{$object};
	my $what = rand();
	$changes++;
	if ($what < 0.5)
	{
		my @ids = some($alive, 25) or return;
		push @$alive, @ids;
		$tell->('update', { id => \@ids, set => { $name => "changed $changes" } });
	}
	elsif ($what < 0.7)
	{
		push @$alive, @{ $tell->('insert', { records => [ map { { $name => "new $changes $_" } } 1 .. 1 + int rand 8 ] })->{ids} };
	}
	elsif ($what < 0.85)
	{
		my @ids = some($alive, 4) or return;
		push @$deleted, @ids;
		$tell->('delete', { id => \@ids });
	}
	elsif ($what < 0.95)
	{
		my @ids = some($deleted, 4) or return;
		push @$alive, @ids;
		$tell->('undelete', { id => \@ids });
	}
	elsif ($what < 0.98)
	{
		my @ids = some($alive, 1) or return;
		$tell->('delete', { id => \@ids, hard => JSON::PP::true });
	}
	else
	{
		$lenient->control('drop_locators', { org => $customer });
	}
	return;
}

# --- What happens to us ------------------------------------------------------------------------------------------------
my %happened;
sub pid_of
{
	my ($type) = @_;
	my @pids = split /\n/, attempt("select pid from pg_stat_activity where backend_type = 'supaglue $type'") // '';
	return $pids[ rand @pids ] if @pids;
	return;
}
sub postmaster { return (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0] }
# Its children see that it died, and end.
sub kill_server
{
	my @children = split ' ', qx(ps -o pid= --ppid ${\ postmaster()});
	$node->kill9;
	wait_until(sub { !grep { kill 0, $_ } @children }, 'the processes of a killed server end');
	return;
}
my @backends;
# A token is refreshed where nobody is killed meanwhile: by the fetcher, or by a backend that is in a hurry.
sub renew_strict_token
{
	my $refreshed = "select coalesce(token_refreshed_at::text, '-') from supaglue.connections where customer_id = '$strict'";
	my $before = wait_until(sub { attempt($refreshed) }, 'the server answers');
	$unforgiving->control('expire_tokens', {});
	attempt("select supaglue.materialize(supaglue.sync_id('$strict', 'salesforce', 'Lead'))") if rand() < 0.5;
	attempt("begin; select supaglue.materialize(supaglue.sync_id('$strict', 'salesforce', 'Account')); rollback") if rand() < 0.5;
	wait_until(sub { (attempt($refreshed) // $before) ne $before }, 'the token is refreshed');
	return;
}
my @blows = (
	[ 2, 'kill a fetcher', sub { kill 'KILL', pid_of('fetcher') // return } ],
	[ 2, 'kill a merger', sub { kill 'KILL', pid_of('merger') // return } ],
	[ 2, 'terminate', sub { kill 'TERM', pid_of((qw(fetcher merger launcher))[ rand 3 ]) // return } ],
	[ 3, 'cancel', sub { kill 'INT', pid_of((qw(fetcher merger))[ rand 2 ]) // return } ],
	[ 2, 'reload', sub { kill 'HUP', postmaster() } ],
	[ 2, 'more and fewer workers', sub {
		my ($fetchers, $mergers) = (1 + int rand 2, 1 + int rand 2);
		$node->append_conf('postgresql.conf', "supaglue.workers = $fetchers\nsupaglue.merge_workers = $mergers");
		kill 'HUP', postmaster() } ],
	[ 2, 'stop immediately', sub { $node->stop('immediate'); $node->start } ],
	[ 1, 'stop fast', sub { $node->stop('fast', fail_ok => 1); $node->start } ],
	[ 2, 'kill the server', sub { kill_server(); $node->start } ],
	[ 3, 'renew a token', \&renew_strict_token ],
	[ 1, 'the other server restarts', sub { $far->restart } ],
	[ 2, 'its backends end', sub { eval { $far->psql('postgres', 'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()
		and backend_type = $$client backend$$', timeout => 20, timed_out => \my $late) } } ],
	[ 2, 'materialize', sub {
		my $customer = $customers[ rand @customers ];
		push @backends, IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c',
			"select supaglue.materialize(supaglue.sync_id('$customer', 'salesforce', '$objects[ rand @objects ]'))" ],
			'>', \my $out, '2>', \my $error) } ],
	[ 2, 'lock a table', sub {
		push @backends, IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c',
			qq(begin; lock table supaglue_data."salesforce_$objects[ rand @objects ]" in share mode; select pg_sleep(1.5)) ],
			'>', \my $out, '2>', \my $error) } ],
	[ 1, 'pause and resume', sub {
		my $sync = "supaglue.sync_id('$customers[ rand @customers ]', 'salesforce', '$objects[ rand @objects ]')";
		attempt("select supaglue.pause_sync($sync)");
		wait_until(sub { defined attempt("select supaglue.resume_sync($sync)") }, 'a sync is resumed') } ],
	[ 1, 'truncate', sub { attempt(qq(truncate supaglue_data."salesforce_Lead")) } ],
);
# The tables' history is gone with their rows: then there are fewer rows than a run wrote.
@blows = grep { $_->[1] ne 'truncate' } @blows;

my @draw = map { ($_) x $_->[0] } @blows;
my $end = time + $seconds;
my $next_blow = time + 3;
while (time < $end)
{
	change_something();
	usleep(20_000 + rand 150_000);
	next if time < $next_blow;
	my $blow = $draw[ rand @draw ];
	note(sprintf '%6.1f %s', $seconds - ($end - time), $blow->[1]);
	$blow->[2]->();
	$happened{ $blow->[1] }++;
	$next_blow = time + 1 + rand 2;
}
$_->finish foreach @backends;
note("$changes changes; " . join ', ', map { "$_: $happened{$_}" } sort keys %happened);

# --- Peace ---------------------------------------------------------------------------------------------------------------
$node->append_conf('postgresql.conf', "supaglue.workers = 1\nsupaglue.merge_workers = 1");
wait_until(sub { defined attempt('select pg_reload_conf()') }, 'the server answers');
is(query("select string_agg(customer_id || ' ' || object || ': ' || array_to_string(paused_by, ',') || ' ' || coalesce(pause_reason, ''), '; ')
	from supaglue.syncs where paused_by <> '{}'"), '', 'no sync is paused');
my $last = query('select coalesce(max(id), 0) from supaglue.sync_runs');
my $due = sub { return query(qq(select count(*) filter (where exists (select from supaglue.sync_runs r where r.sync_id = s.id
	and r.status = 'SUCCESS' and r.id > $last and r.started_at > now() - interval '10 min' $_[0])) from supaglue.syncs s)) };
my $how_they_stand = sub {
	diag(query("select string_agg(format('%s %s %s: run %s %s %s', s.customer_id, s.object, s.state, r.id, r.stage, s.last_error), E'\n')
		from supaglue.syncs s left join supaglue_internal.runs r on r.sync_id = s.id"));
	return 0;
};
eval { wait_until(sub { $due->('') == $syncs }, 'every sync ends well again'); 1 } or $how_they_stand->() || die $@;

# The providers' truth in a table, and what the tables hold: those of the other server are brought here.
sub tell_truth
{
	query('drop table if exists truth; create table truth (customer_id text, object text, record jsonb, id text generated always as
		(coalesce(record->>\'Id\', record->>\'id\')) stored)');
	my $file = "$PostgreSQL::Test::Utils::tmp_check/truth.json";
	foreach my $customer (sort keys %simulator_of)
	{
		foreach my $object (@{ $objects_of{$customer} })
		{
			append_to_file($file, join '', map { "$customer\x02$object\x02$_\n" } split /\n/, truth_of($customer, $object));
		}
	}
	query("copy truth (customer_id, object, record) from '$file' with (format csv, quote e'\\x01', delimiter e'\\x02')");
	unlink $file;
	return;
}
sub bring_far
{
	query('drop table if exists far; create table far (customer_id text, object text, id text, is_deleted boolean, raw jsonb)');
	my $file = "$PostgreSQL::Test::Utils::tmp_check/far.copy";
	foreach my $object (sort keys %common)
	{
		$far->safe_psql('postgres', "copy (select _supaglue_customer_id, case _supaglue_provider_name when 'hubspot' then '$common{$object}{hubspot}'
			else '$common{$object}{salesforce}' end, id, _supaglue_is_deleted, _supaglue_raw_data from $common{$object}{table}) to '$file'");
		query("copy far from '$file'");
		unlink $file;
	}
	return;
}
my $stored = join ' union all ', map {
	"select _supaglue_customer_id customer_id, '$_' object, id, _supaglue_is_deleted is_deleted, _supaglue_raw_data raw from $table_of{$_}" } sort keys %table_of;
my $here = "select count(*) from truth t left join (%s) s on (s.customer_id, s.object, s.id) = (t.customer_id, t.object, t.id)
	where coalesce(s.raw->>'SystemModstamp', s.raw->>'updatedAt') is distinct from coalesce(t.record->>'SystemModstamp', t.record->>'updatedAt')
	or s.is_deleted or s.raw->>'Name' is distinct from t.record->>'Name'";
my $is_common = "and t.object in ('Account', 'Contact', 'company', 'contact')";
tell_truth();
bring_far();
# What is stamped is there without a full run: all but formulas, and what vanished without a trace.
is(query(sprintf $here, $stored), '0', 'nothing that the provider stamped is lost');
is(query(sprintf("$here", 'select * from far') =~ s/where (coalesce.*)/where ($1) $is_common/rs), '0', 'nor at the other server');

query("select supaglue.trigger_sync(id, true) from supaglue.syncs");
wait_until(sub { $due->("and r.strategy = 'full' and r.reason = 'manual'") == $syncs }, 'a last full run of each sync');
bring_far();
foreach ([ $stored, 'true' ], [ 'select * from far', $is_common =~ s/^and //r ])
{
	my ($what, $which) = @$_;
	is(query("select count(*), count(s.id), count(t.record), count(*) filter (where s.raw = t.record) from (select * from truth t where $which) t
		full join (select * from ($what) s where not is_deleted) s on (s.customer_id, s.object, s.id) = (t.customer_id, t.object, t.id)"),
		query("select count(*), count(*), count(*), count(*) from truth t where $which"), 'every table is the provider\'s truth, row by row');
}
query('select supaglue.pause_sync(id) from supaglue.syncs');
# One that is just being merged is let be.
wait_until(sub { query('select count(*) from supaglue_internal.runs') eq '0' }, 'no run is left');
pass('no run is left');

kill 'TERM', $reader;
waitpid $reader, 0;
$reader = 0;
my ($looks, $runs) = split / /, slurp_file("$findings.looks");
note("the reader looked $looks times at $runs runs");
cmp_ok($looks, '>', $seconds, 'the reader looked all the while');
is(-e $findings ? slurp_file($findings) : '', '', 'and never saw a part of a run');

# --- The books -------------------------------------------------------------------------------------------------------------
is(query("select count(*) from supaglue.sync_runs where status = 'IN_PROGRESS'"), '0', 'no run is said to be in progress');
is(query(q(select count(*) from (select emitted_at, lag(emitted_at) over w before, started_at, lag(started_at) over w started_before
	from supaglue.sync_runs where emitted_at is not null window w as (partition by sync_id order by id)) r
	where emitted_at <= before or started_at < started_before)), '0', 'runs are in order');
is(query("with told as (select run_id, count(*) n from supaglue.events where kind = 'sync.complete' group by 1)
	select count(*) from supaglue.sync_runs r left join told on told.run_id = r.id where (status = 'SUCCESS') <> (coalesce(n, 0) = 1)"), '0', 'each run that ended well has one event');
# No row is ever removed: those that are there are those that runs say they inserted.
is(query("with rows as (select customer_id, object, count(*) n from ($stored) s group by 1, 2), told as (select s.customer_id, s.object, sum(r.records_inserted) n
	from supaglue.syncs s join supaglue.sync_runs r on r.sync_id = s.id where r.status = 'SUCCESS' and s.object_type = 'standard' group by 1, 2)
	select count(*) from rows full join told using (customer_id, object) where rows.n is distinct from told.n"), '0', 'runs tell of each row once');
is(query("with rows as (select customer_id, lower(object) object, count(*) n from far group by 1, 2), told as (select s.customer_id,
		case when s.object = 'account' and s.provider_name = 'hubspot' then 'company' else s.object end object, sum(r.records_inserted) n
	from supaglue.syncs s join supaglue.sync_runs r on r.sync_id = s.id where r.status = 'SUCCESS' and s.object_type = 'common' group by 1, 2)
	select count(*) from rows full join told using (customer_id, object) where rows.n is distinct from told.n"), '0', 'of the other server, too');
is(query("select count(*) from supaglue.sync_runs where records_read is distinct from records_inserted + records_updated + records_unchanged + records_rejected
	and status = 'SUCCESS' and strategy = 'incremental' and records_deleted = 0"), '0', 'what was read was written or was there');
is(query("select count(*) from supaglue.syncs s where s.last_run_id is distinct from (select max(id) from supaglue.sync_runs r
	where r.sync_id = s.id and status = 'SUCCESS')"), '0', 'each sync knows its last run');
is($unforgiving->counters->{refresh_reuse}, 0, 'no token was used twice where that is not forgiven');
is(query("select string_agg(distinct status, ',') from supaglue.connections"), 'active', 'all connections live');
note(query("select string_agg(format('%s %s: %s %s', status, error_class, n, error_message), E'\\n') from (select status, error_class,
	left(error_message, 100) error_message, count(*) n from supaglue.sync_runs group by 1, 2, 3 order by 4 desc) r"));
is(query("select count(*) from supaglue.sync_runs where error_class in ('internal', 'authentication', 'provider', 'data', 'gone', 'permission')
	and error_message not like '%canceling statement%'"), '0', 'no run failed for a reason that there was not');
wait_until(sub { query("select sum(pg_relation_size('supaglue_internal.spool_' || slot)) from generate_series(0, 3) slot") eq '0' },
	'the spool is emptied');
my $log = slurp_file($node->logfile);
my @deaths = grep { !/signal 9/ } $log =~ /^.*was terminated by signal.*$/mg;
is("@deaths", '', 'nobody died but those we killed');
unlike($log, qr/PANIC|TRAP|XX001|could not read block/, 'the log has nothing terrible');
$node->stop;
$far->stop;
done_testing();
