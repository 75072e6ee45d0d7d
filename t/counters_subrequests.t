#!/usr/bin/perl

# Subrequests of other modules (Lua's capture, njs): a body that is given to one is
# read as a client's is, and never taken for none. One that nobody has given it, its
# parent's, is not its business, unless its method takes one; what has not been read
# of that cannot be known.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $modules = '/usr/share/nginx/modules';

plan skip_all => 'without the Lua and njs modules'
    if grep { !-e "$modules/$_" } qw(ndk_http_module.so ngx_http_lua_module.so
                                     ngx_http_js_module.so);

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $FORM = 'application/x-www-form-urlencoded';

$t->write('sub.js', <<'EOF');
async function own(r) {
    const reply = await r.subrequest(r.args.to,
                                     {method: r.args.method || 'POST',
                                      args: r.args.args || '',
                                      body: r.args.body});
    r.return(reply.status, reply.responseText);
}
export default {own};
EOF

my $main = join "\n", map { "load_module $modules/$_;" }
    qw(ndk_http_module.so ngx_http_lua_module.so ngx_http_js_module.so);

$t->config(<<'EOF', workers => 1, main => $main);
    counters_portal acme { url %%PORTAL%%; zone 1m; rate off; ttl 1h;
                           webhook %%WEBHOOK_1%%; events_token %%TOKEN_1%%; }

    js_path %%DIR%%;
    js_import sub from sub.js;

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        add_header X-Status "$counters_cache_status" always;

        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location = /counters { counters acme; counters_user 5; }
        location = /purge { counters_purge acme; }
        location = /events { counters_events acme; }

        location = /js { js_content sub.own; }

        # ?to=PATH&args=...&body=...&method=POST, as the client's own type says
        location = /lua {
            content_by_lua_block {
                local arg = ngx.req.get_uri_args()

                if arg.read then ngx.req.read_body() end

                local reply = ngx.location.capture(arg.to, {
                    method = ngx["HTTP_" .. (arg.method or "POST")],
                    args = arg.args, body = arg.body,
                    always_forward_body = arg.forward ~= nil,
                })
                ngx.status = reply.status
                ngx.header["X-Status"] = reply.header["X-Status"]
                ngx.print(reply.body)
            }
        }
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';
my $hook = $portal->hook(5, $METHOD);

sub escape ($s) {
    return $s =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02x', ord $1/ger;
}

# A request of $how by way of the module $by

sub by ($by, $to, %how) {
    my %client = map { exists $how{$_} ? ($_ => delete $how{$_}) : () }
                 qw(verb type posted chunked);
    my $target = "/$by?to=" . escape($to)
                 . join '', map { "&$_=" . escape($how{$_}) } sort keys %how;

    return $t->request($client{verb} // 'GET', $target,
                       headers => { 'Content-Type' => $client{type} // $FORM },
                       defined $client{posted} ? (body => $client{posted}) : (),
                       $client{chunked} ? (chunked => 1) : ());
}

for my $by (qw(lua js)) {

    # --- drop-in

    my $other = $portal->hook($by eq 'lua' ? 6 : 7, $METHOD);
    my $user = $by eq 'lua' ? 6 : 7;

    is(whose(by($by, $other, body => 'userId=0&groupId=4')->body),
       "$user/$user/4/view_all", "$by: a form");
    is(whose(by($by, $other, body => 'userId=0&groupId=4')->body),
       "$user/$user/4/view_all", "$by: and again");
    is($portal->count(user => $user), 1, "$by: from memory");
    is(whose(by($by, $other, body => '{"groupId":8}', type => 'application/json')
               ->body), "$user/$user/8/view_all", "$by: JSON");
    is(whose(by($by, $other, body => '')->body), "$user/$user/0/view_all",
       "$by: none");

    # the portal's to judge
    by($by, $hook, body => 'x=1');
    is($portal->count(user => 5), 1, "$by: an unknown argument is passed on");
    by($by, $hook, body => 'groupId=7', method => 'GET');
    is($portal->count(user => 5), 2, "$by: a GET with a body is passed on");
    by($by, $hook, body => 'groupId=7' . ' ' x 30, type => 'text/plain');
    is($portal->count(user => 5), 3, "$by: as is another type");
    $portal->forget;

    # --- managed

    is(whose(by($by, '/counters', body => 'groupId=7')->body), '1/5/7/view_all',
       "$by: managed");
    is(whose(by($by, '/counters', args => 'type=view_role_auditor',
                body => 'groupId=7')->body), '1/5/7/view_role_auditor',
       "$by: with a query");
    is(by($by, '/counters', body => 'userId=6')->status, 403, "$by: another user");
    is(by($by, '/counters', body => 'x=1')->status, 400, "$by: unknown");
    is(by($by, '/counters', body => '{', type => 'application/json')->status, 400,
       "$by: malformed");
    is(whose(by($by, '/counters', method => 'GET')->body), '1/5/0/view_all',
       "$by: GET");
    is(whose(by($by, '/counters', method => 'GET', verb => 'POST',
                posted => 'groupId=3&userId=6')->body), '1/5/0/view_all',
       "$by: GET, and a body that is the parent's");

    # --- purge and events

    is(by($by, '/purge', body => 'user=77')->body, '{"purged":0}', "$by: a purge");
    is(by($by, '/purge', body => 'user=x')->status, 400, "$by: nonsense");
    is(by($by, '/purge', body => '{', type => 'application/json')->status, 400,
       "$by: malformed");
    is(by($by, '/purge', args => 'user=77', body => 'user=78')->status, 400,
       "$by: two");

    my $event = 'event=ONTASKUPDATE&data[FIELDS_AFTER][ID]=1';
    my $token = access_token(1);

    is(by($by, '/events', body => "$event&auth[application_token]=$token")->status,
       200, "$by: an event");
    is(by($by, '/events', body => "$event&auth[application_token]=no")->status,
       403, "$by: a wrong token");
    is(by($by, '/events', body => '')->status, 403, "$by: no event");
    $portal->forget;
}

# --- the parent's body, which Lua hands on with a POST

for my $chunked (0, 1) {
    my %posted = (verb => 'POST', posted => 'groupId=6', chunked => $chunked);

    is(whose(by('lua', $hook, read => 1, %posted)->body), '5/5/6/view_all',
       'handed on');
    is(whose(by('lua', '/counters', read => 1, %posted)->body), '1/5/6/view_all',
       'managed');
    is(by('lua', '/purge', read => 1, %posted, posted => 'user=1')->status, 200,
       'a purge');

    next if $chunked;   # Lua hides that there is one

    # nobody has read it
    is(by('lua', '/counters', %posted)->status, 400, 'not read: managed');
    is(by('lua', '/purge', args => 'user=77', %posted)->status, 400,
       'not read: a purge');
}

$t->done;
