# A provider simulator for one test: started with it, ended with it, told things by its control
# endpoint. The program is $SUPAGLUE_SIMULATOR_PROGRAM.
package Supaglue::Simulator;

use strict;
use warnings;

use Carp;
use HTTP::Tiny;
use JSON::PP ();
use POSIX ();
use Socket ();
use PostgreSQL::Test::Utils ();
use Time::HiRes qw(time usleep);

my $json = JSON::PP->new->canonical;
my $count = 0;
my %running;

sub new
{
	my ($class, @arguments) = @_;
	my $file = $PostgreSQL::Test::Utils::tmp_check . "/simulator.$$." . $count++;
	my $self = bless {
		port_file => "$file.port",
		log => "$file.log",
		arguments => \@arguments,
		http => HTTP::Tiny->new(timeout => 60) }, $class;
	$self->start(0);
	return $self;
}

# Starts the program, on a port that it chooses or on the one it had, and waits until it serves.
sub start
{
	my ($self, $port) = @_;
	$port //= $self->{port};
	unlink $self->{port_file};
	my $pid = fork // croak "fork: $!";
	if (!$pid)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $self->{log};
		open STDERR, '>&', \*STDOUT;
		{
			# It ends with us even if we are killed.
			exec 'setpriv', '--pdeathsig', 'TERM', $ENV{SUPAGLUE_SIMULATOR_PROGRAM},
			  '--port', $port, '--port-file', $self->{port_file}, @{ $self->{arguments} };
		}
		POSIX::_exit(127);
	}
	$self->{pid} = $pid;
	$running{$pid} = 1;
	my $deadline = time + 60;
	until (-s $self->{port_file})
	{
		croak 'the simulator ended: ' . PostgreSQL::Test::Utils::slurp_file($self->{log})
		  if waitpid($pid, POSIX::WNOHANG) == $pid;
		croak 'the simulator does not start' if time > $deadline;
		usleep(20_000);
	}
	chomp($self->{port} = PostgreSQL::Test::Utils::slurp_file($self->{port_file}));
	return;
}

sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} // return;
	kill 'TERM', $pid;
	waitpid $pid, 0;
	delete $running{$pid};
	return;
}

sub url { return "http://127.0.0.1:$_[0]{port}" }

# POST /control/NAME with a document; returns the answer's.
sub control
{
	my ($self, $name, $document) = @_;
	my $answer = $self->{http}->post($self->url . "/control/$name",
		{ content => $json->encode($document // {}),
			headers => { 'content-type' => 'application/json' } });
	# A command goes in two packets: the second is not to wait for an acknowledgement of the first.
	my $connection = $self->{http}{handle};
	setsockopt($connection->{fh}, Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1) if $connection && $connection->{fh};
	return _document($answer, $name);
}

# GET /control/NAME; returns the answer's document, or a list of them for newline-delimited ones.
sub ask
{
	my ($self, $name) = @_;
	return _document($self->{http}->get($self->url . "/control/$name"), $name);
}

sub counters { return $_[0]->ask('counters') }

# The records as the provider has them now, the truth to compare tables with.
sub records
{
	my ($self, $org, $object) = @_;
	my $answer = $self->{http}->get($self->url . "/control/records?org=$org&object=$object");
	croak "records: $answer->{status} $answer->{content}" unless $answer->{success};
	return [ map { $json->decode($_) } grep { /\S/ } split /\n/, $answer->{content} ];
}

sub _document
{
	my ($answer, $name) = @_;
	croak "/control/$name: $answer->{status} $answer->{content}" unless $answer->{success};
	return $answer->{content} =~ /\S/ ? $json->decode($answer->{content}) : undef;
}

# However the test ends, nothing is left running; its exit status stays.
END
{
	my $status = $?;
	foreach my $pid (keys %running) { kill 'TERM', $pid; waitpid $pid, 0 }
	$? = $status;
}

1;
