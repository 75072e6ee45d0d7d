#!/usr/bin/perl

# What is kept in shared memory, for whom, and for how long.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Counters::Unit;

Counters::Unit::run('zone');
