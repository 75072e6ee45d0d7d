#!/usr/bin/perl

# What curl frees has held tokens and webhook codes: in the request that is sent,
# in answers that repeat them. It is wiped first (t/lib/unwiped.c looks on), so
# that none is found in the memory of a worker later.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

my $preload = $t->dir . '/unwiped.so';
system('cc', '-O2', '-shared', '-fPIC', '-o', $preload,
       "$FindBin::Bin/lib/unwiped.c", '-ldl') == 0
    or die "t/lib/unwiped.c does not compile\n";

my $found = $t->dir . '/unwiped.txt';
my $code = webhook_code(1);

$t->config(<<'EOF', main => 'env UNWIPED_WORD; env UNWIPED_FILE;');
    counters_portal acme { url %%PORTAL%%; zone 1m; rate off; timeout 1s; }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
    }
EOF

{
    local $ENV{LD_PRELOAD} = $preload;
    local $ENV{UNWIPED_WORD} = $code;
    local $ENV{UNWIPED_FILE} = $found;

    $t->start;
}

my $target = $portal->hook(1, 'tasks.task.counters.get');

for my $user (1 .. 5) {
    is($t->get("$target?userId=$user")->status, 200, "user $user");
}

# in batches, too

my @answers = $t->many([ map { "$target?userId=$_" } 10 .. 60 ],
                       concurrency => 24);

is(scalar(grep { $_->status == 200 } @answers), 51, 'many users');

$t->stop;

ok(!-e $found, 'nothing that curl has freed held the code');

done_testing;
