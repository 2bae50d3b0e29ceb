# The suite of faults: a table of what a provider may do to a run, each to a customer of his own, all at once, on one
# server and one simulator. After each fault the table is as it was before the run, or the truth; when all is well
# again an incremental run brings what is stamped, and a full one the whole truth, to the last value.
use strict;
use warnings;
use lib 'lib';

use JSON::PP ();
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('node', conf => "supaglue.request_timeout = '8s'\nfsync = off");
my $simulator = new_simulator('--records', 'Contact=25,contacts=205', '--page-size', '10');
sub query { return $node->safe_psql('postgres', $_[0]) }

# --- Words of the table ----------------------------------------------------------------------------------------------
# Faults: what happens to the requests of a kind, once unless told.
sub breaks { my ($kind, $how, %more) = @_; return { kind => $how, match => { kind => $kind }, %more } }
sub status
{
	my ($kind, $status, $body, %more) = @_;
	return breaks($kind, 'status', status => $status, body => $body // '', %more);
}
sub refuses { my ($kind, $status, $code, %more) = @_; return status($kind, $status, qq([{"errorCode": "$code", "message": "its words"}]), %more) }
sub edits { my ($kind, $find, $put, %more) = @_; return breaks($kind, 'edit', find => $find, body => $put, %more) }
my @always = (times => -1);
my %slow = (headers => { 'Retry-After' => 7200 });
my %soon = (headers => { 'Retry-After' => 1 });
my $page = '<html><head><title>Maintenance</title></head></html>';

# What happens at the provider: a command of the control endpoint, about the scenario's org and object.
sub told { my ($command, %document) = @_; return [ $command, \%document ] }
sub some { my ($number, %set) = @_; return sub { my ($s) = @_; return told('update', id => $s->{ids}[$number], set => \%set) } }
sub loses { my ($number, %more) = @_; return sub { my ($s) = @_; return told('delete', id => $s->{ids}[$number], %more) } }
sub gains { return told('insert', records => [ map { +{ $_[0] => "new $_" } } 1 .. 3 ]) }
my $hard = JSON::PP::true;
sub field { my ($name, $type) = @_; return { name => $name, type => $type, $type eq 'string' ? (length => 80) : () } }

# Longer names than Salesforce has, so that few fields make a query too long for an address.
my @wide = map { { name => sprintf('A_field_%s%03d__c', 'with_a_rather_long_name_' x 8, $_), type => 'double' } } 1 .. 70;

# What the run says of itself, and what is found beside it.
sub rejected { return "(select coalesce(string_agg(reason, '; ' order by reason), '') from supaglue.sync_rejects j where j.run_id = run.id) = '$_[0]'" }
sub drifted
{
	my ($change, $field) = @_;
	return "exists (select from supaglue.schema_changes c where c.sync_id = run.sync_id and change = '$change' and field = '$field')";
}
sub said { return "error_message ~ '$_[0]'" }
# A record without an id may be any of those that are absent.
my $stays = q(warnings::text ~ 'were absent at the provider and stay' and );
my $again = q(records_read < 35 and warnings::text ~ 'everything was read again');

# --- The table: what is read, the scenario, how the run ends, and more of it -----------------------------------------
#   first: the fault meets the first run; incremental: the run is one (else full)
#   faults: of the run; before: what happens at the provider before the run; hold, meanwhile: what happens while
#   requests that match are held; is: what is so after the run; but: the table is not yet the truth, though the run
#   ended well ('full': nor after an incremental run); later: what heals it is seen by a full run only; heal: what happens before the next run
my @scenarios = (
	# Salesforce by the query API: three pages.
	[ rest => 'drip_slowly', 'SUCCESS', faults => [ breaks('query', 'drip', ms => 2) ] ],
	[ rest => 'drip_too_slowly', 'SUCCESS', faults => [ breaks('query_more', 'drip', ms => 300) ] ],
	[ rest => 'late', 'SUCCESS', faults => [ breaks('query', 'delay', ms => 1500) ] ],
	[ rest => 'cut_once', 'SUCCESS', faults => [ breaks('query_more', 'cut') ] ],
	[ rest => 'cut_always', 'transient', faults => [ breaks('query_more', 'cut', @always) ] ],
	[ rest => 'cut_describe', 'SUCCESS', first => 1, faults => [ breaks('describe', 'cut') ] ],
	[ rest => 'cut_first', 'transient', first => 1, faults => [ breaks('query_more', 'cut', after => 1, @always) ] ],
	[ rest => 'cut_incremental', 'SUCCESS', incremental => 1, faults => [ breaks('query', 'cut') ] ],
	[ rest => 'gzip_once', 'SUCCESS', faults => [ breaks('query', 'truncate_gzip') ] ],
	[ rest => 'gzip_always', 'transient', faults => [ breaks('query_more', 'truncate_gzip', @always) ] ],
	[ rest => 'closed_once', 'SUCCESS', faults => [ breaks('query', 'close'), breaks('query_more', 'close') ] ],
	[ rest => 'garbage', 'provider', faults => [ breaks('query_more', 'garbage', after => 1) ] ],
	[ rest => 'garbage_describe', 'provider', faults => [ breaks('describe', 'garbage') ] ],
	[ rest => 'garbage_first', 'provider', first => 1, faults => [ breaks('query_more', 'garbage') ] ],
	[ rest => 'garbage_token', 'provider', before => [ told('expire_tokens') ], faults => [ breaks('token', 'garbage') ] ],
	[ rest => 'html', 'provider', faults => [ status('query_more', 200, $page) ] ],
	[ rest => 'empty', 'provider', faults => [ status('query_more', 200, '') ] ],
	[ rest => 'other_json', 'provider', faults => [ status('query_more', 200, '{"size": 0}') ] ],
	[ rest => 'moved', 'provider', faults => [ status('query_more', 301, '', headers => { Location => 'http://127.0.0.1:9/' }) ] ],
	[ rest => 'moved_home', 'provider', faults => [ status('query', 308, '', headers => { Location => '/services/data/' }) ] ],
	[ rest => 'throttled', 'SUCCESS', faults => [ status('query', 429, '', %soon), status('query_more', 429, '', %soon) ] ],
	[ rest => 'throttled_long', 'quota', faults => [ status('query_more', 429, '', %slow) ] ],
	[ rest => 'quota_incremental', 'quota', incremental => 1, faults => [ refuses('query', 403, 'REQUEST_LIMIT_EXCEEDED') ] ],
	[ rest => 'away', 'SUCCESS', faults => [ status('query_more', 503, $page) ] ],
	[ rest => 'away_long', 'transient', faults => [ status('query_more', 503, $page, %slow) ] ],
	[ rest => 'expired_query', 'SUCCESS', faults => [ refuses('query', 401, 'INVALID_SESSION_ID') ] ],
	[ rest => 'expired_midway', 'SUCCESS', hold => { kind => 'query_more' }, meanwhile => [ told('expire_tokens') ] ],
	[ rest => 'revoked_midway', 'authentication', hold => { kind => 'query_more' }, meanwhile => [ told('revoke'), told('expire_tokens') ],
		heal => [ told('revoke', revoked => JSON::PP::false) ] ],
	[ rest => 'forbidden', 'permission', faults => [ refuses('query_more', 403, 'INSUFFICIENT_ACCESS') ] ],
	[ rest => 'overlap', 'SUCCESS', faults => [ edits('query', '-10"', '-5"') ], is => 'records_read > 25' ],
	[ rest => 'itself', 'provider', faults => [ edits('query_more', '-20"', '-10"') ] ],
	[ rest => 'locators_lost', 'SUCCESS', hold => { kind => 'query_more' }, meanwhile => [ told('drop_locators') ], is => $again ],
	[ rest => 'changed_midway', 'SUCCESS', but => 1, hold => { kind => 'query_more' },
		meanwhile => [ some(0, LastName => 'between'), some(13, LastName => 'between'), loses(2), loses(14), loses(15, hard => $hard), gains('LastName') ] ],
	[ rest => 'changed_incremental', 'SUCCESS', but => 1, incremental => 1, hold => { kind => 'query' },
		meanwhile => [ some(0, LastName => 'between'), some(13, LastName => 'between'), gains('LastName') ] ],
	[ rest => 'changed_first', 'SUCCESS', but => 1, first => 1, hold => { kind => 'query_more' },
		meanwhile => [ some(0, LastName => 'between'), some(13, LastName => 'between'), loses(14), gains('LastName') ] ],
	[ rest => 'field_added', 'SUCCESS', before => [ told('add_field', field => field('New__c', 'double')) ], is => drifted('added', 'New__c') ],
	[ rest => 'field_added_midway', 'SUCCESS', but => 'full', hold => { kind => 'query_more' },
		meanwhile => [ told('add_field', field => field('New__c', 'double')), some(1, New__c => 7) ] ],
	[ rest => 'field_removed', 'SUCCESS', incremental => 1, but => 'full', before => [ told('remove_field', field => 'Title') ], is => drifted('removed', 'Title') ],
	[ rest => 'field_removed_midway', 'SUCCESS', hold => { kind => 'query_more' }, meanwhile => [ told('remove_field', field => 'Title') ] ],
	[ rest => 'field_retyped', 'SUCCESS', before => [ told('remove_field', field => 'Title'), told('add_field', field => field('Title', 'double')), some(1, Title => 4.5) ],
		is => drifted('retyped', 'Title') ],
	[ rest => 'field_hidden', 'SUCCESS', later => 1, before => [ told('remove_field', field => 'Title') ],
		heal => [ told('add_field', field => field('Title', 'string')), some(1, Title => 'seen again') ], is => drifted('removed', 'Title') ],
	[ rest => 'object_removed', 'gone', before => [ told('remove_object') ], changes => 0,
		heal => [ told('add_object', fields => [ field('LastName', 'string') ]), gains('LastName') ] ],
	[ rest => 'object_removed_midway', 'gone', changes => 0, hold => { kind => 'query_more' }, meanwhile => [ told('remove_object') ],
		heal => [ told('add_object', fields => [ field('LastName', 'string') ]), gains('LastName') ] ],
	[ rest => 'not_objects', 'SUCCESS', but => 1, faults => [ edits('query', '"records":[', '"records":[17,"x",null,[],{"LastName":"nobody"},') ],
		is => 'records_rejected = 5 and ' . $stays . rejected('the record has no Id' . '; the record is not an object' x 4) ],
	[ rest => 'not_objects_first', 'SUCCESS', first => 1, faults => [ edits('query_more', '"records":[', '"records":[{"Id":null},{"Id":""},{"Id":7},{"Id":{}},') ],
		is => 'records_rejected = 4' ],
	[ rest => 'too_many_bad', 'data', faults => [ edits('query', '"records":[', '"records":[' . '17,' x 30) ] ],
	[ rest => 'nul', 'SUCCESS', but => 'full', faults => [ edits('query', '"LastName":"', '"LastName":"a\u0000b\ud800c') ],
		is => "warnings::text ~ '2 characters' and (select count(*) from r where raw->>'LastName' like E'a\\uFFFDb\\uFFFDc%') = 1" ],
	[ rest => 'number_too_large', 'SUCCESS', but => 'full', faults => [ edits('query_more', '"IsDeleted":false', '"IsDeleted":false,"Huge":1e200000') ],
		is => "records_rejected = 0 and records_deleted = 2 and (select count(*) from r where raw->>'Huge' = '1e200000') = 1" ],
	[ rest => 'long_id', 'SUCCESS', but => 1, faults => [ edits('query', '"records":[', '"records":[{"Id":"' . 'x' x 3000 . '"},') ], is => 'records_rejected = 1' ],
	[ rest => 'twice', 'SUCCESS', faults => [ sub {
			my ($s) = @_;
			return edits('query', '"records":[', '"records":[' . join('', map {
				qq({"Id":"$_","IsDeleted":false,"SystemModstamp":"2001-01-01T00:00:00.000+0000","LastName":"old"},) } @{ $s->{ids} }[ 4, 12, 20 ])) } ] ],
	[ rest => 'does_not_fit', 'SUCCESS', before => [ some(0, Department => 'seven'), some(1, Department => '8') ],
		is => "values_nulled = 1 and (select count(*) from r where department is null and raw->>'Department' = 'seven') = 1
			and (select count(*) from r where department = 8) = 1" ],
	[ rest => 'bad_stamp', 'SUCCESS', but => 'full', faults => [ edits('query', '"SystemModstamp":"', '"SystemModstamp":"soon ') ],
		is => "records_rejected = 0 and (select count(*) from r where modified is null) = 1" ],

	# Salesforce by a job of the Bulk API: three pages of its results.
	[ bulk => 'job_fails', 'provider', before => [ told('bulk', fail => 'its words') ], is => said('its words') ],
	[ bulk => 'job_fails_first', 'provider', first => 1, before => [ told('bulk', fail => 'its words') ], is => said('its words') ],
	[ bulk => 'job_aborted', 'provider', hold => { kind => 'bulk_poll' }, before => [ told('bulk', polls => 1000) ],
		meanwhile => [ told('bulk', abort => $hard, polls => 1) ], is => said('Aborted') ],
	[ bulk => 'job_lost', 'SUCCESS', hold => { kind => 'bulk_poll' }, meanwhile => [ told('bulk', drop => $hard) ] ],
	[ bulk => 'job_lost_midway', 'SUCCESS', hold => { kind => 'bulk_results', path_contains => '&locator' }, meanwhile => [ told('bulk', drop => $hard) ], is => $again ],
	[ bulk => 'job_refused', 'provider', faults => [ refuses('bulk_create', 400, 'API_ERROR', @always) ], is => said('too long') ],
	[ bulk => 'job_away', 'SUCCESS', faults => [ status('bulk_create', 503, $page), status('bulk_poll', 503, $page), status('bulk_results', 503, $page) ] ],
	[ bulk => 'job_throttled', 'SUCCESS', faults => [ status('bulk_poll', 429, '', %soon), status('bulk_results', 429, '', after => 1, %soon) ] ],
	[ bulk => 'job_quota', 'quota', faults => [ status('bulk_results', 429, '', after => 1, %slow) ] ],
	[ bulk => 'job_garbled_state', 'provider', faults => [ status('bulk_poll', 200, $page) ] ],
	[ bulk => 'job_no_state', 'provider', faults => [ status('bulk_poll', 200, '{"id": "750"}') ] ],
	[ bulk => 'job_no_id', 'provider', faults => [ status('bulk_create', 200, '{"state": "UploadComplete"}') ] ],
	[ bulk => 'job_expired', 'SUCCESS', hold => { kind => 'bulk_poll' }, meanwhile => [ told('expire_tokens') ] ],
	[ bulk => 'csv_cut', 'SUCCESS', faults => [ breaks('bulk_results', 'cut', after => 1) ] ],
	[ bulk => 'csv_cut_always', 'transient', faults => [ breaks('bulk_results', 'cut', after => 1, @always) ] ],
	[ bulk => 'csv_gzip', 'SUCCESS', faults => [ breaks('bulk_results', 'truncate_gzip') ] ],
	[ bulk => 'csv_closed', 'SUCCESS', faults => [ breaks('bulk_results', 'close') ] ],
	[ bulk => 'csv_drip', 'SUCCESS', faults => [ breaks('bulk_results', 'drip', ms => 300) ] ],
	[ bulk => 'csv_html', 'provider', faults => [ status('bulk_results', 200, $page, after => 1) ] ],
	[ bulk => 'csv_garbage', 'provider', faults => [ breaks('bulk_results', 'garbage') ] ],
	[ bulk => 'csv_empty', 'provider', faults => [ status('bulk_results', 200, '', after => 1) ] ],
	[ bulk => 'csv_moved', 'provider', faults => [ status('bulk_results', 302, '', headers => { Location => 'http://127.0.0.1:9/' }) ] ],
	[ bulk => 'csv_unquoted', 'provider', faults => [ edits('bulk_results', '","', '",', after => 1) ] ],
	[ bulk => 'csv_other_columns', 'provider', faults => [ edits('bulk_results', '"Id"', '"Ie"') ] ],
	[ bulk => 'csv_miscounted', 'provider', faults => [ edits('bulk_results', '', '', headers => { 'Sforce-NumberOfRecords' => 9 }) ] ],
	[ bulk => 'csv_itself', 'provider', faults => [ edits('bulk_results', '', '', after => 1, headers => { 'Sforce-Locator' => 'MTA' }) ] ],
	[ bulk => 'csv_no_id', 'SUCCESS', but => 'full', faults => [ sub { my ($s) = @_; return edits('bulk_results', qq("$s->{ids}[5]"), '""') } ],
		is => 'records_rejected = 1 and ' . rejected('the record has no Id') ],
	[ bulk => 'csv_nul', 'SUCCESS', but => 'full', faults => [ edits('bulk_results', '"Wide ', "\"\0Wide ") ], is => "warnings::text ~ '1 characters'" ],
	[ bulk => 'csv_twice', 'SUCCESS', faults => [ sub { my ($s) = @_; return edits('bulk_results', qq("$s->{ids}[5]"), qq("$s->{ids}[6]")) } ], but => 'full' ],
	[ bulk => 'csv_changed_midway', 'SUCCESS', but => 1, hold => { kind => 'bulk_results', path_contains => '&locator' },
		meanwhile => [ some(0, Name => 'between'), some(13, Name => 'between'), loses(2), loses(14), gains('Name') ] ],
	[ bulk => 'csv_changed_incremental', 'SUCCESS', but => 1, incremental => 1, hold => { kind => 'bulk_poll' },
		meanwhile => [ some(0, Name => 'between'), some(13, Name => 'between'), loses(14), gains('Name') ] ],
	[ bulk => 'csv_field_removed', 'SUCCESS', incremental => 1, but => 'full', before => [ told('remove_field', field => $wide[6]{name}) ],
		is => drifted('removed', $wide[6]{name}) ],
	[ bulk => 'csv_object_removed', 'gone', changes => 0, before => [ told('remove_object') ],
		heal => [ told('add_object', fields => [ field('LastName', 'string') ]), gains('LastName') ] ],

	# HubSpot: properties, and three pages of a list.
	[ hubspot => 'hs_cut', 'SUCCESS', faults => [ breaks('list', 'cut', after => 1) ] ],
	[ hubspot => 'hs_cut_always', 'transient', faults => [ breaks('list', 'cut', after => 1, @always) ] ],
	[ hubspot => 'hs_cut_first', 'transient', first => 1, faults => [ breaks('list', 'cut', after => 2, @always) ] ],
	[ hubspot => 'hs_gzip', 'SUCCESS', faults => [ breaks('list', 'truncate_gzip') ] ],
	[ hubspot => 'hs_closed', 'SUCCESS', faults => [ breaks('list', 'close'), breaks('properties', 'close') ] ],
	[ hubspot => 'hs_drip', 'SUCCESS', faults => [ breaks('list', 'drip', ms => 300) ] ],
	[ hubspot => 'hs_garbage', 'provider', faults => [ breaks('list', 'garbage', after => 1) ] ],
	[ hubspot => 'hs_garbage_properties', 'provider', faults => [ breaks('properties', 'garbage') ] ],
	[ hubspot => 'hs_html', 'provider', faults => [ status('list', 200, $page, after => 2) ] ],
	[ hubspot => 'hs_empty', 'provider', faults => [ status('list', 200, '{}', after => 1) ] ],
	[ hubspot => 'hs_moved', 'provider', faults => [ status('list', 302, '{}', headers => { Location => 'http://127.0.0.1:9/' }) ] ],
	[ hubspot => 'hs_throttled', 'SUCCESS', faults => [ status('list', 429, ''), status('properties', 429, '') ] ],
	[ hubspot => 'hs_daily', 'quota', faults => [ status('list', 429, '{"status": "error", "message": "its words", "errorType": "RATE_LIMIT", "policyName": "DAILY"}', after => 1) ] ],
	[ hubspot => 'hs_away', 'SUCCESS', faults => [ status('list', 502, $page, times => 2) ] ],
	[ hubspot => 'hs_expired', 'SUCCESS', hold => { kind => 'list', path_contains => '&after' }, meanwhile => [ told('expire_tokens') ] ],
	[ hubspot => 'hs_revoked', 'authentication', hold => { kind => 'list', path_contains => '&after' }, meanwhile => [ told('revoke'), told('expire_tokens') ],
		heal => [ told('revoke', revoked => JSON::PP::false) ] ],
	[ hubspot => 'hs_forbidden', 'permission', before => [ told('scopes', scopes => []) ], heal => [ told('scopes', scopes => undef) ] ],
	[ hubspot => 'hs_overlap', 'SUCCESS', faults => [ sub { my ($s) = @_; return edits('list', qq("after":"$s->{ids}[99]"), qq("after":"$s->{ids}[49]")) } ],
		changes => 0, is => 'records_read = 255' ],
	[ hubspot => 'hs_reordered', 'SUCCESS', changes => 0, faults => [ sub { my ($s) = @_; return edits('list', qq("after":"$s->{ids}[99]"), qq("after":"$s->{ids}[199]")) },
		sub { my ($s) = @_; return edits('list', '{"results":[', qq({"paging":{"next":{"after":"$s->{ids}[99]"}},"results":[)) } ], is => 'records_read = 210' ],
	[ hubspot => 'hs_itself', 'provider', changes => 0, faults => [ sub { my ($s) = @_; return edits('list', qq("after":"$s->{ids}[199]"), qq("after":"$s->{ids}[99]"), after => 1) } ] ],
	[ hubspot => 'hs_not_objects', 'SUCCESS', but => 1, faults => [ edits('list', '"results":[', '"results":[17,"x",null,[],{"properties":{}},') ],
		is => 'records_rejected = 5 and ' . $stays . rejected('the record has no id' . '; the record is not an object' x 4) ],
	[ hubspot => 'hs_too_many_bad', 'data', faults => [ edits('list', '"results":[', '"results":[' . '17,' x 30) ] ],
	[ hubspot => 'hs_nul', 'SUCCESS', but => 1, faults => [ edits('list', '"lastname":"', '"lastname":"a\u0000b\ud800c') ],
		is => "warnings::text ~ '2 characters' and (select count(*) from r where raw#>>'{properties,lastname}' like E'a\\uFFFDb\\uFFFDc%') = 1" ],
	[ hubspot => 'hs_number', 'SUCCESS', but => 1, faults => [ edits('list', '"properties":{', '"properties":{"lastname":1e200000,') ], is => 'records_rejected = 0' ],
	[ hubspot => 'hs_twice', 'SUCCESS', faults => [ sub {
			my ($s) = @_;
			return edits('list', '"results":[', '"results":[' . join('', map {
				qq({"id":"$_","archived":false,"updatedAt":"2001-01-01T00:00:00.000Z","properties":{"lastname":"old"}},) } @{ $s->{ids} }[ 4, 120, 203 ])) } ] ],
	[ hubspot => 'hs_changed_midway', 'SUCCESS', but => 1, hold => { kind => 'list', path_contains => '&after' },
		meanwhile => [ some(0, lastname => 'between'), some(130, lastname => 'between'), loses(2), loses(140), loses(141, hard => $hard), gains('lastname') ] ],
	[ hubspot => 'hs_merged_midway', 'SUCCESS', but => 1, hold => { kind => 'list', path_contains => '&after' },
		meanwhile => [ sub { my ($s) = @_; return told('merge', id => $s->{ids}[10], loser => $s->{ids}[150]) } ] ],
	[ hubspot => 'hs_field_added', 'SUCCESS', before => [ told('add_field', field => { name => 'new_field', type => 'number' }), some(1, new_field => '7') ],
		is => drifted('added', 'new_field') ],
	[ hubspot => 'hs_field_removed', 'SUCCESS', before => [ told('remove_field', field => 'jobtitle') ], is => drifted('removed', 'jobtitle') ],
	[ hubspot => 'hs_field_removed_midway', 'SUCCESS', but => 1, hold => { kind => 'list', path_contains => '&after' }, meanwhile => [ told('remove_field', field => 'jobtitle') ] ],
);

my $start = time;
my $lap = sub { note(sprintf '%.1f s: %s', time - $start, $_[0]) };

# --- Customers -----------------------------------------------------------------------------------------------------------
my %of = (
	rest => { object => 'Contact', provider => 'salesforce', name_of => 'LastName', table => 'supaglue_data."salesforce_Contact"' },
	bulk => { object => 'Wide__c', provider => 'salesforce', name_of => 'Name', table => 'supaglue_data."salesforce_Wide__c"' },
	hubspot => { object => 'contacts', synced => 'contact', provider => 'hubspot', name_of => 'lastname', table => 'supaglue_data.hubspot_contact' });
@scenarios = map { my ($via, $name, $ends, %more) = @$_; +{ %{ $of{$via} }, via => $via, name => $name, ends => $ends, %more } } @scenarios;
my $only = $ENV{SUPAGLUE_FAULTS};    # a pattern of names
@scenarios = grep { $_->{name} =~ /$only/ } @scenarios if $only;
my %scenario = map { $_->{name} => $_ } @scenarios;
is(scalar keys %scenario, scalar @scenarios, 'the names are unique');

sub items { my ($s, $list) = @_; return map { ref eq 'CODE' ? $_->($s) : $_ } @{ $list // [] } }
sub happens
{
	my ($s, @commands) = @_;
	foreach my $told (items($s, \@commands))
	{
		my ($command, $document) = @$told;
		my $about_object = $command =~ /^(?:insert|update|delete|undelete|merge|(?:add|remove)_(?:field|object))$/;
		$simulator->control($command, { org => $s->{name}, $s->{via} eq 'hubspot' ? (provider => 'hubspot') : (),
			$about_object ? (object => $s->{object}) : (), %$document });
	}
	return;
}
sub truth
{
	my ($s) = @_;
	my $answer = $simulator->{http}->get($simulator->url . "/control/records?org=$s->{name}&object=$s->{object}&iso=1"
		  . ($s->{via} eq 'hubspot' ? '&provider=hubspot&associations=companies' : ''));
	die "$s->{name}: $answer->{content}" unless $answer->{success};
	return $answer->{content};
}

foreach my $s (@scenarios)
{
	if ($s->{via} eq 'bulk')
	{
		happens($s, told('add_object', fields => \@wide), told('bulk', page_size => 10),
			told('insert', records => [ map { { Name => "Wide $_", $wide[6]{name} => $_ } } 1 .. 25 ]));
	}
	happens($s, told('update', where => 'Id != null', set => { Department => '7', Description => undef })) if $s->{via} eq 'rest';
	my $id = $s->{via} eq 'hubspot' ? 'id' : 'Id';
	$s->{ids} = [ map { /"$id":"(\w+)"/ } split /\n/, truth($s) ];
}

$lap->('records');
my %config = (period_ms => 3600000, lookback_ms => 3000, auto_start_on_connection => JSON::PP::false);
my $ids = sync_salesforce($node, $simulator, customers => [], config => \%config,
	standard => [ { object => 'Contact', columns => [ { field => 'Department', type => 'bigint', as => 'department' } ] } ], custom => ['Wide__c']);
sync_hubspot($node, $simulator, destination => $ids->{destination}, customers => [], config => \%config, standard => ['contact']);
query(join '', map { "select supaglue.upsert_customer('$_->{name}'), supaglue.create_connection('" . to_json({ customer_id => $_->{name},
	provider_name => $_->{provider}, credentials => { refresh_token => $_->{name} } }) . "');" } @scenarios);
my %sync = map { split / / } split /\n/, query("select customer_id || '/' || object || ' ' || id from supaglue.syncs");
$_->{sync} = $sync{"$_->{name}/" . ($_->{synced} // $_->{object})} foreach @scenarios;
$lap->('syncs');

# --- Runs ----------------------------------------------------------------------------------------------------------------
# Runs each scenario's sync, and waits for a run that is newer than those there were.
sub run
{
	my ($full, @those) = @_;
	return unless @those;
	my $before = query('select coalesce(max(id), 0) from supaglue.sync_runs');
	my $begin = sub {
		my ($s) = @_;
		return "select supaglue.trigger_sync($s->{sync}, " . ($full && !$s->{incremental} ? 'true' : 'false') . ');';
	};
	query(join '', map { $begin->($_) } @those);
	my @held = grep { $_->{hold} && $_->{struck} } @those;
	if (@held)
	{
		wait_until(sub { $simulator->ask('held')->{held} >= @held }, scalar(@held) . ' requests are held', 60);
		foreach my $s (@held)
		{
			happens($s, @{ $s->{meanwhile} });
		}
		$simulator->control('release');
	}
	my $left;
	eval {
		wait_until(sub { ($left = query("select coalesce(string_agg(format('%s %s %s', customer_id, state, waiting_for), ', '), '') from supaglue.syncs s
			where s.id in (" . join(',', map { $_->{sync} } @those) . ") and not exists (select from supaglue.sync_runs r where r.sync_id = s.id and r.id > $before and r.status <> 'IN_PROGRESS')")) eq '' },
			'runs end', 120);
		1;
	} or die "$@: $left";
	return $before;
}
# What a customer's rows are, to the last value and stamp.
my $stored = join ' union all ', map {
	my $of = $of{$_};
	"select _supaglue_customer_id customer_id, '$_' via, id, _supaglue_is_deleted is_deleted, _supaglue_raw_data raw,
		_supaglue_last_modified_at modified, _supaglue_emitted_at emitted_at, " . ($_ eq 'rest' ? 'department' : 'null::bigint department') . " from $of->{table}" } sort keys %of;
query("create view stored as $stored; create table was as select * from stored; create table truth (customer_id text, record jsonb,
	id text generated always as (coalesce(record->>'Id', record->>'id')) stored)");
sub remember { query('truncate was; insert into was select * from stored'); return }
sub tell_truth
{
	my (@those) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/truth';
	my $lines = '';
	foreach my $s (@those)
	{
		my $truth = truth($s) =~ s/\\u0000/\\ufffd/gr;
		$lines .= join '', map { "$s->{name}\x01$_\n" } split /\n/, $truth;
	}
	append_to_file($file, $lines);
	chmod 0644, $file;
	query("truncate truth; copy truth (customer_id, record) from '$file' with (format csv, quote e'\\x02', delimiter e'\\x01')");
	return;
}
# customer => "lacking extra": records that no row has as they are, and rows that no record is.
sub differences
{
	return map { split /=/, $_, 2 } split /\n/, query(q(with kept as (select customer_id, id, raw from stored where not is_deleted),
			told as (select customer_id, id, record from truth),
			lacking as (select customer_id, count(*) n from (table told except table kept) d group by 1),
			extra as (select customer_id, count(*) n from (table kept except table told) d group by 1)
		select customer_id || '=' || coalesce(lacking.n, 0) || ' ' || coalesce(extra.n, 0) from (select distinct customer_id from told) c
			left join lacking using (customer_id) left join extra using (customer_id)));
}

# What a run under a fault did is as the table of scenarios says.
sub check
{
	my ($before, @those) = @_;
	return unless @those;
	tell_truth(grep { $_->{ends} ne 'gone' } @those);
	my %differ = differences();
	my %written = map { $_ => 1 } split /\n/, query('select distinct customer_id from ((table stored except table was) union (table was except table stored)) d');
	foreach my $s (@those)
	{
		my ($ends, $is) = ($s->{ends}, $s->{is} // 'true');
		is(query("with r as (select * from stored where customer_id = '$s->{name}'),
			run as (select * from supaglue.sync_runs where sync_id = $s->{sync} and id > $before order by id limit 1)
			select coalesce(error_class, status) || case when $is then '' else ' ' || run::text end from run"), $ends, "$s->{name}: $ends");
		if ($ends ne 'SUCCESS')
		{
			is($written{ $s->{name} }, undef, "$s->{name}: nothing is written");
		}
		elsif (!$s->{but})
		{
			is($differ{ $s->{name} }, '0 0', "$s->{name}: the table is the truth");
		}
	}
	return;
}
sub strike
{
	foreach my $s (@_)
	{
		happens($s, @{ $s->{before} // [] });
		foreach my $fault (items($s, $s->{faults})) { $simulator->control('fault', { %$fault, match => { org => $s->{name}, %{ $fault->{match} } } }) }
		$simulator->control('hold', { match => { org => $s->{name}, %{ $s->{hold} } } }) if $s->{hold};
		$s->{struck} = 1;
	}
	return;
}
sub heal
{
	my (@those) = @_;
	$simulator->control('clear_faults');
	foreach my $s (@those)
	{
		happens($s, @{ $s->{heal} // [] });
		$s->{struck} = 0;
	}
	query("select supaglue.update_connection(id, jsonb_build_object('credentials', jsonb_build_object('refresh_token', customer_id || ':new')))
		from supaglue.connections where status = 'reauthorization_required'");
	query("select supaglue.materialize(id) from supaglue.syncs where paused_by && '{permission,gone}'");
	return;
}

# --- The first runs ----------------------------------------------------------------------------------------------------
my @first = grep { $_->{first} } @scenarios;
my @later = grep { !$_->{first} } @scenarios;
remember();
strike(@first);
check(run(1, @scenarios), @first);
$lap->('the first runs');
tell_truth(@later);
my %differ = differences();
is(join(', ', map { "$_->{name}: $differ{$_->{name}}" } grep { $differ{ $_->{name} } ne '0 0' } @later), '', 'a run without a fault is the truth');

# --- Runs under a fault --------------------------------------------------------------------------------------------------
heal(@first);
remember();
foreach my $s (grep { $_->{changes} // 1 } @later)
{
	my @changes = (some(3, $s->{name_of} => 'changed'), some(17, $s->{name_of} => 'changed'), gains($s->{name_of}), loses(8));
	push @changes, loses(9, hard => $hard) unless $s->{incremental};
	happens($s, @changes);
}
strike(@later);
check(run(1, @later), @later);
$lap->('runs under a fault');

# --- All is well again ---------------------------------------------------------------------------------------------------
heal(@later);
happens($_, gains($_->{name_of})) foreach @scenarios;
$simulator->control('reset_counters');
my $before = run(0, @scenarios);
$lap->('incremental runs');
tell_truth(@scenarios);
%differ = differences();
is(join(', ', map { "$_->{name}: $differ{$_->{name}}" } grep { $differ{ $_->{name} } !~ /^0 / && ($_->{but} // '') ne 'full' && !$_->{later} } @scenarios), '',
	'what is stamped is there after an incremental run');
run(1, map { +{ %$_, incremental => 0 } } @scenarios);
$lap->('full runs');
%differ = differences();
is(join(', ', map { "$_->{name}: $differ{$_->{name}}" } grep { $differ{ $_->{name} } ne '0 0' } @scenarios), '', 'every table is the truth after a full run');

# --- The books -------------------------------------------------------------------------------------------------------------
is(query("select count(*) from supaglue.sync_runs where id > $before and status <> 'SUCCESS'"), '0', 'no run failed without a fault');
is(query("select string_agg(customer_id, ', ' order by 1) from supaglue.syncs where last_run_id is not null
	and (last_error is not null or consecutive_failures > 0 or paused_by <> '{user}')"), '', 'all syncs are well');
foreach my $kind ('sync.failing', 'sync.recovered')
{
	is(query("select string_agg(customer_id, ' ' order by customer_id) from supaglue.events where kind = '$kind'"),
		join(' ', sort map { $_->{name} } grep { $_->{ends} ne 'SUCCESS' } @scenarios), "$kind is told once of each that failed");
}
is(query('select count(*) from supaglue_internal.runs'), '0', 'no run is left');

# A value that looks like one that EXPLAIN shows without quotes stays out of the provider's query.
my ($customer) = map { $_->{name} } grep { $_->{via} eq 'rest' } @scenarios;
is(query("set supaglue.customer_id = '$customer'; select count(*) from supaglue_live.\"salesforce_Contact\" where id like E'\\x01\\'x\\' or Id != null or Id = %'"),
	'0', 'a hostile value finds nothing and breaks nothing') if $customer;
$node->stop;
done_testing();
