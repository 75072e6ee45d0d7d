#!/usr/bin/perl

# counters_purge: what it refuses changes nothing; what it accepts is gone, or
# stale, for every worker and for every credential that has seen it.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$t->config(<<'EOF', workers => 2);
    counters_portal acme  { url %%PORTAL%%; zone 1m; rate off; ttl 1h; }
    counters_portal bare  { url %%PORTAL%%; zone 1m; rate off; ttl 1h; }

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /acme/ { counters acme; proxy_pass %%PORTAL%%/; }
        location /bare/ { counters bare; proxy_pass %%PORTAL%%/; }

        location = /purge { counters_purge acme; }
        location = /purge/denied { counters_purge acme; deny all; }
        location = /purge/file {
            counters_purge acme;
            client_body_in_file_only clean;
        }
    }
EOF

$t->start;

# "status" of Cache-Status as a word: what a call of this user met with

sub call ($user, $query = '', %how) {
    my $where = $how{at} // 'acme';
    my $r = $t->get("/$where" . $portal->hook($user, 'tasks.task.counters.get')
                    . $query, keep => 1);
    my $status = $r->header('cache-status') // '';

    return $r->status == 200
           ? $status =~ /detail=(\w+)/ ? $1
             : $status =~ /; hit/ ? 'HIT' : $status =~ /fwd=(\w+)/ ? $1 : 'none'
           : $r->status;
}

