#!/usr/bin/perl

# Who gets how much when the quota is short.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Counters::Unit;

Counters::Unit::run('fair');
