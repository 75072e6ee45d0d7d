#!/usr/bin/perl

# The page of counters_status: whole, nothing to load, nothing that runs.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Mojo::DOM;
use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$t->config(<<'EOF');
    counters_portal a-b_c.D { url %%PORTAL%%; zone 1m; }
    counters_portal none    { url %%PORTAL%%; zone 1m; rate off; ahead 90s;
                              methods tasks.task.counters.get im.counters.get;
                              ttl 1500ms; stale 0 error=49h; reserve 0%; }

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /rest/ { counters a-b_c.D; proxy_pass %%PORTAL%%; }
        location = /page { counters_status a-b_c.D html; }
        location = /none { counters_status none html; }
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';

# Every element that was opened is closed, in order

sub unbalanced ($html) {
    my @open;

    $html =~ s/<style>.*?<\/style>//s;

    while ($html =~ /<(\/?)([a-z0-9]+)\b[^>]*>/g) {
        my ($end, $name) = ($1, $2);

        next if $name =~ /^(?:meta|link|br)$/;

        if (!$end) {
            push @open, $name;
        } elsif ((pop @open // '') ne $name) {
            return "</$name>";
        }
    }

    return join ' ', @open;
}

sub page ($target) {
    my $r = $t->get($target);
    my $html = $r->body;

    is($r->status, 200, "$target");
    is(unbalanced($html), '', 'its elements are closed');
    ok(utf8::decode($html), 'it is UTF-8');

    my $dom = Mojo::DOM->new($html);

    is($dom->find('script, img, iframe, object, form, a')->size, 0,
       'it has nothing that acts');
    is_deeply($dom->find('link')->map(attr => 'href')->to_array, ['data:,'],
              'it loads nothing');
    unlike($html, qr{url\(|\@import|https?:|src=|\son[a-z]+=}, 'and names no address');
    like($r->header('content-security-policy'), qr/default-src 'none'/,
         'the browser is told so');
    is($r->header('x-content-type-options'), 'nosniff', 'and not to guess');

    is($dom->at('meta[http-equiv=refresh]')->attr('content'), 5, 'it renews itself');
    like($html, qr/prefers-color-scheme:dark/, 'light and dark');
    is_deeply($dom->find('section h2')->map('text')->to_array,
              [qw(Requests Portal Quota Queue Memory Redis)], 'its cards');

    return $dom;
}

# The value beside a label

sub value ($dom, $card, $label) {
    my $section = $dom->find('section')
                      ->first(sub { $_->at('h2')->text eq $card });
    my $row = $section->find('dl div')
                      ->first(sub { $_->at('dt')->all_text =~ /\Q$label\E/ });

    return $row->at('dd')->text;
}

sub headline ($dom, $card) {
    my $section = $dom->find('section')
                      ->first(sub { $_->at('h2')->text eq $card });

    return join ' ', map { plain($section->at($_)) } '.big', '.what';
}

# With spaces of one kind

sub plain ($element) {
    return $element->all_text =~ s/[^\x21-\x7e]+/ /gr;
}

my $dom = page('/page');

is($dom->at('h1')->text, 'a-b_c.D', 'the name');
is($dom->at('title')->text, 'a-b_c.D: counters', 'in the title');
is($dom->at('.health')->attr('class'), 'health idle', 'nothing yet');
like(headline($dom, 'Requests'), qr/of 0 counter calls/, 'no call yet');
is(value($dom, 'Requests', 'HIT'), 0, 'no hit yet');

$t->get($portal->hook(5, $METHOD), keep => 1) for 1 .. 1250;

$dom = page('/page');

is($dom->at('.health')->text, 'Portal is answering', 'in plain words');
is($dom->at('.health')->attr('class'), 'health ok', 'and in green');
is(headline($dom, 'Requests'),
   '99.9 % of 1 250 counter calls answered from the cache', 'the share of hits');
is(headline($dom, 'Portal'), '1 requests sent, 1 call in each on average',
   'what the portal is asked');
is(headline($dom, 'Quota'), '49 of 50 requests left, 2 more a second, 20 % reserved',
   'the quota');
is(headline($dom, 'Queue'), '0 calls queued, 0 at the portal now', 'the queue');
like(headline($dom, 'Memory'), qr/^\d\.\d % of 1 MB shared memory in use$/,
     'the zone');
is(headline($dom, 'Redis'), 'none shared memory is the only cache', 'no Redis');
is(value($dom, 'Requests', 'HIT') =~ s/\D+/ /r, '1 249', 'digits in groups');
is(value($dom, 'Memory', 'Entries'), 1, 'entries');
like(plain($dom->at('footer')), qr/Fresh for 30 s \($METHOD\)/, 'ttl');

$dom = page('/none');

is(headline($dom, 'Quota'), 'off the portal sets no limit', 'no quota');
like(plain($dom->at('footer')), qr/Fresh[ ]for[ ]1500[ ]ms[ ]\($METHOD\),[ ]1500[ ]ms
     [ ]\(im\.counters\.get\),[ ]then[ ]stale[ ]for[ ]0[ ]s,[ ]or[ ]2[ ]d[ ]1[ ]h
     [ ]while/x, 'times');
like(plain($dom->at('footer')), qr/asked for within 1 m 30 s\./, 'ahead');

$t->done;
