#!/usr/bin/perl

# The portal's outgoing webhooks: who may send one and what is one, and that it
# marks the entries of those who take part in the task, theirs and nobody else's.
# The ttl is an hour, so that nothing changes by itself.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Mojo::Parameters;
use Test::More;
use Time::HiRes qw(time);
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$t->config(<<'EOF', workers => 2);
    counters_portal acme {
        url          %%PORTAL%%;
        zone         1m;
        webhook      %%WEBHOOK_1%%;
        ttl          1h;
        rate         off;
        events_token old-Token-of-events-1 new+Token/of/events/2;
    }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location = /events { counters_events acme; }
        location = /status { counters_status acme json; }
        location = /counters { counters acme; counters_user $http_x_user; }
        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
    }
EOF

$t->start;

my ($old, $new) = ('old-Token-of-events-1', 'new+Token/of/events/2');


sub form (@pairs) {
    return Mojo::Parameters->new(@pairs)->to_string;
}


sub task_event ($event, $id, $token = $old) {
    return form(event => $event, 'data[FIELDS_BEFORE][ID]' => $id,
                'data[FIELDS_AFTER][ID]' => $id,
                'auth[application_token]' => $token);
}


sub told ($body, %how) {
    return $t->post('/events', $body, %how)->status;
}


sub poll ($user) {
    my $r = $t->get('/counters', headers => { 'X-User' => $user });
    my ($revision) = $r->body =~ /"revision":(\d+)/;

    return ($revision, $r->header('cache-status') =~ /; hit; ttl=[1-9]/);
}


# Each of them sees the change; nobody else has anything but what was stored

my %revision = map { $_ => 0 } 5 .. 9;

sub see ($name, @users) {
    for my $user (@users) {
        $revision{$user}++;
        ok(wait_for(sub { (poll($user))[0] == $revision{$user} }),
           "$name: user $user sees it");
    }

    for my $user (sort keys %revision) {
        next if grep { $_ == $user } @users;
        is_deeply([ poll($user) ], [ $revision{$user}, 1 ],
                  "$name: nothing for user $user");
    }
}


# All counters change, but what is stored of the others is still good

sub change (@users) {
    $portal->bump($_) for @users;
    $portal->forget;
}


sub counted ($name) {
    return $t->get('/status')->json->{portal}{$name};
}


poll($_) for sort keys %revision;
$portal->task(id => 70, createdBy => 5, responsibleId => 6, accomplices => [ 7 ],
              auditors => [ 8 ]);

# --- who it is from

change(5);

is(told(task_event('ONTASKUPDATE', 70, 'forged')), 403, 'forged');
is(told(task_event('ONTASKUPDATE', 70, '')), 403, 'an empty token');
is(told(task_event('ONTASKUPDATE', 70, 'old-Token-')), 403, 'half a token');
is(told(task_event('ONTASKUPDATE', 70, "${old}2")), 403, 'more than a token');
is(told(task_event('ONTASKUPDATE', 70, 'OLD-TOKEN-1')), 403, 'another case');
is(told(task_event('ONTASKUPDATE', 70, "$old $new")), 403, 'both in one');
is(told(task_event('ONTASKUPDATE', 70)
        . "&auth%5Bapplication_token%5D=$old"), 403, 'a token twice');
is(told(form(event => 'ONTASKUPDATE', 'data[FIELDS_AFTER][ID]' => 70)), 403,
   'no token');
is(told(form(event => 'ONTASKUPDATE', 'data[FIELDS_AFTER][ID]' => 70,
             application_token => $old)), 403, 'the token elsewhere');
is($t->post("/events?auth[application_token]=$old",
            form(event => 'ONTASKUPDATE', 'data[FIELDS_AFTER][ID]' => 70))
     ->status, 403, 'the token in the address');
is(told(form(event => 'ONCRMDEALADD')), 403, 'another kind without a token');
is(told('x=1'), 403, 'not an event, and no token');

# --- what is not an event

is(told(task_event('ONTASKUPDATE', $_)), 400, "task '$_'")
    for '', '0', '-70', '070', '70x', 'undefined', '99999999999999999999';

is(told(form('auth[application_token]' => $old)), 400, 'no event');
is(told(form(event => 'ONTASKCOMMENTADD', 'data[FIELDS_AFTER][ID]' => 70,
             'auth[application_token]' => $old)), 400, 'a comment to no task');
is($t->request(POST => '/events')->status, 400, 'no body');
is(told(task_event('ONTASKUPDATE', 70) . '&a=%zz'), 400, 'malformed');
is(told(task_event('ONTASKUPDATE', 70) . '&a=1' x 600), 400, 'too many');
is(told(task_event('ONTASKUPDATE', 70), type => 'text/plain'), 400, 'a text');
is(told(task_event('ONTASKUPDATE', 70), type => 'application/json'), 400,
   'no JSON');
is(told('{"event":"ONTASKUPDATE","data":{"FIELDS_AFTER":{"ID":70}},'
        . qq("auth":{"application_token":"$old"}})), 400, 'JSON');

