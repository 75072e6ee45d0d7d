#!/usr/bin/perl

# The zone under thousands of random steps.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Counters::Unit;

Counters::Unit::run('model');