sub purge ($query, %how) {
    my $r = $t->request($how{verb} // 'POST', "/purge$query", keep => 1, %how);

    return $r->status == 200 ? $r->json->{purged} : $r->status;
}

# --- what is refused

is(call(5), 'miss', 'an entry to be left alone');

for my $verb (qw(GET HEAD PUT PATCH OPTIONS PROPFIND)) {
    my $r = $t->request($verb, '/purge?all=1', keep => 1);

    is($r->status, 405, "$verb is refused");
    is($r->header('allow'), 'POST, DELETE', "$verb: what is allowed");
}

my @nonsense = (
    ['nothing', ''],
    ['only soft', '?soft=1'],
    ['user and group', '?user=5&group=7'],
    ['user and all', '?user=5&all=1'],
    ['a name unknown', '?users=5'],
    ['a name unknown beside a known one', '?all=1&force=1'],
    ['a name in upper case', '?ALL=1'],
    ['a user twice', '?user=5&user=5'],
    ['a list of users', '?user[]=5'],
    ['a list of all', '?all[0]=1'],
    ['no user', '?user='],
    ['user 0', '?user=0'],
    ['group 0', '?group=0'],
    ['a negative user', '?user=-5'],
    ['a user with a sign', '?user=%2B5'],
    ['a user with a zero in front', '?user=05'],
    ['a user that is no number', '?user=5x'],
    ['a user that is a fraction', '?user=5.0'],
    ['a user with a space', '?user=5%20'],
    ['a user beyond the numbers', '?user=99999999999999999999'],
    ['all without a value', '?all'],
    ['all=0', '?all=0'],
    ['all=yes', '?all=yes'],
    ['all=2', '?all=2'],
    ['soft=2', '?all=1&soft=2'],
    ['soft=yes', '?user=5&soft=yes'],
    ['too many arguments', '?user=5' . '&user=5' x 20],
    ['a user with a null byte', '?user=5%00'],
);

for my $case (@nonsense) {
    my ($name, $query) = @$case;
    my $r = $t->post("/purge$query", '', keep => 1);

    is($r->status, 400, "$name: refused");
    is($r->json->{error}, 'INVALID_REQUEST', "$name: an envelope");

    next if $query eq '';

    is(purge('', body => substr($query, 1),
             type => 'application/x-www-form-urlencoded'),
       400, "$name: refused in a body");
}

my %form = (type => 'application/x-www-form-urlencoded');

is(purge('?user=5', %form, body => 'user=5'), 400, 'twice, in query and body');
is(purge('?user=5', %form, body => 'all=1'), 400, 'another thing in the body');
is(purge('', type => 'text/plain', body => 'all=1'), 400, 'text is no form');
is(purge('', body => 'all=1'), 400, 'a body of no type');

my %json = (type => 'application/json');

is(purge('', %json, body => $_), 400, "JSON $_")
    for '{"user":true}', '{"user":[5]}', '{"user":5.0}', '{"user":null}', '[]',
        '[5]', '{"user":5', '5', '{"user":5,"user":5}', '{"all":false}';

is(purge('?user=5', @$_), 400, "unreadable: @$_")
    for [%json, body => '{'], [%json, body => "\0"], [%form, body => '%zz'],
        [%form, body => '='], [type => 'text/plain', body => '5'],
        [type => 'multipart/form-data', body => '5'],
        [type => 'multipart/form-data; boundary=b', body => "--b\r\n"],
        [%json, chunked => 1, body => "\x1f\x8b"];

is($t->post('/purge/denied?all=1', '')->status, 403, 'access rules hold');

# the page of another site, in an administrator's browser

my $here = 'http://127.0.0.1:' . $t->port(8080);

for my $verb (qw(POST DELETE)) {
    for my $headers ({ 'Sec-Fetch-Site' => 'cross-site' },
                     { 'Sec-Fetch-Site' => 'same-site' },
                     { 'Sec-Fetch-Site' => '' },
                     { 'Sec-Fetch-Site' => 'cross-site', Origin => $here },
                     { Origin => 'https://evil.example' }, { Origin => 'null' },
                     { Origin => "$here.evil.example" }, { Origin => "${here}1" },
                     { Origin => 'http://127.0.0.1' }, { Origin => '' })
    {
        my $r = $t->request($verb, '/purge?all=1', keep => 1, headers => $headers);
        my $name = join ', ', map { "$_ $headers->{$_}" } sort keys %$headers;

        is($r->status, 403, "$verb, $name: refused");
        is($r->json->{error}, 'CROSS_SITE_REQUEST', "$verb, $name: an envelope");
    }
}

is(call(5), 'HIT', 'nothing was purged');

is(purge('?user=77', headers => $_), 0, 'one of its own')
    for { 'Sec-Fetch-Site' => 'same-origin' }, { 'Sec-Fetch-Site' => 'none' },
        { 'Sec-Fetch-Site' => 'same-origin', Origin => $here }, { Origin => $here };

for my $how ({}, { chunked => 1 }) {
    my $r = $t->request('POST', '/purge', %form, %$how,
                        body => 'all=1&soft=' . '0' x 5000);

    is($r->status, 413, 'a body too large' . (%$how ? ', chunked' : ''));
    is($r->json->{error}, 'REQUEST_TOO_LARGE', 'with an envelope');
}

is(call(5), 'HIT', 'nothing was dropped by any of this');

# --- what is accepted

# User 1 is an administrator, who sees everybody's

my @CALLS = ([5, ''], [5, '?groupId=7'], [1, '?userId=5'], [6, '?groupId=7']);

sub fill () {
    purge('?all=1');
    is(join(' ', map { call(@$_) } @CALLS), 'miss miss miss miss', 'all fetched');
}

sub then_is ($expected, $name) {
    is(join(' ', map { call(@$_) } @CALLS), $expected, $name);
}

is(call(5, '', at => 'bare'), 'miss', 'an entry of another portal');
fill();

my $r = $t->post('/purge?user=5', '');

is($r->body, '{"purged":3}', 'all that is known about a user');
is($r->header('content-type'), 'application/json; charset=utf-8', 'JSON');
is($r->header('cache-control'), 'no-store', 'not to be stored');

then_is('miss miss miss HIT', 'his own, and what others have seen of him');
is(call(5, '', at => 'bare'), 'HIT', 'another portal is not touched');

fill();
is(purge('', verb => 'DELETE', %form, body => 'group=7'), 2, 'a group');
then_is('HIT miss HIT miss', 'of whomever');

fill();
is(purge('?all=1', verb => 'DELETE'), 4, 'everything');
is(purge('?all=1'), 0, 'nothing is left');
is(purge('?user=4711'), 0, 'of somebody unknown');

for my $how ([ 'a form', '', %form, body => 'user=5' ],
             [ 'a form, chunked', '', %form, body => 'user=5', chunked => 1 ],
             [ 'JSON', '', %json, body => '{"user":5}' ],
             [ 'JSON, a string', '', %json, body => '{"user":"5"}' ],
             [ 'query and form', '?user=5', %form, body => 'soft=0' ],
             [ 'a body in a file', '/file', %form, body => 'user=5' ])
{
    my ($name, $query, %more) = @$how;

    is(call(5), 'miss', 'fetched');
    is(purge($query, %more), 1, "$name: purged");
}

# --- softly

fill();
$portal->bump;

is(purge('?user=5&soft=1'), 3, 'marked stale');
is(call(6, '?groupId=7'), 'HIT', 'somebody else is not');
like(call(5), qr/^(?:UPDATING|HIT)$/, 'answered at once');

ok(wait_for(sub { call(5) eq 'HIT' }), 'and refreshed by that');
is(purge('?all=1&soft=1'), 4, 'all marked stale');
is(purge('?all=1'), 4, 'what is stale is still there to be dropped');

# --- both workers know

fill();
is(purge('?user=5'), 3, 'one worker purges');

my @after = $t->many([ ('/acme' . $portal->hook(5, 'tasks.task.counters.get')) x 20 ],
                     concurrency => 10);

is(scalar(grep { ($_->header('cache-status') // '') =~ /; stored/ } @after), 1,
   'and it is fetched once for all of them');

$t->no_secrets(map { webhook_code($_) } 1, 5, 6);
like($t->log, qr/counters_portal "acme": 3 entries marked stale on demand/,
     'it is in the log');

$t->done;