my $large = task_event('ONTASKUPDATE', 70) . '&a=' . 'a' x 65_536;

is(told($large), 413, 'too large');
is(told($large, chunked => 1), 413, 'too large, in chunks');

for my $verb (qw(GET HEAD PUT DELETE OPTIONS)) {
    my $r = $t->request($verb, '/events');
    is($r->status, 405, "$verb: no");
    is($r->header('allow'), 'POST', "$verb: Allow");
}

# --- what is none of ours

is(told(form(event => $_, 'data[FIELDS][ID]' => 70,
             'data[FIELDS_AFTER][ID]' => 70, 'auth[application_token]' => $old)),
   200, "ignored: $_")
    for qw(ONCRMDEALADD ONTASKCOMMENTDELETE ONTASKADDED ONTASK), '';

is(counted('events'), 0, 'not one has been accepted');

# --- an event

my $r = $t->post('/events', task_event('ONTASKADD', 71));
is($r->status, 200, 'accepted');
is($r->body, '', 'an empty body');
is($r->header('content-length'), '0', 'no longer than that');

# nobody takes part in this one; and the ones above were told before it

$portal->task(id => 71, createdBy => 99, responsibleId => 98);
is(told(task_event('ONTASKADD', 71)), 200, 'another event');
ok(wait_for(sub { $portal->count(method => 'tasks.task.get') }), 'is asked for');
wait_for(sub { counted('events') == 2 });
see('nothing of the above');

my ($asked) = $portal->calls(full => 1, method => 'tasks.task.get');
is($asked->{user}, 1, 'under the webhook');
is($asked->{params}{taskId}, 71, 'for the task');
is_deeply($asked->{params}{select},
          [ qw(ID CREATED_BY RESPONSIBLE_ID ACCOMPLICES AUDITORS) ],
          'for no more than is needed');

# --- those who take part

change(6, 7, 8, 9);

my $start = time;
is(told(task_event('ONTASKUPDATE', 70)), 200, 'a task has changed');
wait_for(sub { (poll(5))[0] == 1 });
note(sprintf 'seen after %.0f ms', 1000 * (time - $start));

see('participants', 5 .. 8);
is($portal->count(method => 'tasks.task.get'), 1, 'one question');

# user 9 has changed too, but nobody has told us

is(told(form(event => 'onTaskCommentAdd', 'data[FIELDS_AFTER][ID]' => 4711,
             'data[FIELDS_AFTER][TASK_ID]' => 70,
             'auth[application_token]' => $new)), 200, 'the newer token');
change(5 .. 8);
see('a comment', 5 .. 8);

# --- who takes part no longer

change(5 .. 8);
$portal->task(id => 70, createdBy => 5, responsibleId => 6, auditors => [ 7 ]);
told(task_event('ONTASKUPDATE', 70));
see('one has been taken out', 5 .. 8);

change(5 .. 7);
told(task_event('ONTASKUPDATE', 70));
see('and is out', 5 .. 7);

# --- deletion

change(5 .. 7);
$portal->task(id => 70, gone => 1);
told(form(event => 'ONTASKDELETE', 'data[FIELDS_BEFORE][ID]' => 70,
          'data[FIELDS_AFTER]' => 'undefined', 'auth[application_token]' => $old));
see('deleted', 5 .. 7);
is($portal->count(method => 'tasks.task.get'), 0, 'nobody to ask about it');

told(task_event('ONTASKDELETE', 70));
see('deleted once more');
told(task_event('ONTASKUPDATE', 70));
ok(wait_for(sub { $portal->count(method => 'tasks.task.get') }),
   'it may have been restored');
see('it has not');

# --- many who take part

my @many = (100 .. 220);
$portal->task(id => 72, createdBy => 5, responsibleId => 100,
              accomplices => [ @many[1 .. 60] ], auditors => [ @many[61 .. 120] ]);
change(5);
poll(220);
told(task_event('ONTASKADD', 72));
see('a large task', 5);

change(5, 220);
$portal->task(id => 72, createdBy => 5, responsibleId => 100);
told(task_event('ONTASKUPDATE', 72));
see('a small one now', 5);
ok(wait_for(sub { (poll(220))[0] == 1 }), 'the last of them sees it too');

# --- a webhook of the user's own; one who is not there

my $own = $portal->hook(6, 'tasks.task.counters.get');
$t->get($own);
change(5, 6);
$portal->task(id => 73, createdBy => 5, responsibleId => 6);
told(task_event('ONTASKUPDATE', 73));
see('two', 5, 6);
ok(wait_for(sub { $t->get($own)->body =~ /"revision":(\d+)/
                  && $1 == $revision{6} }),
   'and through a webhook of their own');

is(counted('events_wide'), 0, 'never were all entries marked');
is(told($large), 413, 'too large all the same');

$t->expect(qr/client intended to send too large/);
$t->no_secrets($old, $new, webhook_code(1), webhook_code(6));

$t->done;
