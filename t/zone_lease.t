#!/usr/bin/perl

# Who refreshes what.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Counters::Unit;

Counters::Unit::run('lease');
