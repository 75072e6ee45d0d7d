#!/usr/bin/perl

# Processes that die in the middle of an edit of the zone.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Counters::Unit;

Counters::Unit::run('crash');
